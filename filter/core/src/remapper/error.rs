//! What can be wrong with a mapping, and with a number that the mapping is applied to.

use std::fmt;

use super::partitions::Lane;
use crate::limits::{LANES_MAX, OFFSET_RANGE_MIN};

/// Why a mapping cannot be. Its text starts with the name of the field that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingError {
    /// P is below 1.
    NoPhysicalPartitions {
        /// P as it was given.
        physical_partitions: i32,
    },
    /// V is below P.
    FewerThanPhysical {
        /// V as it was given.
        virtual_partitions: i32,
        /// P, at least 1.
        physical_partitions: i32,
    },
    /// P does not divide V.
    NotAMultiple {
        /// V, at least P.
        virtual_partitions: i32,
        /// P, at least 1.
        physical_partitions: i32,
    },
    /// More than [`LANES_MAX`] virtual partitions would share a physical one.
    TooManyLanes {
        /// V, a multiple of P.
        virtual_partitions: i32,
        /// P, at least 1.
        physical_partitions: i32,
        /// V / P.
        lanes: u32,
    },
    /// R is below [`OFFSET_RANGE_MIN`].
    OffsetRangeTooSmall {
        /// R as it was given.
        offset_range: i64,
    },
    /// V / P * R is above 2^63, so that not every encoded offset would be an `i64`.
    OffsetRangeTooLarge {
        /// R as it was given.
        offset_range: i64,
        /// V / P.
        lanes: u32,
    },
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoPhysicalPartitions { physical_partitions } => {
                write!(f, "physical_partitions: {physical_partitions} is less than 1")
            }
            Self::FewerThanPhysical { virtual_partitions, physical_partitions } => write!(
                f,
                "virtual_partitions: {virtual_partitions} is less than physical_partitions {physical_partitions}"
            ),
            Self::NotAMultiple { virtual_partitions, physical_partitions } => write!(
                f,
                "virtual_partitions: {virtual_partitions} is not a multiple of physical_partitions {physical_partitions}"
            ),
            Self::TooManyLanes { virtual_partitions, physical_partitions, lanes } => write!(
                f,
                "virtual_partitions: {virtual_partitions} puts {lanes} on each of physical_partitions \
                 {physical_partitions}; at most {LANES_MAX} can share one"
            ),
            Self::OffsetRangeTooSmall { offset_range } => {
                write!(f, "offset_range: {offset_range} is less than {OFFSET_RANGE_MIN} (2^20)")
            }
            Self::OffsetRangeTooLarge { offset_range, lanes } => write!(
                f,
                "offset_range: {offset_range} is more than {}; {lanes} virtual partitions share a physical one, \
                 and all their offsets must stay below 2^63",
                (1_u64 << 63) / u64::from(lanes.max(1))
            ),
        }
    }
}

impl std::error::Error for MappingError {}

/// Which number of a mapping was out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// A partition number as clients see it.
    Virtual,
    /// A partition number as the broker knows it.
    Physical,
    /// A lane.
    Lane,
}

/// Why a partition or an offset has no counterpart on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemapError {
    /// No such partition, or no such lane: valid are `0..count`.
    PartitionOutOfRange {
        /// Which number is meant.
        kind: PartitionKind,
        /// The number as it was given.
        number: i64,
        /// How many there are.
        count: i64,
    },
    /// The offset has outgrown `offset_range`.
    OffsetOverflow {
        /// The offset as it was given; `offset_range` or more.
        offset: i64,
        /// R of the mapping.
        offset_range: i64,
    },
    /// The client's offset is not one of its lane, whose offsets are `first..=last`: it is of another
    /// virtual partition, or was stored under another mapping.
    OffsetForeign {
        /// The offset that the client sent; 0 or more.
        offset: i64,
        /// The lane of the client's partition.
        lane: Lane,
        /// The lane's first encoded offset.
        first: i64,
        /// The lane's last encoded offset.
        last: i64,
    },
}

impl fmt::Display for RemapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PartitionOutOfRange { kind, number, count } => {
                let what = match kind {
                    PartitionKind::Virtual => "virtual partition",
                    PartitionKind::Physical => "physical partition",
                    PartitionKind::Lane => "lane",
                };
                write!(f, "{what} {number} is not in 0..{count}")
            }
            Self::OffsetOverflow { offset, offset_range } => {
                write!(f, "offset {offset} is not below the offset range {offset_range}")
            }
            Self::OffsetForeign { offset, lane, first, last } => {
                write!(f, "offset {offset} is not of lane {lane}, whose offsets are {first}..={last}")
            }
        }
    }
}

impl std::error::Error for RemapError {}
