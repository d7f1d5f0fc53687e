//! What a broker says of a partition in a Fetch answer, beside its records.

use kafka_protocol::messages::fetch_response::{EpochEndOffset, LeaderIdAndEpoch, PartitionData};
use kafka_protocol::messages::BrokerId;
use kafka_protocol::ResponseError;

use crate::remapper::{RemapError, VirtualPartition};

/// What the broker said of a partition beside its records. Offsets are physical.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartitionStatus {
    pub(super) error_code: i16,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    log_start_offset: i64,
    /// Epoch and end offset.
    diverging: (i32, i64),
    /// Id and epoch.
    leader: (i32, i32),
    preferred_read_replica: i32,
    /// There is a list of aborted transactions, if only an empty one.
    lists_aborted: bool,
}

impl PartitionStatus {
    /// What `data` says beside its records.
    pub(super) fn of(data: &PartitionData) -> Self {
        Self {
            error_code: data.error_code,
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            log_start_offset: data.log_start_offset,
            diverging: (data.diverging_epoch.epoch, data.diverging_epoch.end_offset),
            leader: (data.current_leader.leader_id.0, data.current_leader.leader_epoch),
            preferred_read_replica: data.preferred_read_replica.0,
            lists_aborted: data.aborted_transactions.is_some(),
        }
    }

    /// An error of the filter's own.
    pub(super) fn error(error: ResponseError) -> Self {
        Self::of(&PartitionData::default().with_error_code(error.code()).with_high_watermark(-1))
    }

    /// The same status, but with this error.
    pub(super) fn with_error(self, error: ResponseError) -> Self {
        Self { error_code: error.code(), ..self }
    }

    /// The client is sent elsewhere: to another replica, or back to where the log is still its own.
    pub(super) fn redirects(&self) -> bool {
        self.preferred_read_replica >= 0 || self.diverging != Self::of(&PartitionData::default()).diverging
    }

    /// The error will still be there when the client asks again, and no client asks about it elsewhere:
    /// asking again at once brings nothing. On other errors clients move on, to another offset or to another
    /// broker.
    pub(super) fn lasts(&self) -> bool {
        let lasting = [
            ResponseError::UnknownTopicOrPartition,
            ResponseError::TopicAuthorizationFailed,
            ResponseError::UnknownServerError,
            ResponseError::CorruptMessage,
        ];
        lasting.iter().any(|lasting| lasting.code() == self.error_code)
    }

    /// The status of `partition` for its client; `offset` makes the broker's offsets the client's.
    pub(super) fn for_client(
        &self,
        partition: VirtualPartition,
        offset: impl Fn(i64) -> Result<i64, RemapError>,
    ) -> Result<PartitionData, RemapError> {
        let diverging =
            EpochEndOffset::default().with_epoch(self.diverging.0).with_end_offset(offset(self.diverging.1)?);
        let leader =
            LeaderIdAndEpoch::default().with_leader_id(BrokerId(self.leader.0)).with_leader_epoch(self.leader.1);
        Ok(PartitionData::default()
            .with_partition_index(partition.0)
            .with_error_code(self.error_code)
            .with_high_watermark(offset(self.high_watermark)?)
            .with_last_stable_offset(offset(self.last_stable_offset)?)
            .with_log_start_offset(offset(self.log_start_offset)?)
            .with_diverging_epoch(diverging)
            .with_current_leader(leader)
            .with_preferred_read_replica(BrokerId(self.preferred_read_replica))
            .with_aborted_transactions(self.lists_aborted.then(Vec::new)))
    }
}
