//! What clients say that speak the protocol, more or less. Correlation ids come when the frames are sent.

use std::fmt::Debug;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Request, StrBytes};

use crate::input::Input;
use crate::targets::oauth_token::TOKEN;

/// Stands in everything that a client of [`request`] sends but the tokens, so that it is seen where it must
/// not be.
pub(super) const CLIENT_ID: &str = "stranger";

/// The first of them is mapped in some configurations.
pub(super) const TOPICS: [&str; 2] = ["t", "u"];
/// Partitions of each topic on the cluster.
pub(super) const PHYSICAL: i32 = 2;

pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes()[..], body].concat()
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn frame<R: Request + Debug>(version: i16, message: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(text(CLIENT_ID)));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).expect("a header");
    message.encode(&mut body, version).unwrap_or_else(|error| panic!("{message:?} in version {version}: {error}"));
    framed(&body)
}

/// A request with a body of any bytes.
fn raw(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(0);
    out.put_i16(CLIENT_ID.len() as i16);
    out.put_slice(CLIENT_ID.as_bytes());
    out.put_slice(body);
    framed(&out)
}

const MECHANISMS: [&str; 6] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", ""];

pub(super) fn handshake(version: i16, mechanism: &str) -> Vec<u8> {
    frame(version, &SaslHandshakeRequest::default().with_mechanism(text(mechanism)))
}

pub(super) fn authenticate(version: u8, token: &[u8]) -> Vec<u8> {
    let version = i16::from(version % 3);
    frame(version, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(token)))
}

/// One of the requests that clients begin with, and some that must wait.
pub(super) fn request(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, version) = (input.below(9), i16::from(input.byte()));
    match kind {
        0 => {
            let message = ApiVersionsRequest::default();
            let message = if version % 5 < 3 { message } else { message.with_client_software_name(text(CLIENT_ID)) };
            frame(version % 5, &message)
        }
        1 => raw(18, version, input.some()),
        2 | 3 => {
            let mechanism = *input.one_of(&MECHANISMS);
            handshake(version % 2, mechanism)
        }
        4 => {
            let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("t"))));
            frame(version % 10, &MetadataRequest::default().with_topics(Some(vec![topic])))
        }
        5 => frame(version % 5, &HeartbeatRequest::default().with_group_id(GroupId(text(CLIENT_ID)))),
        6 => frame(2, &CreateDelegationTokenRequest::default()),
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

/// A record batch (KIP-98) of one record, as the filter marks it for `lane`. Nobody looks at its CRC.
pub(super) fn batch(base_offset: i64, lane: i64) -> Bytes {
    let record = [14, 0, 0, 0, 1, 2, b'x', 0];
    let mut out = BytesMut::new();
    out.put_i64(base_offset);
    out.put_i32(49 + record.len() as i32);
    out.put_i32(0);
    out.put_slice(&[2, 1, 2, 3, 4]);
    out.put_i16(0);
    out.put_i32(0);
    out.put_i64(1_000);
    out.put_i64(1_000);
    let (producer_id, epoch) = if lane == 0 { (-1, -1) } else { (-2 - lane, 0) };
    out.put_i64(producer_id);
    out.put_i16(epoch);
    out.put_i32(epoch.into());
    out.put_i32(1);
    out.put_slice(&record);
    out.freeze()
}
