//! The filter's own logins at a broker that wants SASL.

use std::cell::RefCell;

use super::authentication::{authenticate, handshake};
use super::*;
use crate::connection::Opening;
use crate::testing::sasl_broker::SaslBroker;
use crate::testing::{ignorant, peer};

const BOTH: &str = r#"{
    "sasl": {
        "mechanisms": ["PLAIN"],
        "users": [
            {"username": "alice", "password": "secret"},
            {"username": "bob", "password": "other"},
            {"username": "carol", "password": "third"}
        ]
    },
    "upstream": {"sasl": {"mechanism": "PLAIN", "per_principal": {
        "alice": {"username": "alice-at-broker", "password": "a"},
        "bob": {"username": "bob-at-broker", "password": "b"}
    }}}
}"#;

const UPSTREAM: &str = r#"{
    "principal": {"mapping_rules": ["DEFAULT"]},
    "upstream": {"sasl": {"mechanism": "PLAIN", "username": "gateway", "password": "g", "per_principal": {
        "CN=alice": {"username": "alice-at-broker", "password": "a"}
    }}}
}"#;

fn broker() -> SaslBroker {
    SaslBroker::with(&["alice-at-broker\0a", "gateway\0g"])
}

fn serve<'a>(broker: &'a RefCell<SaslBroker>) -> impl Fn(&Seen) -> Vec<u8> + 'a {
    move |seen| broker.borrow_mut().answer(seen).unwrap_or_else(|| respond(seen))
}

fn opened(versions: Option<Bytes>) -> Proxy {
    Proxy::opened(&shared(BOTH), Feeding::Passing, Opening { versions, ..Opening::default() })
}

fn login(token: &'static str) -> Vec<u8> {
    [hello(), handshake(1, 2, "PLAIN"), authenticate(2, 3, token)].concat()
}

/// What the first connection of all learns.
fn learned(broker: SaslBroker) -> Bytes {
    let broker = RefCell::new(broker);
    let mut proxy = opened(None);
    exchange(&mut proxy, &login("\0alice\0secret"), &serve(&broker), Cut::Nowhere);
    assert!(!proxy.closed && broker.borrow().seen == ["alice-at-broker"]);
    proxy.versions.remove(0)
}

/// Keys and versions of what went up.
fn asked(up: &[u8]) -> Vec<(i16, i16)> {
    take_frames(&mut up.to_vec()).iter().map(Seen::parse).map(|seen| (seen.key, seen.version)).collect()
}

fn verdict(proxy: &mut Proxy) -> (i16, Option<String>) {
    let (_, answer): (i32, SaslAuthenticateResponse) = read_answer(&take_frames(&mut proxy.down)[2], 2);
    (answer.error_code, answer.error_message.map(|message| message.to_string()))
}

#[test]
fn the_filter_logs_in_for_a_client_that_has_proved_itself() {
    let versions = learned(broker());
    let stream = [login("\0alice\0secret"), metadata(9, 4, &["u"])].concat();
    for cut in (0..stream.len()).map(Cut::Client).chain([Cut::Everywhere]) {
        let broker = RefCell::new(broker());
        let mut proxy = opened(Some(versions.clone()));
        let up = exchange(&mut proxy, &stream, &serve(&broker), cut);
        let carrier = (18, i16::MAX);
        assert_eq!(asked(&up), [carrier, carrier, (17, 1), (36, 1), (18, 3), (3, 9)]);
        assert_eq!(broker.borrow().seen, ["alice-at-broker"]);
        assert_eq!(take_frames(&mut proxy.down).len(), 4);
        assert!(!proxy.closed && proxy.is_idle() && proxy.versions.is_empty());
    }
}

