//! Clients that have to prove who they are, by SASL or by a certificate.

use super::*;
use crate::connection::Opening;
use crate::principal::Peer;

pub(super) const SASL: &str = r#"{
    "mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]},
    "advertise": {"table": {"1": "one.example:9101", "2": "two.example:9102"}},
    "sasl": {
        "mechanisms": ["PLAIN", "SCRAM-SHA-256"],
        "users": [{"username": "alice", "password": "secret"}, {"username": "bob", "password": "other"}],
        "max_session_s": 60
    }
}"#;

pub(super) fn handshake(version: i16, correlation_id: i32, mechanism: &str) -> Vec<u8> {
    request(version, correlation_id, &SaslHandshakeRequest::default().with_mechanism(text(mechanism)))
}

pub(super) fn authenticate(version: i16, correlation_id: i32, token: &str) -> Vec<u8> {
    let token = Bytes::copy_from_slice(token.as_bytes());
    request(version, correlation_id, &SaslAuthenticateRequest::default().with_auth_bytes(token))
}

fn verdict(outcome: &Outcome, index: usize, version: i16) -> SaslAuthenticateResponse {
    read_answer(&outcome.answers()[index], version).1
}

fn keys(up: &[u8]) -> Vec<i16> {
    take_frames(&mut up.to_vec()).iter().map(|frame| Seen::parse(frame).key).collect()
}

#[test]
fn a_client_that_proves_itself_is_let_through() {
    for version in 0..=2 {
        let login = [hello(), handshake(1, 2, "PLAIN"), authenticate(version, 3, "\0alice\0secret")].concat();
        let stream = [login, metadata(9, 4, &["t"]), produce(9, 5, -1, &[("t", 0)])].concat();
        let outcome = check(SASL, None, &stream, &respond);
        assert_eq!(ids(&outcome), [1, 2, 3, 4, 5]);
        assert_eq!(keys(&outcome.up), [18, 18, 18, 3, 0], "carriers in the place of its authentication");
        let verdict = verdict(&outcome, 2, version);
        assert_eq!((verdict.error_code, verdict.session_lifetime_ms), (0, if version > 0 { 60_000 } else { 0 }));
        assert_eq!(
            outcome.counts[&"kafka_remapper_auth_total.remapper..mechanism.PLAIN.outcome.success".to_owned()],
            1
        );
    }
}

