//! Fetch sessions (KIP-227). A client's Fetch that goes on with the filter's session names what changes: it
//! becomes a full one before anything else looks at it. Brokers are asked in full, since a session of theirs
//! would remember physical partitions.
//!
//! A client that reads no mapped topic has its session with the broker: its Fetches pass. When it takes up a
//! mapped topic, the session is not found, and the client comes with a full Fetch.

use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::fetch_session::{FetchSession, CLOSES, OPENS};
use crate::exchange::handler::{Context, Passing, Plan};

/// What becomes of a Fetch.
pub(super) enum Resolved {
    /// It names all that it reads; what it says of its session means nothing any more.
    Full(FetchRequest),
    Planned(Plan),
}

/// Takes a Fetch into its session, if it has one.
///
/// # Errors
/// [`Fault::Bug`]
pub(super) fn resolve(cx: &mut Context<'_>, mut message: FetchRequest, version: i16) -> Result<Resolved, Fault> {
    let names_mapped = message.topics.iter().any(|topic| cx.is_mapped(&topic.topic));
    let is_full = [OPENS, CLOSES].contains(&message.session_epoch);
    let own_epoch = cx.session.fetch.own(message.session_id).map(FetchSession::epoch);
    match own_epoch {
        Some(epoch) if !is_full && epoch != message.session_epoch => {
            return refused(cx, ResponseError::InvalidFetchSessionEpoch, version);
        }
        Some(_) if !is_full => {}
        None if !is_full && (names_mapped || !cx.session.fetch.may_be_brokers) => {
            return refused(cx, ResponseError::FetchSessionIdNotFound, version);
        }
        _ if names_mapped => {}
        _ => {
            note_passed(cx, &message, own_epoch.is_some());
            return Ok(Resolved::Planned(Plan::Pass(Passing::Untouched)));
        }
    }
    if let Some(plan) = ask_first(cx, &message, is_full)? {
        return Ok(Resolved::Planned(plan));
    }
    if is_full {
        begin(cx, &message);
        return Ok(Resolved::Full(message));
    }
    let changed = std::mem::take(&mut message.topics);
    match cx.session.fetch.go_on(changed, &message.forgotten_topics_data, version) {
        Some(topics) => Ok(Resolved::Full(message.with_topics(topics))),
        None => refused(cx, ResponseError::FetchSessionIdNotFound, version),
    }
}

fn refused(cx: &mut Context<'_>, error: ResponseError, version: i16) -> Result<Resolved, Fault> {
    Plan::answer(&top_level_error(cx, error.code()), version).map(Resolved::Planned)
}

fn top_level_error(cx: &mut Context<'_>, error_code: i16) -> FetchResponse {
    cx.note(error_code);
    FetchResponse::default().with_error_code(error_code)
}

/// The answer to a Fetch that the broker has refused as a whole. Its session ends: what the client was told
/// of it is not known.
pub(super) fn failed(cx: &mut Context<'_>, error_code: i16) -> FetchResponse {
    cx.session.fetch.close();
    top_level_error(cx, error_code)
}

/// `names_own`: the filter's session, which a full Fetch closes.
fn note_passed(cx: &mut Context<'_>, message: &FetchRequest, names_own: bool) {
    cx.session.fetch.may_be_brokers |= message.session_epoch == OPENS;
    if names_own {
        cx.session.fetch.close();
    }
}

/// All topics that the Fetch reads are known before the session takes it: it may come again.
fn ask_first(cx: &mut Context<'_>, message: &FetchRequest, is_full: bool) -> Result<Option<Plan>, Fault> {
    let kept = cx.session.fetch.own(message.session_id).filter(|_| !is_full);
    let kept: Vec<TopicName> = kept.into_iter().flat_map(FetchSession::topics).cloned().collect();
    cx.ask_first(message.topics.iter().map(|topic| &topic.topic).chain(&kept))
}

/// A full Fetch closes the session that it names, and may open another.
fn begin(cx: &mut Context<'_>, message: &FetchRequest) {
    let opens = message.session_epoch == OPENS;
    if opens || cx.session.fetch.own(message.session_id).is_some() {
        cx.session.fetch.close();
    }
    let id = if opens { Some(cx.session.nonces.positive()) } else { None };
    let opened = id.and_then(|id| FetchSession::open(id, &message.topics, cx.shared.session_room.open()));
    cx.session.fetch.begin(opened);
}
