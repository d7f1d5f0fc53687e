//! The Fetch answer, written by hand around the record sets: these are referred to, not copied.

use bytes::BytesMut;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::protocol::Encodable;
use kafka_protocol::ResponseError;

use super::sibling::Sibling;
use crate::error::Fault;
use crate::exchange::fetch_session::NO_SESSION;
use crate::exchange::handler::Context;
use crate::exchange::rounds;
use crate::wire::rope::Rope;

/// The first flexible version (KIP-482).
const FLEXIBLE: i16 = 12;
/// The first version with a top-level error and a session (KIP-227).
const SESSIONS: i16 = 7;

/// The answer for these siblings, in this order, but for topics: each comes once. What a client with a
/// session knows already is left out.
///
/// # Errors
/// [`Fault::Bug`]
pub(super) fn encode(
    cx: &mut Context<'_>,
    mut siblings: Vec<&mut Sibling>,
    throttle_time_ms: i32,
    version: i16,
) -> Result<Rope, Fault> {
    let flexible = version >= FLEXIBLE;
    let mut out = Rope::new();
    out.put_i32(throttle_time_ms);
    if version >= SESSIONS {
        out.put_i16(0);
        out.put_i32(leave_out(cx, &mut siblings));
    }
    let topics = rounds::group(siblings.into_iter().map(|sibling| (sibling.topic.clone(), sibling)));
    out.put_array_len(flexible, topics.len());
    for (topic, siblings) in topics {
        out.put_nullable_string(flexible, Some(topic.0.as_str()));
        out.put_array_len(flexible, siblings.len());
        for sibling in siblings {
            let data = for_client(cx, sibling);
            cx.note(data.error_code);
            put_partition(&mut out, &data, sibling, version)?;
        }
        out.put_no_tags(flexible);
    }
    out.put_no_tags(flexible);
    Ok(out)
}

/// Leaves out of which the client need not be told; gives the id of its session.
fn leave_out(cx: &mut Context<'_>, siblings: &mut Vec<&mut Sibling>) -> i32 {
    let session_id = cx.session.fetch.answered_id();
    if session_id != NO_SESSION {
        siblings.retain_mut(|sibling| {
            let data = for_client(cx, sibling);
            cx.session.fetch.tells(&sibling.topic, &data, !sibling.records.is_empty())
        });
    }
    session_id
}

/// The client's answer for a sibling, without its records; these go where an offset lies beyond
/// `offset_range`.
fn for_client(cx: &mut Context<'_>, sibling: &mut Sibling) -> PartitionData {
    sibling.for_client().unwrap_or_else(|error| {
        cx.warn(format!("topic {}: {error}", sibling.topic.0));
        sibling.records.clear();
        PartitionData::default()
            .with_partition_index(sibling.partition.0)
            .with_error_code(ResponseError::UnknownServerError.code())
            .with_high_watermark(-1)
    })
}

/// A partition's structure ends in its record set and the tagged fields: these are split off what the codec
/// writes without records, and the record set put between.
fn put_partition(out: &mut Rope, data: &PartitionData, sibling: &Sibling, version: i16) -> Result<(), Fault> {
    let flexible = version >= FLEXIBLE;
    let mut coded = BytesMut::new();
    data.encode(&mut coded, version).map_err(|_| Fault::encoding::<PartitionData>())?;
    let tags = if flexible { tags_len(data, coded.len(), version)? } else { 0 };
    let null_records = if flexible { 1 } else { 4 };
    let head = coded.len().checked_sub(tags + null_records).ok_or_else(Fault::encoding::<PartitionData>)?;
    out.put_slice(coded.get(..head).ok_or_else(Fault::encoding::<PartitionData>)?);
    out.put_bytes_len(flexible, Some(sibling.records.iter().map(bytes::Bytes::len).sum()));
    for entry in &sibling.records {
        out.put_bytes(entry);
    }
    out.put_slice(coded.get(head + null_records..).ok_or_else(Fault::encoding::<PartitionData>)?);
    Ok(())
}

/// Bytes of the tagged fields at the end of `data`, which is `len` bytes long.
fn tags_len(data: &PartitionData, len: usize, version: i16) -> Result<usize, Fault> {
    let untagged = data
        .clone()
        .with_diverging_epoch(Default::default())
        .with_current_leader(Default::default())
        .with_snapshot_id(Default::default())
        .with_unknown_tagged_fields(Default::default());
    let untagged = untagged.compute_size(version).map_err(|_| Fault::encoding::<PartitionData>())?;
    len.checked_sub(untagged).map(|tagged| tagged + 1).ok_or_else(Fault::encoding::<PartitionData>)
}