#[test]
fn a_client_that_does_not_gets_the_same_answer_whatever_was_wrong() {
    let mut answers = vec![];
    for token in ["\0alice\0wrong", "\0nobody\0secret", "\0alice", "", "\0alice\0secret\0more", "bob\0alice\0secret"] {
        let login = [hello(), handshake(1, 2, "PLAIN"), authenticate(2, 3, token)].concat();
        let outcome = check(SASL, None, &[login, metadata(9, 4, &["t"])].concat(), &respond);
        assert!(outcome.closed);
        assert_eq!(keys(&outcome.up), [18, 18, 18]);
        assert_eq!(verdict(&outcome, 2, 2).error_code, ResponseError::SaslAuthenticationFailed.code());
        assert_eq!(outcome.blames(), [1, 0, 0, 0]);
        answers.push(outcome.down);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn before_authentication_nothing_but_api_versions_goes_up() {
    let early: Vec<Vec<u8>> = (0..=120).filter(|key| ![17, 18].contains(key)).map(|key| raw(key, 0)).collect();
    for request in early {
        for before in [vec![], vec![hello()], vec![hello(), handshake(1, 2, "PLAIN")]] {
            let stream = [before.concat(), request.clone()].concat();
            for ways in
                [(Feeding::Handed, Cut::Nowhere), (Feeding::Passing, Cut::Nowhere), (Feeding::Passing, Cut::Everywhere)]
            {
                let outcome = play(SASL, None, &stream, &respond, ways);
                assert!(outcome.closed || (before.len() == 2 && request[5] == 36));
                assert!(keys(&outcome.up).iter().all(|key| *key == 18));
            }
        }
    }
}

fn raw(key: i16, version: i16) -> Vec<u8> {
    framed(&[&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 9, 0xff, 0xff, 0, 0, 0, 0]].concat())
}

#[test]
fn a_mechanism_that_is_not_enabled_is_answered_with_the_list() {
    let outcome = check(SASL, None, &[hello(), handshake(1, 2, "GSSAPI")].concat(), &respond);
    let (_, answer): (i32, SaslHandshakeResponse) = read_answer(&outcome.answers()[1], 1);
    assert_eq!(answer.error_code, ResponseError::UnsupportedSaslMechanism.code());
    assert_eq!(answer.mechanisms, [text("PLAIN"), text("SCRAM-SHA-256")]);
    assert!(outcome.closed);
}

#[test]
fn bare_tokens_are_answered_with_bare_tokens() {
    let login = [handshake(0, 1, "PLAIN"), framed(b"\0alice\0secret")].concat();
    let outcome = check(SASL, None, &[login, metadata(9, 2, &["t"])].concat(), &respond);
    let answers = outcome.answers();
    assert!(!outcome.closed && answers.len() == 3 && answers[1].is_empty());
    let wrong = [handshake(0, 1, "PLAIN"), framed(b"\0alice\0wrong")].concat();
    let outcome = check(SASL, None, &[wrong, metadata(9, 2, &["t"])].concat(), &respond);
    assert!(outcome.closed && outcome.answers().len() == 1);
    assert!(keys(&outcome.up).iter().all(|key| *key == 18));
}

/// A proxy whose client has logged in as alice.
fn logged_in() -> Proxy {
    let mut proxy = Proxy::opened(&shared(SASL), Feeding::Passing, Opening::default());
    exchange(
        &mut proxy,
        &[handshake(1, 1, "PLAIN"), authenticate(1, 2, "\0alice\0secret")].concat(),
        &respond,
        Cut::Nowhere,
    );
    assert_eq!(proxy.authenticated, [("alice".to_owned(), "PLAIN")]);
    proxy.down.clear();
    proxy
}

#[test]
fn a_session_ends_unless_the_client_proves_itself_again() {
    let mut proxy = logged_in();
    proxy.now = 59_999;
    exchange(&mut proxy, &heartbeat(3), &respond, Cut::Nowhere);
    assert!(!proxy.closed);
    proxy.now = 60_000;
    let again = [handshake(1, 4, "PLAIN"), authenticate(1, 5, "\0alice\0secret"), heartbeat(6)].concat();
    exchange(&mut proxy, &again, &respond, Cut::Nowhere);
    assert!(!proxy.closed && take_frames(&mut proxy.down).len() == 4);
    assert_eq!(proxy.authenticated.len(), 1, "it is who it was");
    proxy.now = 120_000;
    let up = exchange(&mut proxy, &heartbeat(7), &respond, Cut::Nowhere);
    assert!(proxy.closed && up.is_empty());
}

#[test]
fn a_session_cannot_change_hands() {
    for (mechanism, token) in
        [("PLAIN", "\0bob\0other"), ("SCRAM-SHA-256", "n,,n=bob,r=x"), ("PLAIN", "\0alice\0wrong")]
    {
        let mut proxy = logged_in();
        let again = [handshake(1, 4, mechanism), authenticate(1, 5, token), heartbeat(6)].concat();
        let up = exchange(&mut proxy, &again, &respond, Cut::Nowhere);
        assert!(proxy.closed);
        assert!(keys(&up).iter().all(|key| *key == 18));
    }
}

#[test]
fn a_token_out_of_turn_is_an_illegal_state() {
    let mut proxy = logged_in();
    exchange(&mut proxy, &authenticate(1, 3, "\0bob\0other"), &respond, Cut::Nowhere);
    let answers = take_frames(&mut proxy.down);
    let (_, answer): (i32, SaslAuthenticateResponse) = read_answer(&answers[0], 1);
    assert_eq!(answer.error_code, ResponseError::IllegalSaslState.code());
    assert_eq!(proxy.authenticated, [("alice".to_owned(), "PLAIN")]);
}

#[test]
fn a_frame_before_authentication_is_bounded() {
    let claimed = (limits_max() as i32 + 1).to_be_bytes();
    let mut proxy = Proxy::new(&shared(SASL), Feeding::Passing, None);
    proxy.client(&claimed);
    assert!(proxy.closed);
    let mut proxy = logged_in();
    proxy.client(&claimed);
    assert!(!proxy.closed);
}

fn limits_max() -> usize {
    crate::limits::UNAUTHENTICATED_FRAME_BYTES_MAX
}

#[test]
fn a_certificate_names_its_client() {
    let rule = r#"{"principal": {"mapping_rules": ["RULE:^CN=([^,]+),.*$/$1/L"]}}"#;
    let nameless = r#"{"principal": {"mapping_rules": ["RULE:^$/nameless/", "DEFAULT"]}}"#;
    let uri = r#"{"principal": {"source": "san_uri", "mapping_rules": ["RULE:^spiffe:\\/\\/example\\/(.*)$/$1/"]}}"#;
    let certified = |name: &str| Peer::Certified(name.to_owned());
    for (config, peer, principal) in [
        (rule, certified("CN=Alice,O=Example"), Some(("alice", "TLS"))),
        (rule, Peer::Anonymous, Some(("ANONYMOUS", "NONE"))),
        (rule, certified("O=Example"), None),
        // A certificate without a subject: the rules decide over the empty name.
        (rule, certified(""), None),
        (r#"{"principal": {}}"#, certified(""), None),
        (nameless, certified(""), Some(("nameless", "TLS"))),
        (nameless, certified("CN=a"), Some(("CN=a", "TLS"))),
        (nameless, Peer::Anonymous, Some(("ANONYMOUS", "NONE"))),
        (nameless, Peer::Unknown, None),
        // A name of another kind is taken as it is.
        (uri, certified("spiffe://example/ns/a,b"), Some(("ns/a,b", "TLS"))),
        (uri, certified(""), None),
        (uri, Peer::Anonymous, Some(("ANONYMOUS", "NONE"))),
        (uri, Peer::Unknown, None),
    ] {
        let opening = Opening { peer: peer.clone(), ..Opening::default() };
        let mut proxy = Proxy::opened(&shared(config), Feeding::Passing, opening);
        let up = exchange(&mut proxy, &hello(), &respond, Cut::Nowhere);
        let expected: Vec<_> = principal.into_iter().map(|(name, mechanism)| (name.to_owned(), mechanism)).collect();
        assert_eq!(proxy.authenticated, expected, "{config} {peer:?}");
        assert_eq!((proxy.closed, up.is_empty()), (principal.is_none(), principal.is_none()), "{config} {peer:?}");
    }
}

#[test]
fn sasl_of_the_broker_passes_with_bare_tokens_too() {
    let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
    let send = |proxy: &mut Proxy, bytes: &[u8], answer: &[u8]| {
        proxy.client(bytes);
        assert_eq!(proxy.up, bytes, "untouched");
        proxy.up.clear();
        proxy.broker(answer);
        assert_eq!(proxy.down, answer, "untouched");
        proxy.down.clear();
    };
    let good = crate::testing::answer(0, 1, &SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN")]));
    // A token may look like a request: this one would be Produce.
    for (mechanism, tokens) in [("PLAIN", 1), ("SCRAM-SHA-512", 2)] {
        send(&mut proxy, &handshake(0, 1, mechanism), &good);
        for _ in 0..tokens {
            send(&mut proxy, &framed(&[0, 0, 0, 9, 1, 2, 3, 4, 5]), &framed(b""));
        }
        proxy.client(&produce(9, 2, -1, &[("t", 4)]));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        assert_eq!(seen.message::<ProduceRequest>().topic_data[0].partition_data[0].index, 0, "mapped again");
        proxy.broker(&respond(&seen));
        proxy.down.clear();
    }
    proxy.client(&handshake(0, 3, "GSSAPI"));
    assert!(proxy.closed && proxy.up.is_empty());
}

/// Its client id and the name of its software are a stranger's words until then.
#[test]
fn nothing_that_a_client_calls_itself_goes_up_before_it_has_proved_itself() {
    let ours = Some(text("kafka-partition-remapper"));
    for version in 0..=4 {
        let hello = request(
            version,
            1,
            &match version {
                ..3 => ApiVersionsRequest::default(),
                _ => ApiVersionsRequest::default()
                    .with_client_software_name(text("stranger"))
                    .with_client_software_version(text("stranger")),
            },
        );
        let login = [hello, handshake(1, 2, "PLAIN"), authenticate(2, 3, "\0alice\0wrong")].concat();
        let outcome = check(SASL, None, &login, &respond);
        let seen: Vec<Seen> = take_frames(&mut outcome.up.clone()).iter().map(Seen::parse).collect();
        assert_eq!(seen.iter().map(|seen| seen.client_id.clone()).collect::<Vec<_>>(), vec![ours.clone(); 3]);
        assert!(!String::from_utf8_lossy(&outcome.up).contains("stranger"));
        let (_, answer): (i32, ApiVersionsResponse) = read_answer(&outcome.answers()[0], version);
        assert!(answer.error_code == 0 && answer.api_keys.iter().any(|offer| offer.api_key == 36), "v{version}");
    }
    // An unknown version, and bare tokens.
    let odd = [raw(18, 9), handshake(0, 2, "PLAIN"), framed(b"\0alice\0secret"), metadata(9, 4, &["t"])].concat();
    let outcome = check(SASL, None, &odd, &respond);
    let seen: Vec<Seen> = take_frames(&mut outcome.up.clone()).iter().map(Seen::parse).collect();
    assert_eq!(seen[0].client_id.clone(), ours);
    assert_eq!(seen.last().unwrap().client_id, Some(text("test")), "its own, once it has");
    // Whoever proved itself once is no stranger while it does so again.
    let mut proxy = logged_in();
    let up = exchange(&mut proxy, &handshake(1, 4, "PLAIN"), &respond, Cut::Nowhere);
    assert_eq!(Seen::parse(&take_frames(&mut up.clone())[0]).client_id, Some(text("test")));
}