#[test]
fn a_client_that_has_not_proved_itself_causes_no_login() {
    let versions = learned(broker());
    let broker = RefCell::new(broker());
    let mut proxy = opened(Some(versions));
    exchange(&mut proxy, &login("\0alice\0wrong"), &serve(&broker), Cut::Nowhere);
    assert!(proxy.closed && broker.borrow().seen.is_empty());
    assert_eq!(verdict(&mut proxy).0, 58);
}

#[test]
fn a_login_that_fails_is_told_to_the_client() {
    let versions = learned(broker());
    for (token, warning) in [("\0bob\0other", "error 58"), ("\0carol\0third", "has no identity")] {
        let broker = RefCell::new(broker());
        let mut proxy = opened(Some(versions.clone()));
        let stream = [login(token), metadata(9, 4, &["u"])].concat();
        exchange(&mut proxy, &stream, &serve(&broker), Cut::Nowhere);
        assert!(proxy.closed && proxy.warnings[0].contains(warning), "{:?}", proxy.warnings);
        let (code, message) = verdict(&mut proxy);
        assert!(code == 58 && message.unwrap().contains("could not log in at the broker"));
        assert_eq!(proxy.blamed(Blame::Config), 1);
    }
}

/// It is told what the table offers at most, since the broker cannot be asked yet.
#[test]
fn the_first_connection_of_all_is_served() {
    let stream = [login("\0alice\0secret"), metadata(9, 4, &["u"])].concat();
    for cut in (0..stream.len()).map(Cut::Client).chain([Cut::Everywhere]) {
        let broker = RefCell::new(broker());
        let mut proxy = opened(None);
        let up = exchange(&mut proxy, &stream, &serve(&broker), cut);
        let carrier = (18, i16::MAX);
        assert_eq!(asked(&up), [carrier, carrier, (17, 1), (36, 1), (18, 3), (3, 9)]);
        assert!(!proxy.closed && proxy.is_idle());
        assert_eq!((proxy.versions.len(), proxy.warnings.len()), (1, 0));
        let answers = take_frames(&mut proxy.down);
        assert_eq!(answers.len(), 4);
        let (_, told): (i32, ApiVersionsResponse) = read_answer(&answers[0], 3);
        let of = |key| told.api_keys.iter().find(|offer| offer.api_key == key);
        for (key, min, max) in [(0, 3, 12), (3, 0, 13), (17, 0, 1), (36, 0, 2), (18, 0, 4)] {
            let offer = of(key).unwrap();
            assert_eq!((offer.min_version, offer.max_version), (min, max), "{key}");
        }
        // Hidden; refused, which only librdkafka is told of; and what a broker may have turned off.
        assert!([4, 68, 75, 71, 72].into_iter().all(|key| of(key).is_none()));
        assert_eq!((told.error_code, told.finalized_features.len()), (0, 0));
    }
}

/// Whether the client was told by a guess, or of what the broker was before.
#[test]
fn a_version_that_the_broker_lacks_ends_the_connection_when_it_is_used() {
    let older = || SaslBroker { metadata_max: 5, ..broker() };
    for known in [None, Some(learned(broker()))] {
        for (version, served) in [(5, true), (9, false)] {
            for cut in [Cut::Nowhere, Cut::Everywhere] {
                let broker = RefCell::new(older());
                let mut proxy = opened(known.clone());
                let stream = [login("\0alice\0secret"), heartbeat(4), metadata(version, 5, &["u"])].concat();
                let up = exchange(&mut proxy, &stream, &serve(&broker), cut);
                assert_eq!(proxy.versions, [learned(older())], "for the next connection");
                assert_eq!(asked(&up).contains(&(3, version)), served, "{version} {cut:?}");
                assert_eq!(proxy.closed, !served);
                let reconnects = proxy.counts.get("kafka_remapper_reconnects_total.remapper..reason.versions");
                assert_eq!(reconnects.copied(), (!served).then_some(1));
                if !served {
                    let said = "Metadata version 9, as it was told before the broker could be asked; \
                                the broker offers 0 to 5: the client reconnects";
                    assert!(proxy.warnings[0].contains(said), "{:?}", proxy.warnings);
                }
            }
        }
    }
    // One that offers more is only remembered.
    let newer = RefCell::new(broker());
    let mut proxy = opened(Some(learned(older())));
    exchange(&mut proxy, &[login("\0alice\0secret"), metadata(5, 4, &["u"])].concat(), &serve(&newer), Cut::Nowhere);
    assert!(!proxy.closed && proxy.versions == [learned(broker())]);
}

