//! ListGroups: without the shadow groups, which are the filter's own way of keeping offsets. A group that has
//! offsets in shadows only (simple consumers of higher lanes) is listed in their place.
//!
//! A client's filters are applied here, to what is left: the broker would filter an active group out and its
//! shadows in, and so name it as empty. The answer is walked where it lies, since it may name a million
//! groups.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::ListGroupsRequest;

use crate::error::{BrokerFault, Fault};
use crate::exchange::handler::{Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::shadow;
use crate::wire::rope::Rope;
use crate::wire::types::Reader;

/// The first flexible version (KIP-482).
const FLEXIBLE: i16 = 3;
/// The first versions that tell a group's state (KIP-518) and its type (KIP-848), and filter by it.
const STATES: i16 = 4;
const TYPES: i16 = 5;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let version = request.version;
    let message: ListGroupsRequest = request.decode()?;
    // Filters as a broker reads them: in any case, and states with blanks around them. An unknown word fits
    // no group.
    let states = message.states_filter.iter().map(|state| state.trim().to_owned()).collect();
    let types = message.types_filter.iter().map(|kind| kind.to_string()).collect();
    let answer = Answer { version, states, types };
    if answer.states.is_empty() && answer.types.is_empty() {
        return Ok(Plan::Pass(Passing::Read(Box::new(answer))));
    }
    let requests = vec![Upstream::new(version, &ListGroupsRequest::default())?];
    Ok(Plan::Send { requests, pending: Box::new(answer), barrier: false })
}

struct Answer {
    version: i16,
    /// What the client wants to see; empty: all.
    states: Vec<String>,
    types: Vec<String>,
}

/// One group of the answer.
#[derive(Clone)]
struct Listed<'a> {
    id: &'a [u8],
    protocol_type: &'a [u8],
    state: Option<&'a [u8]>,
    group_type: Option<&'a [u8]>,
    /// Where it lies in the answer's body.
    at: Range<usize>,
}

impl<'a> Listed<'a> {
    /// The group behind `reader`, of a body of `bytes`.
    fn read(reader: &mut Reader<'a>, version: i16, bytes: usize) -> Option<Self> {
        let flexible = version >= FLEXIBLE;
        let start = bytes - reader.left();
        let id = reader.nullable_string(flexible)??;
        let protocol_type = reader.nullable_string(flexible)??;
        let state = if version >= STATES { Some(reader.nullable_string(flexible)??) } else { None };
        let group_type = if version >= TYPES { Some(reader.nullable_string(flexible)??) } else { None };
        reader.skip_tags(flexible)?;
        Some(Self { id, protocol_type, state, group_type, at: start..bytes - reader.left() })
    }

    /// The group that this one is a shadow of.
    fn shadowed(&self) -> Option<&'a str> {
        let name = std::str::from_utf8(self.id).ok()?;
        shadow::parse(name).map(|(group, _)| group)
    }
}

impl Answer {
    fn wants(&self, group: &Listed<'_>) -> bool {
        fits(&self.states, group.state) && fits(&self.types, group.group_type)
    }

    /// The answer's body for the client, and the broker's error code. None: it is malformed.
    fn rewrite(&self, body: &Bytes) -> Option<(Rope, i16)> {
        let flexible = self.version >= FLEXIBLE;
        let mut reader = Reader::new(body);
        let throttle_time_ms = if self.version >= 1 { Some(reader.i32()?) } else { None };
        let error_code = reader.i16()?;
        let claimed = reader.array_len(flexible)?;
        // Runs of groups that stay as they are, and what shadows stand for.
        let mut kept: Vec<Range<usize>> = vec![];
        let mut count = 0;
        let mut shadowed: HashMap<&str, Listed<'_>> = HashMap::new();
        let groups = reader;
        for _ in 0..claimed {
            let group = Listed::read(&mut reader, self.version, body.len())?;
            if let Some(name) = group.shadowed() {
                shadowed.entry(name).or_insert(group);
            } else if self.wants(&group) {
                count += 1;
                match kept.last_mut() {
                    Some(run) if run.end == group.at.start => run.end = group.at.end,
                    _ => kept.push(group.at),
                }
            }
        }
        reader.skip_tags(flexible)?;
        self.drop_listed(&mut shadowed, groups, claimed, body.len())?;
        let mut out = Rope::new();
        throttle_time_ms.into_iter().for_each(|ms| out.put_i32(ms));
        out.put_i16(error_code);
        out.put_array_len(flexible, count + shadowed.len());
        kept.into_iter().for_each(|run| out.put_bytes(&body.slice(run)));
        for (name, shadow) in shadowed {
            for text in [Some(name.as_bytes()), Some(shadow.protocol_type), shadow.state, shadow.group_type] {
                let Some(text) = text else { continue };
                out.put_nullable_string(flexible, Some(std::str::from_utf8(text).ok()?));
            }
            out.put_no_tags(flexible);
        }
        out.put_no_tags(flexible);
        Some((out, error_code))
    }

    /// Leaves the groups that have nothing but shadows, as far as the client wants to see them.
    fn drop_listed(
        &self,
        shadowed: &mut HashMap<&str, Listed<'_>>,
        mut groups: Reader<'_>,
        claimed: i32,
        bytes: usize,
    ) -> Option<()> {
        if shadowed.is_empty() {
            return Some(());
        }
        for _ in 0..claimed {
            let group = Listed::read(&mut groups, self.version, bytes)?;
            if let Ok(name) = std::str::from_utf8(group.id) {
                shadowed.remove(name);
            }
        }
        shadowed.retain(|_, shadow| self.wants(shadow));
        Some(())
    }
}

/// Whether the filter lets a value pass; a list without values is not filtered by them.
fn fits(filter: &[String], value: Option<&[u8]>) -> bool {
    let wanted = |value: &[u8]| filter.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value));
    filter.is_empty() || value.is_none_or(wanted)
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let rewritten = self.rewrite(&body);
        let (out, error_code) =
            rewritten.ok_or(Fault::Broker(BrokerFault::Answer { api: cx.api.name, what: "it is malformed" }))?;
        cx.note(error_code);
        Ok(Next::Answer(out))
    }
}

#[cfg(test)]
mod tests;
