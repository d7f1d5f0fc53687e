//! What the tests have in common: frames in both directions, record batches, a driver around one connection
//! that works as the shell does, and a small broker.

pub(crate) mod asking;
pub(crate) mod batches;
pub(crate) mod broker;
pub(crate) mod envoy;
pub(crate) mod memory;
pub(crate) mod proxy;
pub(crate) mod sasl_broker;
pub(crate) mod troubleshooting;

pub(crate) use asking::{ask, ask_alone, ask_of};

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{ApiKey, RequestHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use crate::config::Config;
use crate::principal::Peer;
use crate::sasl::oauthbearer::{SignatureHash, Verifier};
use crate::stats::Names;
use crate::topics::mapping::TopicMatch;
use crate::{Millis, Shared};

/// Topic `t`: 6 virtual partitions on 2 physical ones; `l`: the same with lanes in offsets; `b`: in the block
/// layout.
pub(crate) const MAPPED: &str = r#"{
    "mapping": {"topics": [
        {"name": "t", "virtual_partitions": 6, "physical_partitions": 2},
        {"name": "l", "virtual_partitions": 6, "physical_partitions": 2, "offset_encoding": "lane", "offset_range": 1048576},
        {"name": "b", "virtual_partitions": 6, "physical_partitions": 2, "layout": "block"}
    ]},
    "advertise": {"table": {"1": "one.example:9101", "2": "two.example:9102"}}
}"#;

/// The brokers that clients of [`MAPPED`] are told of, and where.
pub(crate) const ADVERTISED: [(i32, &str, i32); 2] = [(1, "one.example", 9101), (2, "two.example", 9102)];

/// As [`ignorant`], of a worker that has seen the mapped topics by name.
pub(crate) fn shared(config: &str) -> Rc<Shared> {
    shared_with(config, &Rc::default())
}

/// `live`: bytes that are alive in the worker's memory.
pub(crate) fn shared_with(config: &str, live: &Rc<Cell<usize>>) -> Rc<Shared> {
    let shared = ignorant_with(config, live);
    see_topics(&shared, 0);
    shared
}

/// A Metadata answer tells of all topics that are mapped by name.
pub(crate) fn see_topics(shared: &Shared, now: Millis) {
    for mapped in &shared.config.mapping.topics {
        if let (TopicMatch::Name(name), Some(remapper)) = (&mapped.matches, &mapped.remapper) {
            let partitions = usize::try_from(remapper.physical_partitions()).unwrap();
            let partitions = vec![MetadataResponsePartition::default(); partitions];
            let found = MetadataResponseTopic::default().with_name(Some(topic(name))).with_partitions(partitions);
            shared.facts.note(&found, now);
        }
    }
}

/// Of a worker that knows nothing of the cluster.
pub(crate) fn ignorant(config: &str) -> Rc<Shared> {
    ignorant_with(config, &Rc::default())
}

/// As [`ignorant`]. `live`: bytes that are alive in the worker's memory.
pub(crate) fn ignorant_with(config: &str, live: &Rc<Cell<usize>>) -> Rc<Shared> {
    let live = Rc::clone(live);
    let config = Config::parse(config, &|_| None).unwrap();
    Rc::new(Shared::new(config, [7; 32], [8; 32], Box::new(NoKeys), Box::new(move || live.get())))
}

/// What a worker has counted, and its host has not heard of, by names without prefix.
pub(crate) fn counted(shared: &Shared) -> BTreeMap<String, u64> {
    let topics = crate::topics::labelled(&shared.config.mapping).map(|(name, _)| name.to_owned()).collect();
    let names = Names::new("", topics);
    let name = |stat| names.of(stat).replace("kafka_remapper_", "").replace(".remapper.", "");
    shared.tally.take().into_iter().map(|(stat, n)| (name(stat), n)).collect()
}

/// Takes no signature for good.
pub(crate) struct NoKeys;

impl Verifier for NoKeys {
    fn verify(&self, _key: &[u8], _hash: SignatureHash, _signature: &[u8], _text: &[u8]) -> bool {
        false
    }
}

/// A client with this subject, or without a certificate.
pub(crate) fn peer(subject: Option<&str>) -> Peer {
    subject.map_or(Peer::Anonymous, |subject| Peer::Certified(subject.to_owned()))
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A request frame of a client called `test`.
pub(crate) fn request<R: Request>(version: i16, correlation_id: i32, message: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(text("test")));
    frame(&header, R::header_version(version), message, version)
}

/// An answer frame.
pub(crate) fn answer<M: Encodable + HeaderVersion>(version: i16, correlation_id: i32, message: &M) -> Vec<u8> {
    let header = kafka_protocol::messages::ResponseHeader::default().with_correlation_id(correlation_id);
    frame(&header, M::header_version(version), message, version)
}

fn frame<H: Encodable, M: Encodable>(header: &H, header_version: i16, message: &M, version: i16) -> Vec<u8> {
    let mut body = BytesMut::new();
    header.encode(&mut body, header_version).unwrap();
    message.encode(&mut body, version).unwrap();
    framed(&body)
}

pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes()[..], body].concat()
}

/// Takes the whole frames off the front of `stream`, without their lengths.
pub(crate) fn take_frames(stream: &mut Vec<u8>) -> Vec<Bytes> {
    let mut frames = vec![];
    while let Some(length) = stream.first_chunk().map(|length| i32::from_be_bytes(*length)) {
        let end = 4 + usize::try_from(length).unwrap();
        if stream.len() < end {
            break;
        }
        frames.push(Bytes::from(stream.drain(..end).skip(4).collect::<Vec<u8>>()));
    }
    frames
}

/// A request as a broker sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<StrBytes>,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn parse(frame: &Bytes) -> Self {
        let mut body = frame.clone();
        let (key, version) = (body.slice(0..).get_i16(), body.slice(2..).get_i16());
        // As most have it, where the codec does not know the API.
        let header_version = ApiKey::try_from(key).map_or(1, |api| api.request_header_version(version));
        let header = RequestHeader::decode(&mut body, header_version).unwrap();
        let (correlation_id, client_id) = (header.correlation_id, header.client_id);
        Self { key, version, correlation_id, client_id, body }
    }

    /// The message, which must take up the whole body.
    pub(crate) fn message<R: Request>(&self) -> R {
        assert_eq!(self.key, R::KEY);
        whole(self.body.clone(), self.version)
    }

    /// The answer to this request.
    pub(crate) fn answer<M: Encodable + HeaderVersion>(&self, message: &M) -> Vec<u8> {
        answer(self.version, self.correlation_id, message)
    }
}

/// The correlation id and the message of an answer frame.
pub(crate) fn read_answer<M: Decodable + HeaderVersion>(frame: &Bytes, version: i16) -> (i32, M) {
    let mut body = frame.clone();
    let header = kafka_protocol::messages::ResponseHeader::decode(&mut body, M::header_version(version)).unwrap();
    (header.correlation_id, whole(body, version))
}

fn whole<M: Decodable>(mut body: Bytes, version: i16) -> M {
    let message = M::decode(&mut body, version).unwrap();
    assert!(body.is_empty(), "bytes are left behind the message");
    message
}

/// Pseudo-random numbers that are the same on every machine (xorshift64*).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}
