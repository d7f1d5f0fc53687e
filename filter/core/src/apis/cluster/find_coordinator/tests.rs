//! FindCoordinator in every version: coordinators where clients reach them, and none for transactions.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::testing::broker::api_versions;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, read_answer, request, shared, take_frames, text, Seen, MAPPED};

#[test]
fn a_coordinator_is_named_where_clients_reach_it() {
    let unavailable = ResponseError::CoordinatorNotAvailable.code();
    for (id, expected) in [(1, (0, "one.example", 9101)), (3, (unavailable, "kafka-3.internal", 9092))] {
        let host = text(&format!("kafka-{id}.internal"));
        for version in 0..=3 {
            let broker =
                FindCoordinatorResponse::default().with_node_id(BrokerId(id)).with_host(host.clone()).with_port(9092);
            let message = FindCoordinatorRequest::default().with_key(text("g"));
            let (_, told) = ask(MAPPED, version, &message, |seen| seen.answer(&broker));
            check_coordinator((told.error_code, &told.host, told.port), expected);
        }
        for version in 4..=6 {
            let found = Coordinator::default().with_node_id(BrokerId(id)).with_host(host.clone()).with_port(9092);
            let none = Coordinator::default().with_node_id(BrokerId(-1)).with_error_code(16);
            let broker = FindCoordinatorResponse::default().with_coordinators(vec![found, none.clone()]);
            let message = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g"), text("h")]);
            let (_, told) = ask(MAPPED, version, &message, |seen| seen.answer(&broker));
            let first = &told.coordinators[0];
            check_coordinator((first.error_code, &first.host, first.port), expected);
            assert_eq!(told.coordinators[1], none);
        }
    }
}

/// An address that leads around the filter must not be usable.
fn check_coordinator((code, host, port): (i16, &str, i32), expected: (i16, &str, i32)) {
    assert_eq!(code, expected.0);
    if code == 0 {
        assert_eq!((host, port), (expected.1, expected.2));
    }
}

/// A transaction coordinator for `x` and `y`, or for `x` alone where a request has room for one.
fn transaction_coordinators(version: i16) -> FindCoordinatorRequest {
    let message = FindCoordinatorRequest::default().with_key_type(1);
    match version {
        4.. => message.with_coordinator_keys(vec![text("x"), text("y")]),
        _ => message.with_key(text("x")),
    }
}

/// What a client that calls itself `software` asks of a connection: the requests that go up for that, and the
/// answers. The broker knows ApiVersions only.
fn ask_as(software: Option<&str>, requests: &[Vec<u8>]) -> (Vec<Seen>, Vec<bytes::Bytes>) {
    let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
    let hello = software.map(|name| ApiVersionsRequest::default().with_client_software_name(text(name)));
    let hello = request(if hello.is_some() { 3 } else { 0 }, 1, &hello.unwrap_or_default());
    proxy.client(&[hello, requests.concat()].concat());
    let up: Vec<Seen> = take_frames(&mut proxy.up).iter().map(Seen::parse).collect();
    let known = up.iter().filter(|seen| seen.key == 18);
    proxy.broker(&known.flat_map(|seen| seen.answer(&api_versions())).collect::<Vec<u8>>());
    (up, take_frames(&mut proxy.down).into_iter().skip(1).collect())
}

#[test]
fn a_transaction_coordinator_is_refused_where_topics_are_mapped() {
    let code = ResponseError::UnsupportedVersion.code();
    for version in 1..=6 {
        let message = transaction_coordinators(version);
        let (_, down) = ask_as(Some("apache-kafka-java"), &[request(version, 2, &message)]);
        let told: FindCoordinatorResponse = read_answer(&down[0], version).1;
        if version >= 4 {
            let keys: Vec<_> = told.coordinators.iter().map(|one| (one.key.as_str(), one.error_code)).collect();
            assert_eq!(keys, [("x", code), ("y", code)]);
        } else {
            assert_eq!((told.error_code, told.port), (code, -1));
        }
        let (seen, _) = ask("", version, &message, |seen| seen.answer(&FindCoordinatorResponse::default()));
        assert_eq!(seen[0].message::<FindCoordinatorRequest>(), message);
    }
}

/// To sarama and kafkajs, which tells no name, InitProducerId says it.
#[test]
fn clients_that_hide_why_there_is_no_coordinator_get_one() {
    for software in [None, Some("sarama")] {
        for version in 1..=6 {
            let message = transaction_coordinators(version);
            let (up, _) = ask_as(software, &[request(version, 2, &message)]);
            assert_eq!(up[1].message::<FindCoordinatorRequest>(), message, "{software:?} v{version}");
        }
    }
}

/// It would ask again for ever at any other error.
#[test]
fn librdkafka_is_refused_in_a_way_that_it_shows() {
    let denied = ResponseError::TransactionalIdAuthorizationFailed.code();
    let unsupported = ResponseError::UnsupportedVersion.code();
    for (software, code) in [
        ("librdkafka", denied),
        ("confluent-kafka-python", denied),
        ("node-rdkafka", denied),
        ("apache-kafka-java", unsupported),
        ("kafka-python", unsupported),
    ] {
        let init = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("x"))));
        let requests = [request(2, 2, &transaction_coordinators(2)), request(2, 3, &init)];
        let (_, down) = ask_as(Some(software), &requests);
        let found: FindCoordinatorResponse = read_answer(&down[0], 2).1;
        assert_eq!(found.error_code, code, "{software}");
        assert!(found.error_message.unwrap().contains("not supported"), "{software}");
        assert_eq!(read_answer::<InitProducerIdResponse>(&down[1], 2).1.error_code, code, "{software}");
    }
}
