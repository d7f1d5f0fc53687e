//! Clients whose tokens wait for a verdict, and what is left of those that came to nothing.

use std::rc::Rc;

use super::authentication::{authenticate, handshake, SASL};
use super::*;
use crate::connection::Opening;
use crate::limits::*;
use crate::sasl::scram::{Credentials, Hash};
use crate::stats::AuthOutcome;
use crate::Shared;

/// Bob's password is checked against SCRAM credentials; SCRAM waits until Alice's are derived.
fn config() -> String {
    use base64::prelude::{Engine, BASE64_STANDARD};
    let Credentials { salt, stored_key, server_key, .. } =
        Credentials::derive(Hash::Sha256, "secret", b"bob's own salt", 4096);
    let [salt, stored_key, server_key] = [salt, stored_key, server_key].map(|bytes| BASE64_STANDARD.encode(bytes));
    let bob = format!(
        r#"{{"salt": "{salt}", "iterations": 4096, "stored_key": "{stored_key}", "server_key": "{server_key}"}}"#
    );
    format!(
        r#"{{"sasl": {{
            "mechanisms": ["PLAIN", "SCRAM-SHA-256"],
            "users": [{{"username": "alice", "password": "secret"}}, {{"username": "bob", "scram_sha_256": {bob}}}],
            "max_session_s": 3600
        }}}}"#
    )
}

fn work_off(shared: &Shared) {
    while shared.has_work() {
        shared.work();
    }
}

/// Of a worker that has derived what there is.
fn ready() -> Rc<Shared> {
    let shared = shared(&config());
    work_off(&shared);
    shared
}

fn opened(shared: &Rc<Shared>, feeding: Feeding) -> Proxy {
    Proxy::opened(shared, feeding, Opening::default())
}

/// Does the work, and lets the connection go on.
fn judge(proxy: &mut Proxy, shared: &Shared) -> Vec<u8> {
    assert!(proxy.stream.connection.waits_for_verdict() && !proxy.stream.connection.has_verdict(proxy.now));
    proxy.retry();
    assert!(proxy.up.is_empty() && proxy.stream.connection.waits_for_verdict(), "it goes on waiting");
    work_off(shared);
    assert!(proxy.stream.connection.has_verdict(proxy.now));
    proxy.retry();
    exchange(proxy, b"", &respond, Cut::Nowhere)
}

fn log_in(name: &str, password: &str) -> Vec<u8> {
    [hello(), handshake(1, 2, "PLAIN"), authenticate(2, 3, &format!("\0{name}\0{password}"))].concat()
}

fn codes(proxy: &mut Proxy) -> Vec<i16> {
    let answers = take_frames(&mut proxy.down);
    answers.iter().skip(2).map(|frame| read_answer::<SaslAuthenticateResponse>(frame, 2).1.error_code).collect()
}

#[test]
fn a_token_waits_and_so_does_what_comes_behind_it() {
    let stream = [log_in("bob", "secret"), metadata(9, 4, &["u"]), heartbeat(5)].concat();
    for cut in (0..stream.len()).map(Cut::Client).chain([Cut::Nowhere, Cut::Everywhere]) {
        for feeding in [Feeding::Handed, Feeding::Passing] {
            let shared = ready();
            let mut proxy = opened(&shared, feeding);
            let before = exchange(&mut proxy, &stream, &respond, cut);
            assert_eq!(take_frames(&mut before.clone()).len(), 2, "carriers for the first two requests");
            assert_eq!(take_frames(&mut proxy.down.clone()).len(), 2);
            judge(&mut proxy, &shared);
            let ids: Vec<i32> = take_frames(&mut proxy.down)
                .iter()
                .map(|answer| i32::from_be_bytes(*answer.first_chunk().unwrap()))
                .collect();
            assert_eq!(ids, [1, 2, 3, 4, 5], "{feeding:?}, {cut:?}");
            assert!(!proxy.closed && proxy.is_idle() && proxy.authentications("PLAIN", AuthOutcome::Success) == 1);
        }
    }
}

#[test]
fn bare_tokens_and_renewals_wait_as_well() {
    let shared = ready();
    let mut proxy = opened(&shared, Feeding::Passing);
    let stream = [handshake(0, 1, "PLAIN"), framed(b"\0bob\0secret"), metadata(9, 2, &["u"])].concat();
    exchange(&mut proxy, &stream, &respond, Cut::Everywhere);
    judge(&mut proxy, &shared);
    let answers = take_frames(&mut proxy.down);
    assert!(answers.len() == 3 && answers[1].is_empty() && proxy.is_idle());

    let again = [handshake(1, 3, "PLAIN"), authenticate(2, 4, "\0bob\0wrong"), heartbeat(5)].concat();
    exchange(&mut proxy, &again, &respond, Cut::Nowhere);
    let up = judge(&mut proxy, &shared);
    assert!(proxy.closed && take_frames(&mut up.clone()).len() == 1);
    assert_eq!(proxy.authentications("PLAIN", AuthOutcome::Failure), 1);
    assert_eq!(proxy.authentications("PLAIN", AuthOutcome::Abandoned), 0);
}

