//! One connection, held to what must be true of it after every step.

use std::rc::Rc;

use bytes::Bytes;
use kafka_partition_remapper_core::connection::{Action, Connection, Opening};
use kafka_partition_remapper_core::error::Blame;
use kafka_partition_remapper_core::limits::{STRANGER_REQUESTS_MAX, WINDOW_BYTES};
use kafka_partition_remapper_core::principal::Peer;
use kafka_partition_remapper_core::sasl::client::{BrokerAccount, Client, Reply, SaltedCache};
use kafka_partition_remapper_core::sasl::secret::Secret;
use kafka_partition_remapper_core::sasl::Mechanism;
use kafka_partition_remapper_core::stats::Stat;
use kafka_partition_remapper_core::{fuzzing, Shared};
use kafka_protocol::messages::ApiKey;

use super::script;
use crate::bounds::live;
use crate::second::{self, Wire};
use crate::targets::oauth_token::{NOW, TOKEN};

/// Users, and what only they and the configuration know.
const SECRETS: [(&str, &str); 2] = [("alice", "alices-secret"), ("J\u{f6}rg", "joergs-secret")];
/// What the filter calls itself to brokers.
const FILTER: &[u8] = b"kafka-partition-remapper";
const GATEWAYS_SECRET: &str = "gateways-secret";

/// Subjects of certificates, and the principals that the rules make of them.
const SUBJECTS: [(Option<&str>, Option<&str>); 5] = [
    (None, Some("ANONYMOUS")),
    (Some("CN=Bob,O=x"), Some("bob")),
    (Some("CN=ann"), Some("ann")),
    (Some("CN=eve,O=y"), None),
    // As in Kafka: the rule knows nothing of escapes.
    (Some("CN=Bob\\,O=x"), Some("bob\\")),
];

pub(super) struct Held {
    shared: Rc<Shared>,
    connection: Connection,
    asks: bool,
    logs_in: bool,
    subject: (Option<&'static str>, Option<&'static str>),
    /// What may pass untouched is not handed in, as in Envoy.
    passing: bool,
    now: u64,
    from_client: Vec<u8>,
    /// Client bytes that are left in Envoy's buffer.
    left: Vec<u8>,
    from_broker: Vec<u8>,
    /// Requests that reached the broker and are not answered yet.
    asked: Vec<Bytes>,
    /// Bytes to the broker that are no whole frame yet.
    up: Vec<u8>,
    up_bytes: usize,
    down: Vec<u8>,
    down_bytes: usize,
    /// The last whole answer to the client.
    told: Bytes,
    proven: Option<String>,
    /// An exchange of SCRAM in which the client knew the password of this user.
    honest: Option<&'static str>,
    closed: bool,
    live_before: i64,
}

