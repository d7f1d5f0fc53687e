//! The arithmetic of the mapping: which physical partition and lane a virtual partition is, and what an
//! offset looks like on either side. Pure and total: any number in gives an answer or an error, never a
//! panic.
//!
//! `V` virtual partitions share `P` physical ones, `C = V / P` each. The lane tells those `C` siblings apart.

mod error;
mod partitions;

use serde::Deserialize;

pub use self::error::{MappingError, PartitionKind, RemapError};
pub use self::partitions::{Lane, PhysicalPartition, VirtualPartition};

use crate::limits::{LANES_MAX, OFFSET_RANGE_MIN};

/// Which virtual partitions are siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `p = v mod P`: V can grow while P stays, and no virtual partition moves.
    #[default]
    Modulo,
    /// `p = v div C`: neighbours share, so a consumer that is assigned a contiguous run of virtual
    /// partitions reads each physical one once.
    Block,
}

/// What clients see as the offset of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "lowercase")]
pub enum OffsetEncoding {
    /// The physical offset itself.
    #[default]
    Identity,
    /// `lane * offset_range + offset`: an offset names its lane, and one of another lane is refused.
    Lane,
}

/// The mapping of one topic. Every value of this type is consistent: [`PartitionRemapper::new`] checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRemapper {
    virtual_partitions: i32,
    physical_partitions: i32,
    lanes: u32,
    offset_range: i64,
    layout: Layout,
    offset_encoding: OffsetEncoding,
}

impl PartitionRemapper {
    /// A mapping of `virtual_partitions` (V) onto `physical_partitions` (P), with physical offsets below
    /// `offset_range` (R).
    ///
    /// # Errors
    /// Unless `1 <= P <= V`, P divides V, `V / P <=` [`LANES_MAX`], `R >=` [`OFFSET_RANGE_MIN`] and
    /// `V / P * R <= 2^63`, so that every encoded offset is an `i64`.
    pub fn new(
        virtual_partitions: i32,
        physical_partitions: i32,
        offset_range: i64,
        layout: Layout,
        offset_encoding: OffsetEncoding,
    ) -> Result<Self, MappingError> {
        let lanes = lane_count(virtual_partitions, physical_partitions)?;
        check_offset_range(offset_range, lanes)?;
        Ok(Self { virtual_partitions, physical_partitions, lanes, offset_range, layout, offset_encoding })
    }

    /// V: what Metadata shows to clients.
    pub fn virtual_partitions(&self) -> i32 {
        self.virtual_partitions
    }

    /// P: what the topic must have on the broker.
    pub fn physical_partitions(&self) -> i32 {
        self.physical_partitions
    }

    /// C: how many virtual partitions share a physical one; at least 1.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Which virtual partitions share a physical one.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What clients see as the offset of a record.
    pub fn offset_encoding(&self) -> OffsetEncoding {
        self.offset_encoding
    }

    /// R: physical offsets are `0..R`.
    pub fn offset_range(&self) -> i64 {
        self.offset_range
    }

    /// Where a virtual partition lives.
    ///
    /// # Errors
    /// [`RemapError::PartitionOutOfRange`] unless `0 <= v < V`.
    pub fn virtual_to_physical(&self, v: VirtualPartition) -> Result<(PhysicalPartition, Lane), RemapError> {
        in_range(PartitionKind::Virtual, v.0.into(), self.virtual_partitions.into())?;
        let (partition, lane) = match self.layout {
            Layout::Modulo => (v.0 % self.physical_partitions, v.0 / self.physical_partitions),
            // C fits i32, since C <= V.
            Layout::Block => (v.0 / self.lanes as i32, v.0 % self.lanes as i32),
        };
        Ok((PhysicalPartition(partition), Lane(lane as u32)))
    }

    /// The virtual partition that a lane of a physical partition is.
    ///
    /// # Errors
    /// [`RemapError::PartitionOutOfRange`] unless `0 <= p < P` and `lane < C`. Data written under a mapping
    /// with more lanes can hold such a lane.
    pub fn physical_to_virtual(&self, p: PhysicalPartition, lane: Lane) -> Result<VirtualPartition, RemapError> {
        in_range(PartitionKind::Physical, p.0.into(), self.physical_partitions.into())?;
        self.check_lane(lane)?;
        // Both results are below V, so neither multiplication can overflow.
        Ok(VirtualPartition(match self.layout {
            Layout::Modulo => lane.0 as i32 * self.physical_partitions + p.0,
            Layout::Block => p.0 * self.lanes as i32 + lane.0 as i32,
        }))
    }

