//! Fetch: each virtual partition gets the batches of its own lane, and only those.
//!
//! A physical partition is asked once per round, at one position; the answer serves every sibling whose
//! position lies inside it. Siblings at other positions are asked for in further rounds, and the one that
//! starts rotates, so that none starves. Rounds follow each other while nothing of the client's own came back
//! and its wait is not over: so the filter moves past siblings' batches upstream (a skip), where a client
//! would ask for the same offset for ever. How far it got the worker remembers ([`crate::shared::skips`]); a
//! client known to handle control batches is moved there with a filler, so that its position is right.
//!
//! Before a client is told of anything that lies behind a remembered skip, or is moved past the skip, a round
//! of its own asks for the entry that the skip ends with: if that entry is no more what it was, the log is
//! another one, and what was found behind the skip is dropped.
//!
//! A client may have a fetch session (KIP-227): see [`session`].

mod answer;
mod ask;
mod client_fetch;
mod filler;
mod partitions;
mod session;
mod share;
mod sharing;
mod sibling;
mod siblings;
mod status;

use bytes::Bytes;
use kafka_protocol::messages::{FetchRequest, FetchResponse};

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Pending, Plan, Request};
use crate::exchange::rounds::Awaited;
use crate::limits;
use client_fetch::{ClientFetch, Proof, Read};
use session::Resolved;
use sharing::Round;

/// The request half.
///
/// # Errors
/// [`Fault::Client`]: the client's fault; [`Fault::Bug`].
pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: FetchRequest = request.decode()?;
    let message = match session::resolve(cx, message, request.version)? {
        Resolved::Full(message) => message,
        Resolved::Planned(plan) => return Ok(plan),
    };
    cx.session.turn = cx.session.turn.wrapping_add(1);
    let mut fetch = ClientFetch::new(cx, message, request.version);
    if fetch.reads_nothing() {
        return Ok(match fetch.into_answer(cx)? {
            (answer, 0) => Plan::Answer(answer),
            (answer, delay_ms) => Plan::AnswerLater { answer, delay_ms },
        });
    }
    Ok(match fetch.next_round(cx)? {
        Round::Ask(upstream, awaited) => {
            let pending = Box::new(Waiting { fetch, due: Due::Records(awaited) });
            Plan::Send { requests: vec![upstream], pending, barrier: true }
        }
        Round::Park => Plan::Park(Box::new(Waiting { fetch, due: Due::Others })),
    })
}

/// What the answer brings that is due.
enum Due {
    Records(Awaited<Read>),
    /// Nothing: others read.
    Others,
    /// `rounds`: of proofs, one behind the other, with this one.
    Proofs {
        awaited: Awaited<Proof>,
        rounds: usize,
    },
}

/// The response half: waits for the answer to one round.
struct Waiting {
    fetch: ClientFetch,
    due: Due,
}

impl Pending for Waiting {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { mut fetch, due } = *self;
        let answer: FetchResponse = read_answer(&body, fetch.version)?;
        if answer.error_code != 0 {
            return Next::answer(&session::failed(cx, answer.error_code), fetch.version);
        }
        fetch.throttle_time_ms = fetch.throttle_time_ms.max(answer.throttle_time_ms);
        if let Some(ms) = u64::try_from(answer.throttle_time_ms).ok().filter(|ms| *ms > 0) {
            // So long the broker hears nothing of this connection.
            cx.shared.reads.mute(cx.session.connection, ms, cx.now);
        }
        if answer.responses.is_empty() && answer.throttle_time_ms > 0 {
            // A client above its quota is answered at once, with no partition (KIP-219).
            return answered(cx, fetch);
        }
        let proof_rounds = match due {
            Due::Records(awaited) => {
                fetch.take_records(cx, answer, awaited, body.len())?;
                0
            }
            Due::Proofs { awaited, rounds } => {
                fetch.check_proofs(cx, answer, awaited)?;
                rounds
            }
            Due::Others => return Err(Fault::bug("an answer to a Fetch that has asked nothing")),
        };
        next(cx, fetch, proof_rounds)
    }

    fn woken(self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let Self { mut fetch, .. } = *self;
        fetch.unpark(cx)?;
        go_on(cx, fetch)
    }
}

/// What follows a round: one that proves skips, another one that brings records, or the client's answer.
fn next(cx: &mut Context<'_>, mut fetch: ClientFetch, proof_rounds: usize) -> Result<Next, Fault> {
    if proof_rounds < limits::SKIP_PROOF_ROUNDS_MAX && (proof_rounds > 0 || fetch.is_done(cx.now)) {
        if let Some((upstream, awaited)) = fetch.next_proofs(cx.now)? {
            fetch.settle();
            let due = Due::Proofs { awaited, rounds: proof_rounds + 1 };
            return Ok(Next::Send(vec![upstream], Box::new(Waiting { fetch, due })));
        }
    }
    if fetch.is_done(cx.now) {
        return answered(cx, fetch);
    }
    go_on(cx, fetch)
}

/// The next round for records.
fn go_on(cx: &mut Context<'_>, mut fetch: ClientFetch) -> Result<Next, Fault> {
    Ok(match fetch.next_round(cx)? {
        Round::Ask(upstream, awaited) => {
            Next::Send(vec![upstream], Box::new(Waiting { fetch, due: Due::Records(awaited) }))
        }
        Round::Park => Next::Park(Box::new(Waiting { fetch, due: Due::Others })),
    })
}

fn answered(cx: &mut Context<'_>, fetch: ClientFetch) -> Result<Next, Fault> {
    Ok(match fetch.into_answer(cx)? {
        (answer, 0) => Next::Answer(answer),
        (answer, delay_ms) => Next::AnswerLater { answer, delay_ms },
    })
}

#[cfg(test)]
mod tests;