#[test]
fn an_api_that_the_broker_lacks_ends_the_connection_when_it_is_used() {
    let broker = RefCell::new(SaslBroker { absent: Some(12), ..broker() });
    let mut proxy = opened(None);
    let stream = [login("\0alice\0secret"), metadata(9, 4, &["u"]), heartbeat(5)].concat();
    let up = exchange(&mut proxy, &stream, &serve(&broker), Cut::Nowhere);
    assert_eq!(asked(&up).last(), Some(&(3, 9)));
    let answers = take_frames(&mut proxy.down.clone());
    let last = answers.last().unwrap();
    assert_eq!(last[..4], 4i32.to_be_bytes(), "what was asked before is answered");
    assert!(proxy.closed && proxy.warnings[0].contains("the broker does not offer Heartbeat"), "{:?}", proxy.warnings);
}

/// As the broker itself would say it.
#[test]
fn api_versions_in_a_version_that_the_broker_lacks_is_asked_for_in_an_older_one() {
    let broker = RefCell::new(SaslBroker { api_versions_max: 3, ..broker() });
    let mut proxy = opened(None);
    let again = request(4, 4, &ApiVersionsRequest::default());
    let up = exchange(&mut proxy, &[login("\0alice\0secret"), again].concat(), &serve(&broker), Cut::Nowhere);
    assert_eq!(asked(&up).last(), Some(&(18, 0)));
    let (_, answer): (i32, ApiVersionsResponse) = read_answer(&take_frames(&mut proxy.down)[3], 0);
    assert_eq!((answer.error_code, proxy.closed), (35, false));
}

/// What the broker has of them does not matter: the filter answers.
#[test]
fn what_the_filter_answers_itself_is_never_lacking() {
    let broker = RefCell::new(SaslBroker { absent: Some(17), ..broker() });
    let mut proxy = opened(None);
    let stream = [login("\0alice\0secret"), handshake(1, 4, "PLAIN"), authenticate(2, 5, "\0alice\0secret")].concat();
    exchange(&mut proxy, &stream, &serve(&broker), Cut::Nowhere);
    assert_eq!((take_frames(&mut proxy.down).len(), proxy.closed), (5, false));
}

/// What is remembered would else be told to all that come next.
#[test]
fn an_answer_that_is_an_error_is_not_remembered() {
    let broker = RefCell::new(SaslBroker { api_versions_error: 41, ..broker() });
    let mut proxy = opened(None);
    exchange(&mut proxy, &login("\0alice\0secret"), &serve(&broker), Cut::Nowhere);
    assert!(proxy.closed && proxy.versions.is_empty());
    assert_eq!(proxy.blamed(Blame::Broker), 1);
}

#[test]
fn without_a_sasl_section_the_login_comes_first() {
    for (subject, name) in [(Some("CN=alice"), "alice-at-broker"), (Some("CN=bob"), "gateway"), (None, "gateway")] {
        let broker = RefCell::new(broker());
        let opening = Opening { peer: peer(subject), ..Opening::default() };
        let mut proxy = Proxy::opened(&shared(UPSTREAM), Feeding::Passing, opening);
        let up = exchange(&mut proxy, &[hello(), metadata(9, 2, &["u"])].concat(), &serve(&broker), Cut::Everywhere);
        let keys: Vec<i16> = take_frames(&mut up.clone()).iter().map(|frame| Seen::parse(frame).key).collect();
        assert_eq!(keys, [17, 36, 18, 3]);
        assert_eq!(broker.borrow().seen, [name]);
        assert_eq!(take_frames(&mut proxy.down).len(), 2);
    }
}

