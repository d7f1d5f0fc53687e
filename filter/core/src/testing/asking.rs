//! One request through a connection of its own, for tests of single APIs.

use std::rc::Rc;

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::Request;

use super::proxy::{Feeding, Proxy};
use super::{read_answer, request, shared, take_frames, Seen};
use crate::Shared;

/// Sends one request through a connection of its own. Gives what went up and what came down.
pub(crate) fn ask<R: Request>(
    config: &str,
    version: i16,
    message: &R,
    respond: impl FnMut(&Seen) -> Vec<u8>,
) -> (Vec<Seen>, R::Response) {
    ask_of(&shared(config), version, message, respond)
}

/// As [`ask`], of a worker.
pub(crate) fn ask_of<R: Request>(
    shared: &Rc<Shared>,
    version: i16,
    message: &R,
    mut respond: impl FnMut(&Seen) -> Vec<u8>,
) -> (Vec<Seen>, R::Response) {
    let mut proxy = Proxy::new(shared, Feeding::Passing, None);
    proxy.client(&request(version, 77, message));
    let mut seen = vec![];
    while !proxy.up.is_empty() {
        let up: Vec<Seen> = take_frames(&mut proxy.up).iter().map(Seen::parse).collect();
        let answers: Vec<u8> = up.iter().flat_map(&mut respond).collect();
        seen.extend(up);
        proxy.broker(&answers);
    }
    assert!(!proxy.closed, "v{version}: {:?}", proxy.warnings);
    assert!(proxy.is_idle(), "v{version}: something is left behind");
    let answers = take_frames(&mut proxy.down);
    assert_eq!(answers.len(), 1, "v{version}");
    let (correlation_id, answer) = read_answer(&answers[0], version);
    assert_eq!(correlation_id, 77);
    (seen, answer)
}

/// For requests that must be answered without the broker's knowledge: only a carrier goes up.
pub(crate) fn ask_alone<R: Request>(config: &str, version: i16, message: &R) -> R::Response {
    let (seen, answer) = ask(config, version, message, |seen| seen.answer(&ApiVersionsResponse::default()));
    let keys: Vec<_> = seen.iter().map(|seen| (seen.key, seen.version)).collect();
    assert_eq!(keys, [(18, 0)]);
    answer
}
