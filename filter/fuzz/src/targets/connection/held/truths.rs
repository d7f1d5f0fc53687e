//! What must be true of a connection: of all that comes out of it, after every step, and in the end.

use bytes::Bytes;
use kafka_partition_remapper_core::connection::Action;
use kafka_partition_remapper_core::error::Blame;
use kafka_partition_remapper_core::fuzzing;
use kafka_partition_remapper_core::limits::STRANGER_REQUESTS_MAX;
use kafka_partition_remapper_core::stats::Stat;
use kafka_protocol::messages::ApiKey;

use super::{Held, SECRETS};
use crate::second::{self, Wire};
use crate::targets::connection::upward;
use crate::targets::oauth_token::TOKEN;

/// What the filter calls itself to brokers.
const FILTER: &[u8] = b"kafka-partition-remapper";
const GATEWAYS_SECRET: &str = "gateways-secret";

/// Tenths of a second by which everything has an end: no client here waits for half of that, and each request
/// may take some rounds.
const SETTLING_STEPS: usize = 100;
const SETTLING_STEPS_PER_REQUEST: usize = 20;

impl Held {
    /// A broker and a client that wait long enough: then every request has its answer, and nothing is left.
    pub(in super::super) fn settle(&mut self) {
        for _ in 0..SETTLING_STEPS + SETTLING_STEPS_PER_REQUEST * self.due.len() {
            self.broker_answers_well(usize::MAX);
            self.clock.set(self.now() + 100);
            self.tick();
            self.resume_if_waiting();
            if self.closed {
                return;
            }
            if self.asked.is_empty() && self.late.is_empty() && self.is_at_rest() {
                break;
            }
        }
        self.check();
        if self.is_garbled || !self.due.is_read() {
            return;
        }
        assert!(self.asked.is_empty() && self.late.is_empty(), "there is no end to what the broker is asked");
        if self.is_retiring {
            assert!(self.is_retired, "a connection that was asked to end is at rest, and goes on");
            return;
        }
        assert_eq!(self.due.len(), 0, "requests without an answer");
        assert!(self.is_at_rest(), "idle: {}, left: {}", self.connection.is_idle(), self.left.len());
        assert!(self.up.is_empty() && self.down.is_empty(), "a part of a frame");
    }

    fn is_at_rest(&self) -> bool {
        let is_idle = self.connection.is_idle() && self.left.is_empty();
        if self.is_retiring {
            self.is_retired
        } else {
            is_idle
        }
    }

    /// What holds after every step.
    pub(in super::super) fn check(&self) {
        if self.closed {
            return;
        }
        assert!(self.up.is_empty() || self.connection.is_client_streaming(), "a part of a frame went to the broker");
        assert!(self.down.is_empty() || self.connection.is_broker_streaming(), "a part of a frame went to the client");
        let given = self.given();
        let kept = self.connection.held_bytes();
        assert!(kept <= 32 * given, "{kept} bytes held for {given}");
    }

    /// Bytes that came in.
    pub(in super::super) fn given(&self) -> usize {
        self.from_client.len() + self.from_broker.len()
    }

    /// The connection is gone, for whatever reason: what it had begun is counted, and nothing else comes.
    pub(in super::super) fn gone(&mut self) {
        self.connection.handle_gone();
        while let Some(action) = self.connection.poll_action() {
            assert!(matches!(action, Action::Count(..) | Action::WarnOfStranger(_)), "{action:?} of one that is gone");
        }
        (self.closed, self.is_gone) = (true, true);
        self.end();
    }

    /// Nothing comes after the end, whoever still speaks.
    pub(in super::super) fn end(&mut self) {
        let now = self.now();
        if !self.closed {
            self.connection.evict();
            self.drain();
            assert!(self.closed);
        }
        assert!(!self.connection.wants_client_bytes());
        self.connection.handle_client_bytes(Bytes::from_static(b"\0\0\0\x0c\0\x12\0\0\0\0\0\x01\xff\xff\0\0"), now);
        self.connection.handle_broker_bytes(Bytes::from_static(b"\0\0\0\x04\0\0\0\x01"), now);
        self.connection.resume(now + 3_600_000);
        self.connection.expire(now + 3_600_000);
        self.connection.evict();
        assert_eq!(self.connection.client_passes(b"\0\0\0\x04", 4, now), 0);
        assert_eq!(self.connection.broker_passes(b"\0\0\0\x04\0\0\0\x01", 8, now), 0);
        assert!(self.is_gone || self.connection.held_bytes() == 0, "what is closed holds nothing");
        self.connection.handle_gone();
        // What passes is counted first, and what was begun is told of.
        let said = std::iter::from_fn(|| self.connection.poll_action());
        let is_allowed = |action| matches!(action, Action::Count(..) | Action::WarnOfStranger(_));
        assert!(said.into_iter().all(is_allowed), "an action after Close");
    }