#[test]
fn a_client_without_sasl_learns_of_a_failed_login_from_api_versions() {
    let broker = RefCell::new(SaslBroker::with(&[]));
    let mut proxy = Proxy::opened(&shared(UPSTREAM), Feeding::Passing, Opening::default());
    exchange(&mut proxy, &[hello(), metadata(9, 2, &["u"])].concat(), &serve(&broker), Cut::Nowhere);
    let answers = take_frames(&mut proxy.down);
    let (_, answer): (i32, ApiVersionsResponse) = read_answer(&answers[0], 3);
    assert!(proxy.closed && answers.len() == 1 && answer.error_code == 58);
    let failures = "kafka_remapper_upstream_auth_total.remapper..mechanism.PLAIN.outcome.failure";
    assert_eq!(proxy.counts[failures], 1);

    let broker = RefCell::new(SaslBroker::with(&[]));
    let only = UPSTREAM.replace(r#""username": "gateway", "password": "g", "#, "");
    let opening = Opening { peer: peer(Some("CN=bob")), ..Opening::default() };
    let mut proxy = Proxy::opened(&shared(&only), Feeding::Passing, opening);
    exchange(&mut proxy, &[hello(), metadata(9, 2, &["u"])].concat(), &serve(&broker), Cut::Nowhere);
    let (_, answer): (i32, ApiVersionsResponse) = read_answer(&take_frames(&mut proxy.down)[0], 3);
    assert!(proxy.closed && answer.error_code == 58);
    assert!(proxy.warnings[0].contains("no identity for the client's principal, \"CN=bob\""), "{:?}", proxy.warnings);
}

#[test]
fn a_login_is_renewed_before_it_ends() {
    let broker = RefCell::new(SaslBroker { lifetime_ms: 10_000, ..broker() });
    let mut proxy = Proxy::opened(&shared(UPSTREAM), Feeding::Passing, Opening::default());
    for (now, logins) in [(0, 1), (8_499, 1), (8_500, 2), (16_999, 2), (1_000_000, 3)] {
        proxy.now = now;
        // Pipelined: the second has to wait as well.
        exchange(&mut proxy, &[heartbeat(1), heartbeat(2)].concat(), &serve(&broker), Cut::Nowhere);
        assert_eq!(broker.borrow().seen.len(), logins, "at {now}");
        assert_eq!(take_frames(&mut proxy.down).len(), 2);
    }
    assert!(!proxy.closed);
}

#[test]
fn brokers_are_learned_after_the_client_has_authenticated_at_the_broker() {
    let config =
        r#"{"route": {"dynamic": {"bootstrap": ["boot:9092"]}}, "advertise": {"ports": {"host": "h", "base": 9000}}}"#;
    let learn = Bootstrapped { broker: 9, connected: Address::of("boot", 9092).unwrap() };
    let broker = RefCell::new(SaslBroker::with(&["alice\0x"]));
    let mut proxy = Proxy::new(&shared(config), Feeding::Passing, Some(learn));
    let stream = [login("\0alice\0x"), metadata(9, 4, &["u"])].concat();
    let up = exchange(&mut proxy, &stream, &serve(&broker), Cut::Everywhere);
    let seen: Vec<(i16, i32)> =
        take_frames(&mut up.clone()).iter().map(Seen::parse).map(|seen| (seen.key, seen.correlation_id)).collect();
    assert_eq!(seen, [(18, 1), (17, 2), (36, 3), (3, 0), (3, 4)]);
    assert_eq!((proxy.learned.is_empty(), proxy.closed), (false, false));
}

/// Whatever the filter has to ask of topics: first it has to be let in.
#[test]
fn topics_are_asked_for_behind_the_login() {
    let mapping = r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]}, "#;
    let (versions, frame) = (learned(broker()), produce(9, 4, -1, &[("t", 5)]));
    let carrier = (18, i16::MAX);
    let cases = [
        (UPSTREAM, frame.clone(), vec![(17, 1), (36, 1), (3, 4), (0, 9)]),
        (
            BOTH,
            [login("\0alice\0secret"), frame].concat(),
            vec![carrier, carrier, (17, 1), (36, 1), (18, 3), (3, 10), (0, 9)],
        ),
    ];
    for (config, stream, expected) in cases {
        let shared = ignorant(&config.replacen('{', mapping, 1));
        for cut in [Cut::Nowhere, Cut::Everywhere] {
            let broker = RefCell::new(broker());
            let opening = Opening { versions: Some(versions.clone()), ..Opening::default() };
            let mut proxy = Proxy::opened(&shared, Feeding::Passing, opening);
            let up = exchange(&mut proxy, &stream, &serve(&broker), cut);
            let expected: Vec<_> =
                expected.iter().filter(|asked| asked.0 != 3 || matches!(cut, Cut::Nowhere)).copied().collect();
            assert_eq!(asked(&up), expected, "{cut:?}: asked once in this worker");
            assert!(!proxy.closed && proxy.is_idle());
        }
    }
}