    /// The broker's offset for one that a client sent. Negative numbers are sentinels (earliest, latest,
    /// none) and stay as they are.
    ///
    /// # Errors
    /// [`RemapError::OffsetOverflow`] (identity) or [`RemapError::OffsetForeign`] (lane encoding) for an
    /// offset that this lane never shows to a client; [`RemapError::PartitionOutOfRange`] unless `lane < C`.
    pub fn virtual_to_physical_offset(&self, lane: Lane, client_offset: i64) -> Result<i64, RemapError> {
        self.check_lane(lane)?;
        if client_offset < 0 {
            return Ok(client_offset);
        }
        match self.offset_encoding {
            OffsetEncoding::Identity => self.check_overflow(client_offset),
            OffsetEncoding::Lane => {
                let first = self.first_offset(lane);
                // Neither is negative, so the difference cannot overflow.
                let offset = client_offset - first;
                if (0..self.offset_range).contains(&offset) {
                    Ok(offset)
                } else {
                    // The last offset of the last lane is at most 2^63 - 1: R - 1 goes first.
                    let last = first + (self.offset_range - 1);
                    Err(RemapError::OffsetForeign { offset: client_offset, lane, first, last })
                }
            }
        }
    }

    /// What a client sees for a broker's offset, be it a record's or an end offset such as the high
    /// watermark. Negative numbers are sentinels and stay as they are.
    ///
    /// # Errors
    /// [`RemapError::OffsetOverflow`] for an offset of `offset_range` or more, under both encodings;
    /// [`RemapError::PartitionOutOfRange`] unless `lane < C`.
    pub fn physical_to_virtual_offset(&self, lane: Lane, offset: i64) -> Result<i64, RemapError> {
        self.check_lane(lane)?;
        if offset < 0 {
            return Ok(offset);
        }
        let offset = self.check_overflow(offset)?;
        Ok(match self.offset_encoding {
            OffsetEncoding::Identity => offset,
            OffsetEncoding::Lane => self.first_offset(lane) + offset,
        })
    }

    /// Whether a client of this lane can have got this offset from the filter. Sentinels are no offsets,
    /// and belong to nobody.
    pub fn offset_belongs_to_virtual(&self, lane: Lane, client_offset: i64) -> bool {
        client_offset >= 0 && self.virtual_to_physical_offset(lane, client_offset).is_ok()
    }

    /// The first encoded offset of a lane that was checked: at most `(C - 1) * R`, which fits.
    fn first_offset(&self, lane: Lane) -> i64 {
        i64::from(lane.0) * self.offset_range
    }

    fn check_lane(&self, lane: Lane) -> Result<(), RemapError> {
        in_range(PartitionKind::Lane, lane.0.into(), self.lanes.into())
    }

    fn check_overflow(&self, offset: i64) -> Result<i64, RemapError> {
        if offset < self.offset_range {
            Ok(offset)
        } else {
            Err(RemapError::OffsetOverflow { offset, offset_range: self.offset_range })
        }
    }
}

fn lane_count(virtual_partitions: i32, physical_partitions: i32) -> Result<u32, MappingError> {
    if physical_partitions < 1 {
        return Err(MappingError::NoPhysicalPartitions { physical_partitions });
    }
    if virtual_partitions < physical_partitions {
        return Err(MappingError::FewerThanPhysical { virtual_partitions, physical_partitions });
    }
    if virtual_partitions % physical_partitions != 0 {
        return Err(MappingError::NotAMultiple { virtual_partitions, physical_partitions });
    }
    // V and P are positive.
    let lanes = (virtual_partitions / physical_partitions) as u32;
    if lanes > LANES_MAX {
        return Err(MappingError::TooManyLanes { virtual_partitions, physical_partitions, lanes });
    }
    Ok(lanes)
}

fn check_offset_range(offset_range: i64, lanes: u32) -> Result<(), MappingError> {
    if offset_range < OFFSET_RANGE_MIN {
        return Err(MappingError::OffsetRangeTooSmall { offset_range });
    }
    if i128::from(offset_range) * i128::from(lanes) > 1 << 63 {
        return Err(MappingError::OffsetRangeTooLarge { offset_range, lanes });
    }
    Ok(())
}

fn in_range(kind: PartitionKind, number: i64, count: i64) -> Result<(), RemapError> {
    if (0..count).contains(&number) {
        Ok(())
    } else {
        Err(RemapError::PartitionOutOfRange { kind, number, count })
    }
}

#[cfg(test)]
mod tests;
