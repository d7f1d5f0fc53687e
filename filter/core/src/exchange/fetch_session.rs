//! A client's fetch session (KIP-227): which partitions the client reads, so that its Fetches name only what
//! changes, and what the client was told of them last, so that answers do too.
//!
//! Kafka's rules, as `FetchSession.scala` has them. Sessions here live as long as their connection, and no
//! connection has more than one: a client reads from a broker over one connection. All offsets are as the
//! client sees them.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::TopicName;

use crate::exchange::located::detached;
use crate::limits;
use crate::shared::sessions::SessionBytes;

/// `session_id` of a request or answer that is of no session.
pub(crate) const NO_SESSION: i32 = 0;
/// `session_epoch` of a full Fetch that opens a session, in the place of the one that it names.
pub(crate) const OPENS: i32 = 0;
/// `session_epoch` of a full Fetch that opens none, and closes the one that it names.
pub(crate) const CLOSES: i32 = -1;

/// The first version of Fetch that says after which epoch the last record was read.
const LAST_FETCHED_EPOCHS: i16 = 12;

/// How the Fetch that is being answered uses the connection's session.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Answering {
    /// Not at all.
    #[default]
    Alone,
    /// Opens it: the client is told of all partitions.
    Whole,
    /// Goes on with it: the client is told of what has changed.
    Changes,
}

/// The fetch sessions of one connection.
#[derive(Default)]
pub(crate) struct FetchSessions {
    own: Option<FetchSession>,
    /// A Fetch of mapped topics is a barrier: there is one at a time.
    answering: Answering,
    /// A Fetch went by that may have opened a session of the broker's. Without one, no session of the
    /// broker's is this client's: one that was opened elsewhere, under another configuration or around the
    /// filter, may read physical partitions of topics that are mapped here.
    pub(crate) may_be_brokers: bool,
}

impl FetchSessions {
    /// The filter's own session, if this is its id.
    pub(crate) fn own(&self, id: i32) -> Option<&FetchSession> {
        self.own.as_ref().filter(|own| own.id == id)
    }

    pub(crate) fn close(&mut self) {
        (self.own, self.answering) = (None, Answering::Alone);
    }

    /// A full Fetch is about to be answered; `opened` is what it opens.
    pub(crate) fn begin(&mut self, opened: Option<FetchSession>) {
        self.answering = Answering::Alone;
        if opened.is_some() {
            (self.own, self.answering) = (opened, Answering::Whole);
        }
    }

    /// A Fetch goes on with the own session. Gives all topics that it reads, or None when the session has no
    /// room for what is new, and is closed. A session that is left without partitions is closed, too: then
    /// the Fetch reads what it names.
    pub(crate) fn go_on(
        &mut self,
        topics: Vec<FetchTopic>,
        forgotten: &[ForgottenTopic],
        version: i16,
    ) -> Option<Vec<FetchTopic>> {
        let own = self.own.as_mut()?;
        if !topics.iter().all(|topic| own.add(topic)) {
            self.close();
            return None;
        }
        forgotten.iter().for_each(|topic| own.forget(topic));
        if own.partitions.is_empty() {
            self.close();
            return Some(topics);
        }
        own.epoch = next_epoch(own.epoch);
        self.answering = Answering::Changes;
        Some(own.wanted(version))
    }

    /// The id that the client's answer carries.
    pub(crate) fn answered_id(&self) -> i32 {
        match (self.answering, &self.own) {
            (Answering::Whole | Answering::Changes, Some(own)) => own.id,
            _ => NO_SESSION,
        }
    }

