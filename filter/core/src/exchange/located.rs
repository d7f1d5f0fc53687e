//! Partitions that clients name, and where they are on the cluster.

use std::rc::Rc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::remapper::{Lane, OffsetEncoding, PartitionRemapper, PhysicalPartition, RemapError, VirtualPartition};
use crate::stats::TopicLabel;

/// A topic's physical partition, as the broker names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) topic: TopicName,
    pub(crate) partition: PhysicalPartition,
}

/// A copy of a topic's name for what waits longer than a frame may: a name that was read is a slice of its
/// frame, and keeps all of it in memory.
pub(crate) fn detached(name: &TopicName) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

/// Why a partition of a mapped topic has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// The mapping has no such virtual partition.
    Outside,
    /// The topic does not fit its mapping, or the broker does not say whether it does.
    Misfit,
    /// The broker says that there is no such topic, or none that the client may see.
    Absent(ResponseError),
}

impl Misplaced {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Outside => "the topic has fewer virtual partitions",
            Self::Misfit => "the topic's partitions on the cluster are not known to be as many as its mapping says",
            Self::Absent(_) => "the broker knows no such topic, or none that this client may see",
        }
    }

    /// What the partition is refused with.
    pub(crate) fn error(self) -> ResponseError {
        match self {
            Self::Outside | Self::Misfit => ResponseError::UnknownTopicOrPartition,
            Self::Absent(error) => error,
        }
    }
}

/// A topic that a request names, and its mapping if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    mapping: Option<Rc<PartitionRemapper>>,
    /// To the stats. None: it is not mapped.
    pub(crate) label: Option<TopicLabel>,
    /// Why no partition of the topic may be placed. None: it is known to fit its mapping, or is not mapped.
    pub(crate) lack: Option<Misplaced>,
}

impl Topic {
    /// `lack`: why no partition may be placed, where the topic is not known to have as many partitions on the
    /// cluster as `mapping` says.
    pub(crate) fn new(name: TopicName, mapping: Option<Rc<PartitionRemapper>>, lack: Option<Misplaced>) -> Self {
        Self { name, mapping, lack, label: None }
    }

    /// The same, under `label` to the stats.
    pub(crate) fn labelled(self, label: Option<TopicLabel>) -> Self {
        Self { label, ..self }
    }

    /// Where a virtual partition lives, whether or not the topic fits its mapping. None: there is none of
    /// this number.
    pub(crate) fn place(&self, partition: i32) -> Option<Located> {
        let partition = VirtualPartition(partition);
        let (physical, lane) = match &self.mapping {
            Some(mapping) => mapping.virtual_to_physical(partition).ok()?,
            None => (PhysicalPartition(partition.0), Lane(0)),
        };
        Some(self.located(partition, physical, lane))
    }

    /// The reverse of [`Self::place`]: what clients know as `lane` of a physical partition. None: no virtual
    /// partition lies there.
    pub(crate) fn at(&self, physical: PhysicalPartition, lane: Lane) -> Option<Located> {
        let partition = match &self.mapping {
            Some(mapping) => mapping.physical_to_virtual(physical, lane).ok()?,
            None if lane == Lane(0) => VirtualPartition(physical.0),
            None => return None,
        };
        Some(self.located(partition, physical, lane))
    }

    /// All virtual partitions of a physical one, in the order of their lanes.
    pub(crate) fn siblings(&self, physical: PhysicalPartition) -> impl Iterator<Item = Located> + '_ {
        let lanes = self.mapping.as_ref().map_or(1, |mapping| mapping.lanes());
        (0..lanes).map_while(move |lane| self.at(physical, Lane(lane)))
    }

    fn located(&self, partition: VirtualPartition, physical: PhysicalPartition, lane: Lane) -> Located {
        let place = Place { topic: self.name.clone(), partition: physical };
        Located { partition, place, lane, mapping: self.mapping.clone(), label: self.label }
    }
}

/// A partition that a client names, found on the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The partition's number to clients. Of a topic that is not mapped brokers use the same one.
    pub(crate) partition: VirtualPartition,
    pub(crate) place: Place,
    /// Lane 0 where the topic is not mapped.
    pub(crate) lane: Lane,
    mapping: Option<Rc<PartitionRemapper>>,
    /// Of the topic, to the stats. None: it is not mapped.
    pub(crate) label: Option<TopicLabel>,
}

impl Located {
    pub(crate) fn is_mapped(&self) -> bool {
        self.mapping.is_some()
    }

    /// Offsets are the broker's own: records go on as they are.
    pub(crate) fn keeps_offsets(&self) -> bool {
        self.mapping.as_ref().is_none_or(|mapping| mapping.offset_encoding() == OffsetEncoding::Identity)
    }

    /// How virtual partitions lie on physical ones. None: the topic is not mapped.
    pub(crate) fn mapping(&self) -> Option<&PartitionRemapper> {
        self.mapping.as_deref()
    }

    /// An offset of the client's, as the broker has it. Negative ones have a meaning of their own, and stay.
    ///
    /// # Errors
    /// [`RemapError`]: the mapping has no such offset.
    pub(crate) fn offset_for_broker(&self, offset: i64) -> Result<i64, RemapError> {
        match &self.mapping {
            Some(mapping) => mapping.virtual_to_physical_offset(self.lane, offset),
            None => Ok(offset),
        }
    }

    /// An offset of the broker's, as the client has it. Negative ones have a meaning of their own, and stay.
    ///
    /// # Errors
    /// [`RemapError`]: the offset lies beyond `offset_range`.
    pub(crate) fn offset_for_client(&self, offset: i64) -> Result<i64, RemapError> {
        match &self.mapping {
            Some(mapping) => mapping.physical_to_virtual_offset(self.lane, offset),
            None => Ok(offset),
        }
    }
}
