//! Connections that are nobody's when `limits.authentication_ms` is over.

use super::authentication::{authenticate, handshake};
use super::*;
use crate::limits::AUTHENTICATION_MS_DEFAULT as MS;

const SASL: &str = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "alice", "password": "secret"}]}}"#;
const NAMED: &str = r#"{
    "principal": {"mapping_rules": ["DEFAULT"]},
    "upstream": {"sasl": {"mechanism": "PLAIN", "username": "gateway", "password": "g"}}
}"#;

/// What the client has sent, in pieces, when its time is over. `respond`: the broker, if it answers.
fn expired(config: &str, stream: &[u8], respond: Option<Respond<'_>>, cut: Cut) -> Proxy {
    let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
    match respond {
        Some(respond) => drop(exchange(&mut proxy, stream, respond, cut)),
        None => proxy.client(stream),
    }
    assert!(!proxy.stream.connection.is_proven());
    proxy.now += MS;
    proxy.stream.connection.expire(proxy.now);
    proxy.broker(&[]);
    proxy
}

fn reconnects(proxy: &Proxy) -> u64 {
    proxy.counts.get("kafka_remapper_reconnects_total.remapper..reason.unproven").copied().unwrap_or(0)
}

#[test]
fn a_client_is_proven_by_its_login_and_not_before() {
    let stream = [hello(), handshake(1, 2, "PLAIN"), authenticate(2, 3, "\0alice\0secret")].concat();
    for end in 0..=stream.len() {
        let mut proxy = Proxy::new(&shared(SASL), Feeding::Passing, None);
        exchange(&mut proxy, &stream[..end], &respond, Cut::Everywhere);
        assert_eq!(proxy.stream.connection.is_proven(), end == stream.len(), "{end}");
    }
}

#[test]
fn authenticating_again_has_no_deadline() {
    let mut proxy = Proxy::new(&shared(SASL), Feeding::Passing, None);
    let login = [hello(), handshake(1, 2, "PLAIN"), authenticate(2, 3, "\0alice\0secret")].concat();
    exchange(&mut proxy, &login, &respond, Cut::Nowhere);
    exchange(&mut proxy, &handshake(1, 4, "PLAIN"), &respond, Cut::Nowhere);
    assert!(proxy.stream.connection.is_proven());
}

/// A request that passes, one that is rewritten, and one that is gathered in part.
#[test]
fn where_nobody_has_to_authenticate_a_whole_request_is_proof() {
    for request in
        [heartbeat(1), metadata(9, 1, &["t"]), produce(9, 1, -1, &[("u", 0)]), produce(9, 1, -1, &[("t", 0)])]
    {
        for end in 0..=request.len() {
            for feeding in [Feeding::Handed, Feeding::Passing] {
                let mut proxy = Proxy::new(&shared(MAPPED), feeding, None);
                request[..end].iter().for_each(|byte| proxy.client(&[*byte]));
                assert_eq!(proxy.stream.connection.is_proven(), end == request.len(), "{end} of {}", request.len());
            }
        }
    }
}

#[test]
fn who_is_late_is_closed_with_a_line_that_says_why() {
    let begun = [hello(), handshake(1, 2, "PLAIN")].concat();
    for (config, stream, why) in [
        (SASL, vec![], "did not authenticate"),
        (SASL, hello(), "did not authenticate"),
        (SASL, begun[..begun.len() - 1].to_vec(), "did not authenticate"),
        (SASL, begun, "did not authenticate"),
        (MAPPED, vec![], "brought no request"),
        (MAPPED, hello()[..20].to_vec(), "brought no request"),
    ] {
        for cut in [Cut::Nowhere, Cut::Everywhere] {
            let proxy = expired(config, &stream, Some(&respond), cut);
            assert!(proxy.closed);
            assert_eq!((reconnects(&proxy), proxy.blamed(Blame::Client), proxy.blamed(Blame::Broker)), (1, 0, 0));
            assert!(proxy.warnings.iter().any(|line| line.contains(why)), "{:?}", proxy.warnings);
        }
    }
}

#[test]
fn a_broker_that_does_not_answer_is_to_blame_itself() {
    for (config, stream) in [(SASL, hello()), (NAMED, hello())] {
        let proxy = expired(config, &stream, None, Cut::Nowhere);
        assert!(proxy.closed);
        assert_eq!((reconnects(&proxy), proxy.blamed(Blame::Client), proxy.blamed(Blame::Broker)), (0, 0, 1));
    }
    // Who asks at the last moment has himself to blame.
    let mut proxy = Proxy::new(&shared(SASL), Feeding::Passing, None);
    proxy.now = MS * 2 / 3;
    proxy.client(&hello());
    proxy.stream.connection.expire(MS);
    proxy.broker(&[]);
    assert_eq!((reconnects(&proxy), proxy.blamed(Blame::Broker)), (1, 0));
}