#[test]
fn a_failure_is_answered_as_long_after_its_token_whether_it_waited_or_not() {
    for (name, waited, expected) in [("bob", 0, 250), ("nobody", 100, 150), ("alice", 249, 1), ("bob", 900, 0)] {
        let shared = ready();
        let mut proxy = opened(&shared, Feeding::Passing);
        exchange(&mut proxy, &log_in(name, "wrong"), &respond, Cut::Nowhere);
        proxy.now += waited;
        judge(&mut proxy, &shared);
        assert_eq!((codes(&mut proxy), &proxy.delays[..]), (vec![58], &[expected][..]), "{name}");
        assert!(proxy.closed);
    }
}

#[test]
fn everyone_waits_for_scram_until_all_credentials_are_derived() {
    for name in ["alice", "bob", "nobody"] {
        let shared = shared(&config());
        let mut proxy = opened(&shared, Feeding::Passing);
        let stream = [hello(), handshake(1, 2, "SCRAM-SHA-256"), authenticate(2, 3, &format!("n,,n={name},r=abc"))];
        exchange(&mut proxy, &stream.concat(), &respond, Cut::Nowhere);
        judge(&mut proxy, &shared);
        assert_eq!(codes(&mut proxy), [0]);
        exchange(&mut proxy, &authenticate(2, 4, "c=biws,r=abc,p=AAAA"), &respond, Cut::Nowhere);
        assert!(proxy.closed && proxy.authentications("SCRAM-SHA-256", AuthOutcome::Failure) == 1);
        assert_eq!(proxy.warnings.len(), 1);
    }
}

#[test]
fn who_has_waited_too_long_is_to_come_again() {
    for stream in [log_in("bob", "secret"), [handshake(0, 1, "PLAIN"), framed(b"\0bob\0secret")].concat()] {
        let shared = ready();
        let mut proxy = opened(&shared, Feeding::Passing);
        exchange(&mut proxy, &stream, &respond, Cut::Nowhere);
        proxy.now = VERDICT_MS_MAX - 1;
        assert!(!proxy.stream.connection.has_verdict(proxy.now));
        proxy.now = VERDICT_MS_MAX;
        assert!(proxy.stream.connection.has_verdict(proxy.now));
        proxy.retry();
        exchange(&mut proxy, b"", &respond, Cut::Nowhere);
        assert!(proxy.closed && codes(&mut proxy).is_empty(), "nothing says that its password is wrong");
        assert_eq!(proxy.counts["kafka_remapper_reconnects_total.remapper..reason.busy"], 1);
        let outcomes = [AuthOutcome::Failure, AuthOutcome::Abandoned];
        assert_eq!(outcomes.map(|outcome| proxy.authentications("PLAIN", outcome)), [0, 0]);
    }
}

#[test]
fn a_full_queue_says_the_same_to_all_and_who_goes_leaves_it() {
    let shared = ready();
    let waiting: Vec<Proxy> = (0..QUEUED_ITERATIONS_MAX / 4096)
        .map(|number| {
            let mut proxy = opened(&shared, Feeding::Passing);
            exchange(&mut proxy, &log_in("nobody", &number.to_string()), &respond, Cut::Nowhere);
            assert!(proxy.stream.connection.waits_for_verdict());
            proxy
        })
        .collect();
    let next = |name: &str, password: &str| {
        let mut proxy = opened(&shared, Feeding::Passing);
        exchange(&mut proxy, &log_in(name, password), &respond, Cut::Nowhere);
        (proxy.closed, proxy.delays, proxy.warnings)
    };
    let refused = next("alice", "wrong");
    assert!(refused.0 && refused.1 == [FAILURE_DELAY_MS]);
    assert!(["alice", "bob", "nobody"].iter().all(|name| next(name, "another") == refused));
    assert!(!next("alice", "secret").0, "who has the right password of a user with one does not wait");
    drop(waiting);
    assert!(!next("bob", "wrong").0, "there is room again");
    work_off(&shared);
}

#[test]
fn a_connection_that_is_to_end_does_not_go_on_with_a_token() {
    let (shared, retirement) = (ready(), Rc::<crate::connection::retirement::Retirement>::default());
    let opening = Opening { retirement: Rc::clone(&retirement), ..Opening::default() };
    let mut proxy = Proxy::opened(&shared, Feeding::Passing, opening);
    exchange(&mut proxy, &log_in("bob", "secret"), &respond, Cut::Nowhere);
    retirement.ask();
    work_off(&shared);
    proxy.retry();
    assert!(proxy.up.is_empty() && !proxy.stream.connection.waits_for_verdict());
    assert!(!retirement.is_done(0) && retirement.is_done(RETIRE_QUIET_MS));
}

