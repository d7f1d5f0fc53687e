//! Connections that are asked to end: what is in flight is finished, and nothing else begins.

use std::rc::Rc;

use super::*;
use crate::connection::retirement::Retirement;
use crate::connection::Opening;
use crate::limits::RETIRE_QUIET_MS;

/// Gathered frames, frames that pass, answers of the filter's own and a barrier of several rounds.
fn stream() -> Vec<Vec<u8>> {
    vec![
        heartbeat(1),
        produce(9, 2, -1, &[("u", 0)]),
        produce(9, 3, -1, &[("t", 0), ("t", 2), ("t", 9)]),
        request(11, 4, &fetch_message(&[("t", 0, 0)]).with_session_id(7).with_session_epoch(3)),
        request(12, 5, &fetch_message(&[("t", 0, 0), ("t", 2, 0), ("t", 4, 1)])),
        produce(9, 6, -1, &[("u", 0)]),
        heartbeat(7),
    ]
}

struct Retiring {
    proxy: Proxy,
    retirement: Rc<Retirement>,
    /// What went up and was not answered yet.
    pending: Vec<u8>,
}

impl Retiring {
    fn new(feeding: Feeding) -> Self {
        let retirement = Rc::<Retirement>::default();
        let opening = Opening { retirement: Rc::clone(&retirement), ..Opening::default() };
        Self { proxy: Proxy::opened(&shared(MAPPED), feeding, opening), retirement, pending: vec![] }
    }

    /// The broker answers until there is nothing more to answer.
    fn answer(&mut self) {
        loop {
            self.pending.append(&mut self.proxy.up);
            let answers: Vec<u8> =
                take_frames(&mut self.pending).iter().flat_map(|f| respond(&Seen::parse(f))).collect();
            if answers.is_empty() {
                return;
            }
            answers.chunks(7).for_each(|piece| self.proxy.broker(piece));
        }
    }

    fn answered(&self) -> Vec<i32> {
        let answers = take_frames(&mut self.proxy.down.clone());
        answers.iter().map(|answer| i32::from_be_bytes(*answer.first_chunk().unwrap())).collect()
    }

    fn is_done(&self) -> bool {
        // Looked at twice, so that time passes.
        [0, RETIRE_QUIET_MS].map(|now| self.retirement.is_done(now))[1]
    }
}

#[test]
fn what_has_begun_is_finished_and_nothing_else_begins() {
    let frames = stream();
    let stream = frames.concat();
    for feeding in [Feeding::Handed, Feeding::Passing] {
        for at in 0..=stream.len() {
            for answers_before in [false, true] {
                let mut retiring = Retiring::new(feeding);
                let (before, behind) = stream.split_at(at);
                retiring.proxy.client(before);
                if answers_before {
                    retiring.answer();
                }
                retiring.retirement.ask();
                retiring.proxy.client(behind);
                retiring.answer();
                let case = format!("{feeding:?}, {at}, {answers_before}");
                assert!(retiring.pending.is_empty() && !retiring.proxy.closed, "{case}: a part of a frame went up");
                assert!(retiring.is_done(), "{case}");
                let ends = frames.iter().scan(0, |end, frame| {
                    *end += frame.len();
                    Some(*end)
                });
                let ends: Vec<usize> = ends.collect();
                let whole = ends.iter().filter(|end| **end <= at).count();
                let begun = ends.iter().filter(|end| **end < at).count() + 1;
                let answered = retiring.answered();
                let all: Vec<i32> = (1..=answered.len() as i32).collect();
                assert_eq!(answered, all, "{case}: each once, in order");
                assert!(answered.len() <= begun, "{case}: {} of {begun}", answered.len());
                // The barrier, the fifth, held the others back if it was not answered yet.
                let due = if answers_before { whole } else { whole.min(5) };
                assert!(answered.len() >= due, "{case}: {} of {due}", answered.len());
            }
        }
    }
}

#[test]
fn a_frame_that_passes_is_sent_to_its_end() {
    for feeding in [Feeding::Handed, Feeding::Passing] {
        let frame = produce(9, 1, -1, &[("u", 0)]);
        let mut retiring = Retiring::new(feeding);
        let (head, tail) = frame.split_at(60);
        retiring.proxy.client(head);
        retiring.retirement.ask();
        assert!(retiring.proxy.stream.connection.wants_client_bytes(), "{feeding:?}");
        assert!(!retiring.is_done(), "{feeding:?}");
        retiring.proxy.client(&[tail, &heartbeat(2)].concat());
        assert!(!retiring.proxy.stream.connection.wants_client_bytes(), "{feeding:?}");
        assert!(!retiring.is_done(), "{feeding:?}: its answer is due");
        assert_eq!(retiring.proxy.up, frame, "{feeding:?}");
        retiring.answer();
        assert_eq!(retiring.answered(), [1], "{feeding:?}");
        assert!(retiring.is_done(), "{feeding:?}");
    }
}

#[test]
fn a_connection_that_was_asked_before_its_first_bytes_takes_none() {
    for feeding in [Feeding::Handed, Feeding::Passing] {
        let mut retiring = Retiring::new(feeding);
        retiring.retirement.ask();
        assert!(!retiring.proxy.stream.connection.wants_client_bytes());
        retiring.proxy.client(&stream().concat());
        assert!(retiring.proxy.up.is_empty() && retiring.is_done(), "{feeding:?}");
    }
}