    pub(super) fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.connection.poll_action() {
            actions += 1;
            assert!(!self.closed, "an action after Close: {action:?}");
            match action {
                Action::ToBroker(rope) => self.reaches_broker(&rope.into_bytes()),
                Action::ToBrokerLater { bytes, delay_ms, .. } if self.delaying => {
                    self.late.push((self.now() + delay_ms, bytes.into_bytes()));
                }
                Action::ToBrokerLater { bytes, delay_ms, .. } => {
                    self.clock.set(self.now() + delay_ms);
                    self.reaches_broker(&bytes.into_bytes());
                }
                Action::VersionsSeen(versions) => self.versions = Some(versions),
                Action::ToClient(rope) => self.reaches_client(&rope.into_bytes()),
                Action::Authenticated { principal, mechanism } => self.authenticated(principal, mechanism),
                Action::Count(Stat::Errors { blame: Blame::Bug }, _) => panic!("a bug of the filter's own"),
                Action::Count(Stat::Errors { blame: Blame::Broker }, _) => {
                    assert!(!self.is_answered_well, "a broker that does all as it should is blamed");
                }
                Action::Warn(line) | Action::WarnOfStranger(line) | Action::Inform(line) => {
                    no_secret(line.as_bytes(), &self.from_broker)
                }
                Action::Close => self.closed = true,
                _ => {}
            }
        }
        let given = self.given();
        assert!(actions <= 8 * given + 16, "{actions} actions for {given} bytes");
    }

    fn authenticated(&mut self, principal: String, mechanism: &str) {
        assert!(self.proven.is_none(), "a second principal: {principal}");
        let sent = |text: &str| self.from_client.windows(text.len()).any(|part| part == text.as_bytes());
        let secret = SECRETS.iter().find(|(name, _)| *name == principal).map(|(_, secret)| format!("\0{secret}"));
        let right = match mechanism {
            "PLAIN" => self.asks && secret.is_some_and(|secret| sent(&secret)),
            "SCRAM-SHA-256" | "SCRAM-SHA-512" => self.asks && self.honest == Some(&principal),
            "OAUTHBEARER" => self.asks && principal == "olga" && sent(TOKEN),
            "TLS" => !self.asks && self.subject.0.is_some() && self.subject.1 == Some(&principal),
            "NONE" => !self.asks && self.subject.0.is_none() && principal == "ANONYMOUS",
            _ => false,
        };
        assert!(right, "{principal} by {mechanism}");
        self.proven = Some(principal);
    }

    pub(super) fn reaches_client(&mut self, bytes: &[u8]) {
        self.down_bytes += bytes.len();
        self.down.extend_from_slice(bytes);
        no_secret(bytes, &self.from_broker);
        let taken = std::mem::take(&mut self.down);
        let (frames, _) = second::frames(&taken, usize::MAX);
        let whole: usize = frames.iter().map(|frame| frame.len()).sum();
        for frame in frames {
            self.told = Bytes::copy_from_slice(&frame[4..]);
            self.due.answered(&frame[4..]);
        }
        self.down = taken[whole..].to_vec();
        // A client's request has 12 bytes at the least, and is answered by a list of APIs at the most.
        let bound = 8 * self.from_broker.len() + 1024 * (1 + self.from_client.len() / 12);
        assert!(self.down_bytes <= bound, "{} bytes to the client, at most {bound}", self.down_bytes);
    }

    pub(super) fn reaches_broker(&mut self, bytes: &[u8]) {
        self.up_bytes += bytes.len();
        self.up.extend_from_slice(bytes);
        // A stranger has no work done; for others the groups of lanes are asked, and rounds follow answers.
        let own = if self.is_stranger() { 1024 } else { 4096 + 64 * self.given() };
        let bound = 8 * self.from_client.len() + self.from_broker.len() + own;
        assert!(self.up_bytes <= bound, "{} bytes to the broker, at most {bound}", self.up_bytes);
        let taken = std::mem::take(&mut self.up);
        let (frames, _) = second::frames(&taken, usize::MAX);
        let whole: usize = frames.iter().map(|frame| frame.len()).sum();
        self.up = taken[whole..].to_vec();
        for frame in frames {
            self.request_at_broker(frame);
            self.asked.push(Bytes::copy_from_slice(&frame[4..]));
        }
        assert!(!self.is_stranger() || self.up.is_empty(), "a stranger's bytes stream to the broker");
    }

    fn is_stranger(&self) -> bool {
        self.asks && self.proven.is_none()
    }

    /// Before its client has proved itself a broker sees carriers and the filter's own ApiVersions.
    fn request_at_broker(&mut self, frame: &[u8]) {
        let (key, version, id) = fuzzing::request_head(&frame[4..]).unwrap_or_default();
        let is_late = !self.sends_anything && self.last_id.is_some_and(|last| id > last);
        assert!(!is_late, "request {id} was taken up after the connection was asked to end");
        if !self.is_stranger() {
            if self.due.has_requests_only() {
                upward::check(&Bytes::copy_from_slice(&frame[4..]), self.maps);
            }
            return;
        }
        assert_eq!(key, ApiKey::ApiVersions as i16, "before proof, version {version}");
        assert!(self.asked.len() <= STRANGER_REQUESTS_MAX);
        let mut wire = Wire(&frame[12..]);
        let client_id = wire.length(2, false).flatten().and_then(|length| wire.take(length));
        // Without content; in a version that nobody knows, the header has its empty tags.
        let is_carrier = wire.0.is_empty() || wire.0 == [0];
        let is_own = is_carrier || wire.0.windows(FILTER.len()).any(|part| part == FILTER);
        assert!(is_own && client_id == Some(FILTER), "{client_id:02x?}, {frame:02x?}");
    }
}

/// Passwords are in nothing that goes to clients or into a log, unless the broker said them.
fn no_secret(bytes: &[u8], from_broker: &[u8]) {
    let secrets = SECRETS.iter().map(|(_, secret)| *secret).chain([GATEWAYS_SECRET, TOKEN]);
    for secret in secrets {
        let shown = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!shown(bytes) || shown(from_broker), "a secret is shown: {}", String::from_utf8_lossy(bytes));
    }
}
