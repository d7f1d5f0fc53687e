//! CreateAcls and DeleteAcls of groups: what a group may be used for holds for its shadow groups too.
//!
//! Offsets of lanes above 0 lie in groups called `group~lane~suffix` (see `shadow.rs`), and brokers look up
//! the rights of each by its name. So an ACL of a group's literal name brings a second one with it, of the
//! prefix `group~`, for the same principal, host, operation and permission, and goes with it. A prefix holds
//! for lanes that a mapping gets later as well, and denies as well as it allows. Patterns that cover the
//! shadows anyway, as `*` and prefixes do, bring nothing with them.
//!
//! The second ones go up in a request of their own, right behind the client's: a controller takes 10,000
//! changes in one request at most, and a client may ask for as many. What failed for the shadows alone failed
//! for the client, which asks again: what was created or deleted already does no harm then.
//!
//! A client gets one result for each of its entries, and sees in lists and matches what there is. ACLs that
//! are deleted without their group's name are deleted as the filter says, and no others with them.

use bytes::Bytes;
use kafka_protocol::messages::{CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::shadow;

/// `ResourceType` of Kafka.
const ANY_TYPE: i8 = 1;
const GROUP: i8 = 3;

/// `PatternType` of Kafka.
const ANY_PATTERN: i8 = 1;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;

/// The literal name that stands for all groups.
const WILDCARD: &str = "*";

/// The prefix that covers the shadows of a group. None: it has none.
fn shadows_of(group: &str) -> Option<StrBytes> {
    let prefix = shadow::prefix(group);
    let is_group = !group.is_empty() && group != WILDCARD && shadow::parse(group).is_none();
    (is_group && prefix.len() <= limits::STRING_BYTES_MAX).then(|| StrBytes::from_string(prefix))
}

fn has_shadows(cx: &Context<'_>) -> bool {
    cx.shared.topics.lanes_max() > 1
}

pub(crate) fn create(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !has_shadows(cx) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: CreateAclsRequest = request.decode()?;
    let count = message.creations.len();
    let (mut owners, mut shadows) = (vec![], vec![]);
    for (entry, creation) in message.creations.iter().enumerate() {
        let is_named = (creation.resource_type, creation.resource_pattern_type) == (GROUP, LITERAL);
        let Some(prefix) = shadows_of(&creation.resource_name).filter(|_| is_named) else { continue };
        owners.push(entry);
        shadows.push(creation.clone().with_resource_name(prefix).with_resource_pattern_type(PREFIXED));
    }
    let twins = Twins { version: request.version, count, owners };
    go_on(&message, &message.clone().with_creations(shadows), twins, |twins| Box::new(Creating(twins)))
}

/// The client's ACLs are to be created.
struct Creating(Twins);

impl Pending for Creating {
    fn response(self: Box<Self>, _cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self(twins) = *self;
        let answer: CreateAclsResponse = read_answer(&body, twins.version)?;
        expect(answer.results.len(), twins.count)?;
        Ok(Next::Wait(Box::new(Created { answer, twins })))
    }
}

/// They were, and those of shadows are to be.
struct Created {
    answer: CreateAclsResponse,
    twins: Twins,
}

impl Pending for Created {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { mut answer, twins } = *self;
        let shadows: CreateAclsResponse = read_answer(&body, twins.version)?;
        expect(shadows.results.len(), twins.owners.len())?;
        for (entry, shadow) in twins.owners.into_iter().zip(shadows.results) {
            let Some(result) = answer.results.get_mut(entry) else { continue };
            if result.error_code == 0 {
                (result.error_code, result.error_message) = (shadow.error_code, shadow.error_message);
            }
        }
        answer.throttle_time_ms = answer.throttle_time_ms.max(shadows.throttle_time_ms);
        answer.results.iter().for_each(|result| cx.note(result.error_code));
        Next::answer(&answer, twins.version)
    }
}

pub(crate) fn delete(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !has_shadows(cx) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DeleteAclsRequest = request.decode()?;
    let count = message.filters.len();
    let (mut owners, mut shadows) = (vec![], vec![]);
    for (entry, filter) in message.filters.iter().enumerate() {
        let is_group = [GROUP, ANY_TYPE].contains(&filter.resource_type_filter);
        let is_literal = [LITERAL, ANY_PATTERN, MATCH].contains(&filter.pattern_type_filter);
        let group = filter.resource_name_filter.as_ref().filter(|_| is_group && is_literal);
        let Some(prefix) = group.and_then(|group| shadows_of(group)) else { continue };
        owners.push(entry);
        let shadow = filter.clone().with_resource_type_filter(GROUP).with_pattern_type_filter(PREFIXED);
        shadows.push(shadow.with_resource_name_filter(Some(prefix)));
    }
    let twins = Twins { version: request.version, count, owners };
    go_on(&message, &message.clone().with_filters(shadows), twins, |twins| Box::new(Deleting(twins)))
}

/// The client's ACLs are to be deleted.
struct Deleting(Twins);

impl Pending for Deleting {
    fn response(self: Box<Self>, _cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self(twins) = *self;
        let answer: DeleteAclsResponse = read_answer(&body, twins.version)?;
        expect(answer.filter_results.len(), twins.count)?;
        Ok(Next::Wait(Box::new(Deleted { answer, twins })))
    }
}

/// They were, and those of shadows are to be.
struct Deleted {
    answer: DeleteAclsResponse,
    twins: Twins,
}

impl Pending for Deleted {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { mut answer, twins } = *self;
        let shadows: DeleteAclsResponse = read_answer(&body, twins.version)?;
        expect(shadows.filter_results.len(), twins.owners.len())?;
        for (entry, shadow) in twins.owners.into_iter().zip(shadows.filter_results) {
            let Some(result) = answer.filter_results.get_mut(entry) else { continue };
            result.matching_acls.extend(shadow.matching_acls);
            if result.error_code == 0 {
                (result.error_code, result.error_message) = (shadow.error_code, shadow.error_message);
            }
        }
        answer.throttle_time_ms = answer.throttle_time_ms.max(shadows.throttle_time_ms);
        answer.filter_results.iter().for_each(|result| cx.note(result.error_code));
        Next::answer(&answer, twins.version)
    }
}

/// What goes up behind a client's entries, in a request of its own.
struct Twins {
    version: i16,
    /// The client's entries.
    count: usize,
    /// The client's entry of each twin.
    owners: Vec<usize>,
}

/// A result for each entry that was asked for.
fn expect(results: usize, asked: usize) -> Result<(), Fault> {
    let why = "it has another number of results than was asked for";
    (results == asked).then_some(()).ok_or(Fault::answer("ACL", why))
}

/// The request as it is where it has no `shadows`, else both.
fn go_on<M: kafka_protocol::protocol::Request>(
    message: &M,
    shadows: &M,
    twins: Twins,
    pending: impl FnOnce(Twins) -> Box<dyn Pending>,
) -> Result<Plan, Fault> {
    if twins.owners.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let requests = vec![Upstream::new(twins.version, message)?, Upstream::new(twins.version, shadows)?];
    Ok(Plan::Send { requests, pending: pending(twins), barrier: false })
}

#[cfg(test)]
mod tests;
