//! The bodies that are read before a client has proved anything, in every version: the three requests that
//! are let through, and what a broker answers to the filter's own. Where clients need no proof, all others
//! are read of strangers, too.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_partition_remapper_core::fuzzing::{offered_versions, text_as_java};
use kafka_partition_remapper_core::limits::{ANSWER_ELEMENTS_MAX, ELEMENTS_MAX};
use kafka_partition_remapper_core::wire::shape::{self, Shaped};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Request};

use crate::bounds::bounded;
use crate::input::Input;
use crate::second::Wire;

/// What one element, of two bytes at the least, may take once decoded.
const BYTES_PER_BYTE: usize = 256;

pub fn bodies(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, version) = (input.below(6 + OTHERS.len()), input.byte());
    let body = input.rest();
    match kind {
        0 => drop(request::<ApiVersionsRequest>(version, body)),
        1 => {
            let (version, read) = request::<SaslHandshakeRequest>(version, body);
            let second = field(body, version, 2, None).map(|bytes| text_as_java(bytes).into_owned());
            assert_eq!(read.map(|message| message.mechanism.to_string()), second);
        }
        2 => {
            let (version, read) = request::<SaslAuthenticateRequest>(version, body);
            let second = field(body, version, 4, Some(2)).map(Bytes::copy_from_slice);
            assert_eq!(read.map(|message| message.auth_bytes), second);
        }
        3 => answer::<ApiVersionsRequest>(version, body),
        4 => answer::<SaslHandshakeRequest>(version, body),
        5 => answer::<SaslAuthenticateRequest>(version, body),
        other => OTHERS[other - 6](version, body),
    }
}

macro_rules! others {
    ($($request:ty;)*) => {
        [$(
            |version, body| drop(request::<$request>(version, body)),
            |version, body| answer::<$request>(version, body),
        )*]
    };
}

/// What else the filter reads, request and answer in turn.
const OTHERS: [fn(u8, &[u8]); 44] = others! {
    ProduceRequest;
    FetchRequest;
    ListOffsetsRequest;
    MetadataRequest;
    OffsetCommitRequest;
    OffsetFetchRequest;
    FindCoordinatorRequest;
    HeartbeatRequest;
    DescribeGroupsRequest;
    ListGroupsRequest;
    CreateTopicsRequest;
    InitProducerIdRequest;
    OffsetForLeaderEpochRequest;
    CreatePartitionsRequest;
    DeleteGroupsRequest;
    OffsetDeleteRequest;
    DescribeClusterRequest;
    CreateAclsRequest;
    DeleteAclsRequest;
    DescribeConfigsRequest;
    AlterConfigsRequest;
    IncrementalAlterConfigsRequest;
};

/// The only field of a message, with a length of so many bytes or, from some version on, a compact one and
/// tags.
fn field(body: &[u8], version: i16, length_bytes: usize, flexible_since: Option<i16>) -> Option<&[u8]> {
    let flexible = flexible_since.is_some_and(|since| version >= since);
    let mut wire = Wire(body);
    let length = wire.length(length_bytes, flexible)??;
    let bytes = wire.take(length)?;
    if flexible {
        let mut tags = wire.tags()?;
        // A tag that comes twice is read by nobody alike, and known to nobody.
        tags.sort_unstable();
    }
    (length_bytes == 4 || length <= 0x7fff).then_some(bytes)
}

/// A version that is offered to clients.
fn version_of<R: Request>(number: u8) -> i16 {
    let (min, max) = offered_versions(R::KEY);
    min + i16::from(number) % (max - min + 1)
}

fn request<R>(number: u8, body: &[u8]) -> (i16, Option<R>)
where
    R: Request + Shaped + PartialEq + Debug,
{
    let version = version_of::<R>(number);
    let bytes = Bytes::copy_from_slice(body);
    let read = bounded(body, BYTES_PER_BYTE, || shape::decode_request::<R>(&bytes, version));
    if let Ok(message) = &read {
        comes_back(version, message, ELEMENTS_MAX);
    }
    (version, read.ok())
}

fn answer<R>(number: u8, body: &[u8])
where
    R: Request,
    R::Response: Shaped + PartialEq + Debug,
{
    let version = version_of::<R>(number);
    let bytes = Bytes::copy_from_slice(body);
    let read = bounded(body, BYTES_PER_BYTE, || shape::decode_answer::<R::Response>(&bytes, version));
    if let Ok(message) = &read {
        comes_back(version, message, ANSWER_ELEMENTS_MAX);
    }
}

/// What was read is written plainly, and read as the same.
fn comes_back<M: Shaped + Encodable + PartialEq + Debug>(version: i16, message: &M, elements: usize) {
    let mut written = BytesMut::new();
    if message.encode(&mut written, version).is_err() {
        return;
    }
    let written = written.freeze();
    assert_eq!(M::SHAPE.check(version, &written, elements), Ok(true), "{message:?}");
    assert_eq!(&M::decode(&mut written.clone(), version).unwrap(), message);
}