#[test]
fn what_came_to_nothing_is_counted_once_and_told() {
    let first = || authenticate(2, 3, "n,,n=alice,r=abc");
    let last = |token: &str| authenticate(2, 4, token);
    let scram = |more: &[Vec<u8>]| [&[handshake(1, 2, "SCRAM-SHA-256"), first()], more].concat().concat();
    use AuthOutcome::{Abandoned, Failure};
    for (mechanism, stream, outcome) in [
        ("SCRAM-SHA-256", scram(&[]), Abandoned),
        ("SCRAM-SHA-256", scram(&[metadata(9, 4, &["t"])]), Abandoned),
        ("SCRAM-SHA-256", scram(&[handshake(1, 4, "SCRAM-SHA-256")]), Abandoned),
        // No SaslAuthenticate at all.
        ("SCRAM-SHA-256", scram(&[last("c=biws")[..20].to_vec()]), Abandoned),
        ("SCRAM-SHA-256", scram(&[last("c=biws,r=abc,p=AAAA")]), Failure),
        ("SCRAM-SHA-256", scram(&[last("")]), Failure),
        ("SCRAM-SHA-256", scram(&[last("n,,n=alice,r=abc")]), Failure),
        ("SCRAM-SHA-256", [handshake(1, 2, "SCRAM-SHA-256"), last("n,,n=alice")].concat(), Failure),
        ("SCRAM-SHA-256", [handshake(0, 2, "SCRAM-SHA-256"), framed(b"n,,n=bob,r=abc")].concat(), Abandoned),
        ("SCRAM-SHA-256", [handshake(0, 2, "SCRAM-SHA-256"), framed(b"n,,n=bob")].concat(), Failure),
        ("PLAIN", handshake(1, 2, "PLAIN"), Abandoned),
        ("PLAIN", [handshake(1, 2, "PLAIN"), heartbeat(3)].concat(), Abandoned),
        ("PLAIN", [handshake(1, 2, "PLAIN"), authenticate(1, 3, "\0alice\0secret")].concat(), AuthOutcome::Success),
    ] {
        let mut proxy = opened(&ready(), Feeding::Passing);
        exchange(&mut proxy, &[hello(), stream].concat(), &respond, Cut::Nowhere);
        proxy.gone();
        let counts: u64 = [Abandoned, Failure, AuthOutcome::Success]
            .iter()
            .map(|outcome| proxy.authentications(mechanism, *outcome))
            .sum();
        assert_eq!((proxy.authentications(mechanism, outcome), counts), (1, 1), "{mechanism} {outcome:?}");
        assert_eq!(proxy.warnings.is_empty(), outcome == AuthOutcome::Success, "{mechanism} {outcome:?}");
        assert!(proxy.warnings.iter().all(|warning| !warning.contains("alice") && !warning.contains("bob")));
    }
}

/// A minute of guesses of all kinds, with names and numbers that do not repeat.
#[test]
fn lines_of_the_log_are_bounded_whatever_strangers_send() {
    let shared = shared(SASL);
    work_off(&shared);
    let mut random = Random::new(5);
    let (mut lines, mut ends) = (vec![], 0);
    for now in (0..60_000).step_by(20) {
        let name = format!("user-{}", random.below(1_000_000));
        let version = random.below(200) as i16;
        let stream = match random.below(7) {
            0 => log_in(&name, "guess"),
            1 => [handshake(1, 2, "SCRAM-SHA-256"), authenticate(2, 3, &format!("n,,n={name},r=abc"))].concat(),
            2 => [handshake(1, 2, "SCRAM-SHA-256"), authenticate(2, 3, &format!("n,,n={name}"))].concat(),
            3 => handshake(1, 2, &name),
            4 => framed(&[&[0, 17][..], &version.to_be_bytes(), &[0; 6]].concat()),
            5 => framed(&[&version.to_be_bytes()[..], &[0; 8]].concat()),
            _ => [handshake(1, 2, "PLAIN"), authenticate(2, 3, &name)].concat(),
        };
        let mut proxy = opened(&shared, Feeding::Passing);
        proxy.now = now;
        exchange(&mut proxy, &stream, &respond, Cut::Nowhere);
        proxy.gone();
        ends += proxy.warnings.len();
        lines.extend(proxy.warnings.iter().filter_map(|warning| shared.line_for_stranger(warning, now)));
    }
    assert!(ends >= 3_000, "{ends}");
    assert!(lines.len() <= STRANGER_WARNINGS_MAX, "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("user-")));
    assert!(shared.line_for("something else", 60_000).is_some(), "others are still heard");
}