/// Brokers would do it in the name that the filter logs in with.
#[test]
fn who_has_an_identity_of_its_own_may_administer() {
    let own_too = UPSTREAM.replace("alice-at-broker", "gateway").replace(r#""a""#, r#""g""#);
    let nobody = UPSTREAM.replace("CN=alice", "ANONYMOUS");
    let all = UPSTREAM.replace(r#""upstream": {"#, r#""upstream": {"shared_administration": true, "#);
    let acls = request(2, 1, &DescribeAclsRequest::default());
    let answered = |seen: &Seen| match seen.key {
        29 => seen.answer(&DescribeAclsResponse::default()),
        _ => respond(seen),
    };
    for (config, subject, passes) in [
        (UPSTREAM, Some("CN=alice"), true),
        (UPSTREAM, Some("CN=bob"), false),
        (UPSTREAM, None, false),
        (&own_too, Some("CN=alice"), false),
        (&nobody, None, false),
        (&all, Some("CN=bob"), true),
    ] {
        for cut in (0..acls.len()).map(Cut::Client).chain([Cut::Everywhere]) {
            let broker = RefCell::new(broker());
            let serve = |seen: &Seen| broker.borrow_mut().answer(seen).unwrap_or_else(|| answered(seen));
            let opening = Opening { peer: peer(subject), ..Opening::default() };
            let mut proxy = Proxy::opened(&shared(config), Feeding::Passing, opening);
            let up = exchange(&mut proxy, &acls, &serve, cut);
            let last = Seen::parse(take_frames(&mut up.clone()).last().unwrap()).key;
            assert_eq!(last, if passes { 29 } else { 18 }, "{config} {subject:?} {cut:?}");
            let (_, answer): (i32, DescribeAclsResponse) = read_answer(&take_frames(&mut proxy.down)[0], 2);
            assert_eq!(answer.error_code, if passes { 0 } else { 31 });
            assert!(!proxy.closed && proxy.is_idle());
        }
    }
}

#[test]
fn a_stranger_is_not_named_to_a_broker_that_wants_a_login() {
    for versions in [None, Some(learned(broker()))] {
        let broker = RefCell::new(broker());
        let mut proxy = opened(versions);
        let up = exchange(&mut proxy, &login("\0alice\0wrong"), &serve(&broker), Cut::Nowhere);
        let seen: Vec<Seen> = take_frames(&mut up.clone()).iter().map(Seen::parse).collect();
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|seen| seen.client_id.as_deref() == Some("kafka-partition-remapper")), "{seen:?}");
    }
}
