//! What clients and brokers say that speak the protocol, more or less.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};

use crate::input::Input;
use crate::targets::oauth_token::TOKEN;

/// Stands in everything that a client of [`request`] sends but the tokens, so that it is seen where it must not be.
pub(super) const CLIENT_ID: &str = "stranger";

pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes()[..], body].concat()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn frame<R: Request>(version: i16, correlation_id: u8, message: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id.into())
        .with_client_id(Some(text(CLIENT_ID)));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).expect("a header");
    message.encode(&mut body, version).expect("a message");
    framed(&body)
}

/// A request with a body of any bytes.
fn raw(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(9);
    out.put_i16(CLIENT_ID.len() as i16);
    out.put_slice(CLIENT_ID.as_bytes());
    out.put_slice(body);
    framed(&out)
}

const MECHANISMS: [&str; 6] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", ""];

pub(super) fn handshake(version: i16, mechanism: &str) -> Vec<u8> {
    frame(version, 2, &SaslHandshakeRequest::default().with_mechanism(text(mechanism)))
}

pub(super) fn authenticate(version: u8, token: &[u8]) -> Vec<u8> {
    let version = i16::from(version % 3);
    frame(version, 3, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(token)))
}

/// One of the requests that clients begin with, and some that must wait.
pub(super) fn request(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, version) = (input.below(9), i16::from(input.byte()));
    match kind {
        0 => {
            let message = ApiVersionsRequest::default();
            let message = if version % 5 < 3 { message } else { message.with_client_software_name(text(CLIENT_ID)) };
            frame(version % 5, 1, &message)
        }
        1 => raw(18, version, input.some()),
        2 | 3 => {
            let mechanism = *input.one_of(&MECHANISMS);
            handshake(version % 2, mechanism)
        }
        4 => {
            let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("t"))));
            frame(version % 10, 4, &MetadataRequest::default().with_topics(Some(vec![topic])))
        }
        5 => frame(version % 5, 5, &HeartbeatRequest::default().with_group_id(GroupId(text(CLIENT_ID)))),
        6 => frame(2, 6, &CreateDelegationTokenRequest::default()),
        7 => raw(36, version % 3, input.some()),
        _ => {
            let key = i16::from(input.byte());
            raw(key, version % 16, input.some())
        }
    }
}

/// A token of one of the mechanisms: good, wrong, or anything.
pub(super) fn token(input: &mut Input<'_>) -> Vec<u8> {
    let wrapped = |token: &str| format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes();
    match input.below(8) {
        0 => b"\0alice\0alices-secret".to_vec(),
        1 => "\0Jo\u{308}rg\0joergs-secret".as_bytes().to_vec(),
        2 => b"\0alice\0joergs-secret".to_vec(),
        3 => wrapped(TOKEN),
        4 => wrapped(&String::from_utf8_lossy(input.some())),
        5 => b"n,,n=alice,r=abc".to_vec(),
        6 => b"n,,n=nobody,r=abc".to_vec(),
        _ => input.some().to_vec(),
    }
}

/// What a broker answers to a request of the filter's, or one that passed; for most nothing but zeros.
pub(super) fn answer(key: i16, version: i16, correlation_id: i32, proves: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    match key {
        18 => answer_frame(version, correlation_id, &api_versions(version), (0..=4).contains(&version)),
        3 => answer_frame(version, correlation_id, &metadata(), true),
        17 => answer_frame(version, correlation_id, &SaslHandshakeResponse::default(), true),
        36 => {
            let message = SaslAuthenticateResponse::default().with_auth_bytes(proves().into());
            answer_frame(version, correlation_id, &message, true)
        }
        _ => framed(&[&correlation_id.to_be_bytes()[..], &[0; 14]].concat()),
    }
}

fn answer_frame<M: Encodable + HeaderVersion>(version: i16, correlation_id: i32, message: &M, known: bool) -> Vec<u8> {
    // A version that the broker does not know is answered in version 0.
    let version = if known { version } else { 0 };
    let mut body = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut body, M::header_version(version)).expect("a header");
    match message.encode(&mut body, version) {
        Ok(()) => framed(&body),
        Err(_) => framed(&correlation_id.to_be_bytes()),
    }
}

fn api_versions(version: i16) -> ApiVersionsResponse {
    let offers = (0..70).map(|key| ApiVersion::default().with_api_key(key).with_max_version(9));
    let code = if (0..=4).contains(&version) { 0 } else { 35 };
    ApiVersionsResponse::default().with_error_code(code).with_api_keys(offers.collect())
}

fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker::default().with_node_id(BrokerId(1)).with_host(text("own")).with_port(9092);
    let partition =
        |index| MetadataResponsePartition::default().with_partition_index(index).with_leader_id(BrokerId(1));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text("t"))))
        .with_partitions((0..2).map(partition).collect());
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic])
}