    /// Whether the client is told `data` of a partition; `has_records`: beside records, which `data` lacks.
    pub(crate) fn tells(&mut self, topic: &TopicName, data: &PartitionData, has_records: bool) -> bool {
        match (self.answering, &mut self.own) {
            (Answering::Whole, Some(own)) => {
                own.kept(topic, data.partition_index).map(|kept| kept.note(data, has_records));
                true
            }
            (Answering::Changes, Some(own)) => own.tells(topic, data, has_records),
            _ => true,
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

/// A partition of a session: what the client wants of it, and what the client was told last.
struct Kept {
    topic: TopicName,
    partition: i32,
    current_leader_epoch: i32,
    last_fetched_epoch: i32,
    partition_max_bytes: i32,
    fetch_offset: i64,
    log_start_offset: i64,
    told_high_watermark: i64,
    told_log_start_offset: i64,
}

impl Kept {
    /// Nothing was told yet.
    fn new(topic: TopicName, wanted: &FetchPartition) -> Self {
        Self {
            topic,
            partition: wanted.partition,
            current_leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            partition_max_bytes: wanted.partition_max_bytes,
            fetch_offset: wanted.fetch_offset,
            log_start_offset: wanted.log_start_offset,
            told_high_watermark: -1,
            told_log_start_offset: -1,
        }
    }

    fn update(&mut self, wanted: &FetchPartition) {
        let (told_high_watermark, told_log_start_offset) = (self.told_high_watermark, self.told_log_start_offset);
        *self = Self { told_high_watermark, told_log_start_offset, ..Self::new(self.topic.clone(), wanted) };
    }

    /// As a request of this version says it.
    fn wanted(&self, version: i16) -> FetchPartition {
        let last_fetched_epoch = if version >= LAST_FETCHED_EPOCHS { self.last_fetched_epoch } else { -1 };
        FetchPartition::default()
            .with_partition(self.partition)
            .with_current_leader_epoch(self.current_leader_epoch)
            .with_fetch_offset(self.fetch_offset)
            .with_last_fetched_epoch(last_fetched_epoch)
            .with_log_start_offset(self.log_start_offset)
            .with_partition_max_bytes(self.partition_max_bytes)
    }

    /// Notes what the client is about to be told. False: there is nothing new in it.
    fn note(&mut self, data: &PartitionData, has_records: bool) -> bool {
        let failed = data.error_code != 0;
        let moved =
            (self.told_high_watermark, self.told_log_start_offset) != (data.high_watermark, data.log_start_offset);
        // When an error is over, the client is told so.
        self.told_high_watermark = if failed { -1 } else { data.high_watermark };
        self.told_log_start_offset = data.log_start_offset;
        has_records || failed || moved || data.preferred_read_replica.0 >= 0 || data.diverging_epoch.epoch >= 0
    }
}

/// What is kept of a session.
pub(crate) struct FetchSession {
    id: i32,
    /// Of the Fetch that is to come next.
    epoch: i32,
    /// Where each partition is in `partitions`.
    topics: BTreeMap<TopicName, BTreeMap<i32, u64>>,
    /// In the order in which brokers are asked, and the client is told: a partition that brought records
    /// moves behind the others.
    partitions: BTreeMap<u64, Kept>,
    /// The next key in `partitions`.
    next: u64,
    bytes: SessionBytes,
}

impl FetchSession {
    /// A session of these partitions. `id`: random, so that no client knows another's, and far below 2^31: a
    /// Fetch that closes the session passes, and brokers fail on ids above those that they give themselves.
    /// None: there is no room for the session, and the client has to do without.
    pub(crate) fn open(id: i32, topics: &[FetchTopic], bytes: SessionBytes) -> Option<Self> {
        let (epoch, next) = (next_epoch(OPENS), 0);
        let mut this = Self { id, epoch, topics: BTreeMap::new(), partitions: BTreeMap::new(), next, bytes };
        topics.iter().all(|topic| this.add(topic)).then_some(this)
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// Adds partitions, or takes what the client wants of those that are there. False: there is no room.
    fn add(&mut self, topic: &FetchTopic) -> bool {
        if topic.partitions.is_empty() {
            return true;
        }
        let known = self.topics.get_key_value(&topic.topic).map(|(name, _)| name.clone());
        let name = match known {
            Some(name) => name,
            None if self.bytes.grow(topic_bytes(&topic.topic)) => detached(&topic.topic),
            None => return false,
        };
        let places = self.topics.entry(name.clone()).or_default();
        for wanted in &topic.partitions {
            match places.get(&wanted.partition).and_then(|place| self.partitions.get_mut(place)) {
                Some(kept) => kept.update(wanted),
                None if self.bytes.grow(limits::FETCH_SESSION_PARTITION_BYTES) => {
                    places.insert(wanted.partition, self.next);
                    self.partitions.insert(self.next, Kept::new(name.clone(), wanted));
                    self.next += 1;
                }
                None => return false,
            }
        }
        true
    }

    fn forget(&mut self, topic: &ForgottenTopic) {
        let Some(places) = self.topics.get_mut(&topic.topic) else { return };
        for place in topic.partitions.iter().filter_map(|partition| places.remove(partition)) {
            self.partitions.remove(&place);
            self.bytes.shrink(limits::FETCH_SESSION_PARTITION_BYTES);
        }
        if places.is_empty() {
            self.topics.remove(&topic.topic);
            self.bytes.shrink(topic_bytes(&topic.topic));
        }
    }

    /// All partitions, as a full request of this version names them.
    fn wanted(&self, version: i16) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = vec![];
        for kept in self.partitions.values() {
            let wanted = kept.wanted(version);
            match topics.last_mut() {
                Some(last) if last.topic == kept.topic => last.partitions.push(wanted),
                _ => topics.push(FetchTopic::default().with_topic(kept.topic.clone()).with_partitions(vec![wanted])),
            }
        }
        topics
    }

    fn kept(&mut self, topic: &TopicName, partition: i32) -> Option<&mut Kept> {
        self.partitions.get_mut(self.topics.get(topic)?.get(&partition)?)
    }

    /// See [`FetchSessions::tells`].
    fn tells(&mut self, topic: &TopicName, data: &PartitionData, has_records: bool) -> bool {
        let Some(place) = self.topics.get_mut(topic).and_then(|places| places.get_mut(&data.partition_index)) else {
            return true;
        };
        let Some(kept) = self.partitions.get_mut(place) else { return true };
        // The broker was not heard of the partition: there was no round left for it.
        let is_unheard = data.error_code == 0 && !has_records && data.log_start_offset < 0;
        let tells = !is_unheard && kept.note(data, has_records);
        if has_records {
            if let Some(kept) = self.partitions.remove(place) {
                self.partitions.insert(self.next, kept);
                *place = self.next;
                self.next += 1;
            }
        }
        tells
    }
}

/// Bytes that a topic takes in a session beside its partitions.
fn topic_bytes(topic: &TopicName) -> usize {
    limits::FETCH_SESSION_TOPIC_BYTES + topic.len()
}

#[cfg(test)]
mod tests;