impl Held {
    pub(super) fn new(shared: Rc<Shared>, asks: bool, logs_in: bool, choice: u8) -> Self {
        let subject = SUBJECTS[usize::from(choice >> 1) % SUBJECTS.len()];
        let peer = subject.0.map_or(Peer::Anonymous, |name| Peer::Certified(name.to_owned()));
        let opening = Opening { peer, entropy: [choice; 32], ..Opening::default() };
        Self {
            live_before: live(),
            connection: Connection::new(Rc::clone(&shared), opening),
            shared,
            asks,
            logs_in,
            subject,
            passing: choice & 1 == 1,
            now: NOW,
            from_client: vec![],
            left: vec![],
            from_broker: vec![],
            asked: vec![],
            up: vec![],
            up_bytes: 0,
            down: vec![],
            down_bytes: 0,
            told: Bytes::new(),
            proven: None,
            honest: None,
            closed: false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn client(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.from_client.extend_from_slice(bytes);
        self.left.extend_from_slice(bytes);
        self.read_client();
    }

    pub(super) fn client_in_pieces(&mut self, bytes: &[u8], piece: usize) {
        bytes.chunks(1 + piece).for_each(|piece| self.client(piece));
    }

    /// Hands in what the connection wants, as the shell does.
    fn read_client(&mut self) {
        if self.closed || (self.passing && !self.connection.wants_client_bytes()) {
            return;
        }
        let mut bytes = std::mem::take(&mut self.left);
        if self.passing {
            let streaming = self.connection.is_client_streaming();
            let window = if streaming { &[] } else { &bytes[..bytes.len().min(WINDOW_BYTES)] };
            let passed = self.connection.client_passes(window, bytes.len(), self.now);
            assert!(passed <= bytes.len());
            let passed: Vec<u8> = bytes.drain(..passed).collect();
            self.reaches_broker(&passed);
        }
        self.connection.handle_client_bytes(bytes.into(), self.now);
        self.drain();
    }

    pub(super) fn broker(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.from_broker.extend_from_slice(bytes);
        let mut bytes = bytes.to_vec();
        if self.passing {
            let streaming = self.connection.is_broker_streaming();
            let window = if streaming { &[] } else { &bytes[..bytes.len().min(WINDOW_BYTES)] };
            let passed = self.connection.broker_passes(window, bytes.len(), self.now);
            assert!(passed <= bytes.len());
            let passed: Vec<u8> = bytes.drain(..passed).collect();
            self.reaches_client(&passed);
        }
        self.connection.handle_broker_bytes(bytes.into(), self.now);
        self.drain();
        self.read_client();
    }

    /// The broker answers so many requests; with `body`, each by that behind the correlation id.
    pub(super) fn broker_answers(&mut self, requests: usize, body: Option<&[u8]>) {
        for _ in 0..requests.min(self.asked.len()) {
            let request = self.asked.remove(0);
            let Some((key, version, id)) = fuzzing::request_head(&request) else { continue };
            let answer = match body {
                Some(body) => script::framed(&[&id.to_be_bytes()[..], body].concat()),
                None => script::answer(key, version, id, Vec::new),
            };
            self.broker(&answer);
        }
    }

    pub(super) fn pass_time(&mut self, ms: u64) {
        self.now += ms;
    }

    pub(super) fn resume(&mut self) {
        while self.shared.has_work() {
            self.shared.work();
        }
        if !self.closed {
            self.connection.resume(self.now);
            self.drain();
            self.read_client();
        }
    }

    pub(super) fn client_ends(&mut self) {
        self.connection.handle_client_end();
    }

    /// A client that knows `alice`'s password logs in, or one that thinks it does.
    pub(super) fn prove_by_scram(&mut self, mechanism: u8, password: u8) {
        thread_local!(static SALTED: SaltedCache = SaltedCache::new([7; 32]));
        let mechanism = [Mechanism::ScramSha256, Mechanism::ScramSha512][usize::from(mechanism) % 2];
        let right = password & 3 != 0;
        let password = if right { SECRETS[0].1 } else { "a guess" };
        let login = BrokerAccount { username: SECRETS[0].0.to_owned(), password: Secret::new(password.to_owned()) };
        let mut client = Client::new(mechanism, &login, "honest".to_owned()).expect("SCRAM");
        self.client(&script::handshake(1, mechanism.name()));
        self.broker_answers(4, None);
        self.client(&script::authenticate(1, &client.first()));
        self.resume();
        self.broker_answers(4, None);
        let challenge = auth_bytes(&self.told).unwrap_or_default();
        let reply = SALTED.with(|salted| client.step(salted, &challenge));
        let Ok(Reply::Send(last)) = reply else { return };
        self.honest = right.then_some(SECRETS[0].0);
        self.client(&script::authenticate(1, &last));
        self.resume();
        self.broker_answers(4, None);
        if self.proven.is_none() {
            return;
        }
        let signature = auth_bytes(&self.told).unwrap_or_default();
        let reply = SALTED.with(|salted| client.step(salted, &signature));
        assert!(!self.closed && !self.logs_in || right || reply.is_err(), "who does not know the password is told");
    }

    /// Nothing comes after the end, whoever still speaks.
    pub(super) fn end(mut self) {
        if self.closed {
            assert!(!self.connection.wants_client_bytes());
            self.connection
                .handle_client_bytes(Bytes::from_static(b"\0\0\0\x0c\0\x12\0\0\0\0\0\x01\xff\xff\0\0"), self.now);
            self.connection.handle_broker_bytes(Bytes::from_static(b"\0\0\0\x04\0\0\0\x01"), self.now);
            self.connection.resume(self.now + 3_600_000);
            self.connection.evict();
            assert_eq!(self.connection.client_passes(b"\0\0\0\x04", 4, self.now), 0);
            // What passes is counted first.
            let said = std::iter::from_fn(|| self.connection.poll_action());
            assert!(said.into_iter().all(|action| matches!(action, Action::Count(..))), "an action after Close");
            assert_eq!(self.connection.held_bytes(), 0);
        } else {
            self.connection.evict();
            self.drain();
            assert!(self.closed);
        }
    }

    fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.connection.poll_action() {
            actions += 1;
            assert!(!self.closed, "an action after Close: {action:?}");
            match action {
                Action::ToBroker(rope) => self.reaches_broker(&rope.into_bytes()),
                Action::ToBrokerLater { bytes, delay_ms, .. } => {
                    self.now += delay_ms;
                    self.reaches_broker(&bytes.into_bytes());
                }
                Action::ToClient(rope) => self.reaches_client(&rope.into_bytes()),
                Action::Authenticated { principal, mechanism } => self.authenticated(principal, mechanism),
                Action::Count(Stat::Errors { blame: Blame::Bug }, _) => panic!("a bug of the filter's own"),
                Action::Warn(line) | Action::WarnOfStranger(line) | Action::Inform(line) => {
                    no_secret(line.as_bytes(), &self.from_broker)
                }
                Action::Close => self.closed = true,
                _ => {}
            }
        }
        let given = self.from_client.len() + self.from_broker.len();
        assert!(actions <= 8 * given + 16, "{actions} actions for {given} bytes");
        let held = usize::try_from(live() - self.live_before).unwrap_or(0);
        assert!(held <= 32 * given + (64 << 10), "{held} bytes alive for {given}");
        let kept = self.connection.held_bytes();
        assert!(kept <= 32 * given, "{kept} bytes held for {given}");
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

    fn reaches_client(&mut self, bytes: &[u8]) {
        self.down_bytes += bytes.len();
        self.down.extend_from_slice(bytes);
        no_secret(bytes, &self.from_broker);
        let whole: usize = second::frames(&self.down, usize::MAX).0.iter().map(|frame| frame.len()).sum();
        if let Some(last) = second::frames(&self.down, usize::MAX).0.last() {
            self.told = Bytes::copy_from_slice(&last[4..]);
        }
        self.down.drain(..whole);
        // A client's request has 12 bytes at the least, and is answered by a list of APIs at the most.
        let bound = 2 * self.from_broker.len() + 1024 * (1 + self.from_client.len() / 12);
        assert!(self.down_bytes <= bound, "{} bytes to the client, at most {bound}", self.down_bytes);
    }

    fn reaches_broker(&mut self, bytes: &[u8]) {
        self.up_bytes += bytes.len();
        self.up.extend_from_slice(bytes);
        let bound = 8 * self.from_client.len() + self.from_broker.len() + 1024;
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
        if !self.is_stranger() {
            return;
        }
        let (key, version, _) = fuzzing::request_head(&frame[4..]).expect("a head");
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

/// The token in an answer to SaslAuthenticate v1, which succeeded.
fn auth_bytes(answer: &[u8]) -> Option<Vec<u8>> {
    let mut wire = Wire(answer);
    wire.number(4)?;
    wire.number(2).filter(|code| *code == 0)?;
    if let Some(message) = wire.length(2, false)? {
        wire.take(message)?;
    }
    let length = wire.length(4, false)??;
    wire.take(length).map(<[u8]>::to_vec)
}

/// Passwords are in nothing that goes to clients or into a log, unless the broker said them.
fn no_secret(bytes: &[u8], from_broker: &[u8]) {
    let secrets = SECRETS.iter().map(|(_, secret)| *secret).chain([GATEWAYS_SECRET, TOKEN]);
    for secret in secrets {
        let shown = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!shown(bytes) || shown(from_broker), "a secret is shown: {}", String::from_utf8_lossy(bytes));
    }
}
