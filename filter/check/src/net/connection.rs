//! One connection to one broker: a request, then its answer, in the highest version that both sides have.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_partition_remapper_core::brokers::address::Address;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::login::{self, Login};
use super::transport::{Stream, Tls};
use super::{error_name, Trouble};
use crate::limits::ANSWER_BYTES_MAX;

const NAME: &str = "kafka-remapper-check";
/// What every broker of today answers; later versions of it tell nothing that is needed here.
const VERSIONS_VERSION: i16 = 0;

/// How connections are made.
pub(crate) struct Access {
    pub(crate) tls: Option<Tls>,
    pub(crate) login: Option<Login>,
    /// How long one answer may take.
    pub(crate) answer_time: Duration,
}

pub(crate) struct Connection {
    stream: Stream,
    /// host:port.
    address: String,
    /// What the broker offers: the lowest and the highest version of each API.
    versions: HashMap<i16, (i16, i16)>,
    correlation: i32,
    answer_time: Duration,
}

impl Connection {
    /// Connects, asks what the broker offers, and logs in.
    pub(crate) fn open(host: &str, port: u16, access: &Access) -> Result<Self, Trouble> {
        let stream = Stream::open(host, port, access.tls.as_ref())?;
        let mut connection = Self {
            stream,
            address: Address { host: host.to_owned(), port }.to_string(),
            versions: HashMap::new(),
            correlation: 0,
            answer_time: access.answer_time,
        };
        connection.learn_versions(access)?;
        if let Some(login) = &access.login {
            login::log_in(&mut connection, login)?;
        }
        Ok(connection)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether the broker offers a version of the API.
    pub(crate) fn offers(&self, key: i16, version: i16) -> bool {
        self.versions.get(&key).is_some_and(|(least, most)| (*least..=*most).contains(&version))
    }

    /// Whether the broker offers any version of the API.
    pub(crate) fn knows(&self, key: i16) -> bool {
        self.versions.contains_key(&key)
    }

    fn learn_versions(&mut self, access: &Access) -> Result<(), Trouble> {
        let answer: ApiVersionsResponse =
            self.exchange(VERSIONS_VERSION, &ApiVersionsRequest::default()).map_err(|t| {
                let hint = if access.tls.is_none() { "; does this listener want TLS (--tls)?" } else { "" };
                Trouble::lost(format!("{}{hint}", t.what))
            })?;
        if let Some(error) = error_name(answer.error_code) {
            return Err(Trouble::lost(format!("{} does not say what it offers: {error}", self.address)));
        }
        self.versions = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        Ok(())
    }

    /// Asks in the highest version up to `most` that the broker offers; `message` makes the request for it.
    pub(crate) fn ask<R: Request>(&mut self, most: i16, message: &dyn Fn(i16) -> R) -> Result<R::Response, Trouble> {
        let own = (R::VERSIONS.min, R::VERSIONS.max.min(most));
        let offered = self.versions.get(&R::KEY).copied();
        let common = offered.map(|(least, most)| (own.0.max(least), own.1.min(most)));
        match common.filter(|(least, most)| least <= most) {
            Some((_, version)) => self.exchange(version, &message(version)),
            None => {
                let offer = offered.map_or("not at all".to_owned(), |(least, most)| format!("in {least} to {most}"));
                let (key, (least, most), address) = (R::KEY, own, &self.address);
                Err(Trouble::new(format!("{address} offers API {key} {offer}, needed are {least} to {most}")))
            }
        }
    }

    fn exchange<R: Request>(&mut self, version: i16, message: &R) -> Result<R::Response, Trouble> {
        let sent = self.send(version, message).and_then(|()| self.receive());
        let mut answer = sent.map_err(|problem| Trouble::lost(format!("{}: {problem}", self.address)))?;
        let unread = |what: &str| Trouble::lost(format!("{}: {what}", self.address));
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version));
        let header = header.map_err(|_| unread("what came is no answer of a broker"))?;
        if header.correlation_id != self.correlation {
            return Err(unread("what came is not the answer to what was asked"));
        }
        R::Response::decode(&mut answer, version)
            .map_err(|_| unread(&format!("the answer of API {} version {version} cannot be read", R::KEY)))
    }

    fn send<R: Request>(&mut self, version: i16, message: &R) -> Result<(), String> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str(NAME)));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).map_err(|error| error.to_string())?;
        message.encode(&mut body, version).map_err(|error| error.to_string())?;
        let length = i32::try_from(body.len()).map_err(|_| "the request is too long".to_owned())?;
        let frame = [&length.to_be_bytes(), body.as_ref()].concat();
        self.stream.write_all(&frame).and_then(|()| self.stream.flush()).map_err(|error| told(&error))
    }

    fn receive(&mut self) -> Result<Bytes, String> {
        let end = Instant::now() + self.answer_time;
        let mut length = [0; 4];
        self.fill(&mut length, end)?;
        let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length <= ANSWER_BYTES_MAX);
        let length = length.ok_or("what came is no frame of Kafka, or too long")?;
        // What is only claimed reserves no memory.
        let mut frame = Vec::new();
        while frame.len() < length {
            let from = frame.len();
            frame.resize(length.min(from + (1 << 20)), 0);
            self.fill(frame.get_mut(from..).unwrap_or_default(), end)?;
        }
        Ok(frame.into())
    }

    fn fill(&mut self, mut bytes: &mut [u8], end: Instant) -> Result<(), String> {
        while !bytes.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("no answer in time".to_owned());
            }
            self.stream.wait_for(left).map_err(|error| told(&error))?;
            match self.stream.read(bytes) {
                Ok(0) => return Err("the connection was closed".to_owned()),
                Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(told(&error)),
            }
        }
        Ok(())
    }
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "the connection was closed".to_owned(),
        _ => error.to_string(),
    }
}
