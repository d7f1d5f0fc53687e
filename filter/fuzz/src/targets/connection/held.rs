//! One connection between a client and a broker, fed as the shell feeds it, and held to what must be true of
//! it.

mod truths;

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use kafka_partition_remapper_core::connection::retirement::Retirement;
use kafka_partition_remapper_core::connection::{Connection, Opening};
use kafka_partition_remapper_core::limits::WINDOW_BYTES;
use kafka_partition_remapper_core::principal::Peer;
use kafka_partition_remapper_core::sasl::client::{BrokerAccount, Client, ClientStep, SaltedCache};
use kafka_partition_remapper_core::sasl::secret::Secret;
use kafka_partition_remapper_core::sasl::Mechanism;
use kafka_partition_remapper_core::Shared;

use super::broker::Asked;
use super::due::Due;
use super::script;
use super::Case;
use crate::second::{self, Wire};

/// Users, and what only they and the configuration know.
const SECRETS: [(&str, &str); 2] = [("alice", "alices-secret"), ("J\u{f6}rg", "joergs-secret")];

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
    /// Topics are mapped, `t` among them.
    maps: bool,
    subject: (Option<&'static str>, Option<&'static str>),
    retirement: Rc<Retirement>,
    /// What may pass untouched is not handed in, as in Envoy.
    passing: bool,
    /// Carriers that have to be late are late; else the time passes for them.
    delaying: bool,
    clock: Rc<Cell<u64>>,
    opened: u64,
    from_client: Vec<u8>,
    /// Client bytes that are left in Envoy's buffer.
    left: Vec<u8>,
    from_broker: Vec<u8>,
    /// What goes to the broker later, and when.
    late: Vec<(u64, Bytes)>,
    /// The client has ended its stream, and it has been read.
    has_ended: bool,
    due: Due,
    /// The correlation id that a client's request got last.
    id: i32,
    /// The broker has sent what is no frame: from then on nothing need be answered.
    is_garbled: bool,
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
    /// The worker closes it, since its configuration is outdated.
    is_retired: bool,
    is_retiring: bool,
    /// The last correlation id before that. None: also other bytes came from the client than
    /// [`Self::request`] sends.
    last_id: Option<i32>,
    sends_anything: bool,
    /// The client or the broker has gone, and nobody cares any more what is held.
    is_gone: bool,
    /// The broker has said nothing but what it should.
    is_answered_well: bool,
    /// What the filter has learned of the broker's versions, for the connections that come next.
    versions: Option<Bytes>,
    closed: bool,
}

impl Held {
    pub(super) fn new(
        shared: Rc<Shared>,
        case: &Case,
        choice: u8,
        clock: &Rc<Cell<u64>>,
        versions: Option<Bytes>,
    ) -> Self {
        let subject = SUBJECTS[usize::from(choice >> 1) % SUBJECTS.len()];
        let peer = subject.0.map_or(Peer::Anonymous, |name| Peer::Certified(name.to_owned()));
        let retirement = Rc::<Retirement>::default();
        let versions = versions.filter(|_| case.asks && case.logs_in);
        let opening = Opening {
            peer,
            entropy: [choice; 32],
            versions,
            retirement: Rc::clone(&retirement),
            bootstrapped: None,
            number: 0,
            broker_label: Default::default(),
        };
        Self {
            connection: Connection::new(Rc::clone(&shared), opening),
            shared,
            asks: case.asks,
            logs_in: case.logs_in,
            maps: case.json.contains("MAPPED"),
            subject,
            retirement,
            passing: choice & 1 == 1,
            delaying: choice & 0x80 != 0,
            clock: Rc::clone(clock),
            opened: clock.get(),
            from_client: vec![],
            left: vec![],
            from_broker: vec![],
            late: vec![],
            has_ended: false,
            due: Due::default(),
            id: 0,
            is_garbled: false,
            asked: vec![],
            up: vec![],
            up_bytes: 0,
            down: vec![],
            down_bytes: 0,
            told: Bytes::new(),
            proven: None,
            honest: None,
            is_retired: false,
            is_retiring: false,
            last_id: None,
            sends_anything: false,
            is_gone: false,
            is_answered_well: true,
            versions: None,
            closed: false,
        }
    }

    pub(super) fn versions(&self) -> Option<Bytes> {
        self.versions.clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn now(&self) -> u64 {
        self.clock.get()
    }

    /// The client sends these bytes, which may be anything.
    pub(super) fn client(&mut self, bytes: &[u8]) {
        self.sends_anything = true;
        self.client_sends(bytes);
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        if self.closed || self.has_ended {
            return;
        }
        self.from_client.extend_from_slice(bytes);
        self.due.sent(bytes);
        self.left.extend_from_slice(bytes);
        self.read_client();
    }

    /// The client sends a request, under a correlation id of its own, in pieces of so many bytes and one.
    pub(super) fn request(&mut self, frame: &[u8], piece: usize) {
        let mut frame = frame.to_vec();
        if let Some(id) = frame.get_mut(8..12) {
            self.id += 1;
            id.copy_from_slice(&self.id.to_be_bytes());
        }
        frame.chunks(1 + piece).for_each(|piece| self.client_sends(piece));
    }

    /// Hands in what the connection wants, as the shell does.
    fn read_client(&mut self) {
        if self.closed || (self.passing && !self.connection.wants_client_bytes()) {
            return;
        }
        let mut bytes = std::mem::take(&mut self.left);
        if self.passing {
            let window = |bytes: &[u8]| Bytes::copy_from_slice(&bytes[..bytes.len().min(WINDOW_BYTES)]);
            let passed = pass(bytes.len(), |at| {
                let streaming = self.connection.is_client_streaming();
                let window = if streaming { Bytes::new() } else { window(&bytes[at..]) };
                self.connection.client_passes(&window, bytes.len() - at, self.now())
            });
            if passed == 0 && !self.connection.has_room_for(&window(&bytes)) {
                self.left = bytes;
                return;
            }
            let passed: Vec<u8> = bytes.drain(..passed).collect();
            self.reaches_broker(&passed);
        }
        if !bytes.is_empty() {
            self.connection.handle_client_bytes(bytes.into(), self.now());
        }
        self.drain();
    }

    /// Behind what goes to the broker Envoy hands on whatever lies in its buffer, so that all of it has to be
    /// taken.
    fn take_left(&mut self, has_written: bool) {
        if self.passing && has_written && !self.closed && !self.left.is_empty() {
            let bytes = std::mem::take(&mut self.left);
            self.connection.handle_client_bytes(bytes.into(), self.now());
            self.drain();
        }
        self.read_client();
    }

    /// The broker sends these bytes, which may be anything.
    pub(super) fn garble(&mut self, bytes: &[u8]) {
        (self.is_garbled, self.is_answered_well) = (true, false);
        self.broker(bytes);
    }

    fn broker(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.from_broker.extend_from_slice(bytes);
        let up_before = self.up_bytes;
        let mut bytes = bytes.to_vec();
        if self.passing {
            let passed = pass(bytes.len(), |at| {
                let streaming = self.connection.is_broker_streaming();
                let end = if streaming { at } else { bytes.len().min(at + WINDOW_BYTES) };
                self.connection.broker_passes(&bytes[at..end], bytes.len() - at, self.now())
            });
            let passed: Vec<u8> = bytes.drain(..passed).collect();
            self.reaches_client(&passed);
        }
        if !bytes.is_empty() {
            self.connection.handle_broker_bytes(bytes.into(), self.now());
        }
        self.drain();
        self.take_left(self.up_bytes > up_before);
    }

    /// The broker answers so many requests, in pieces of so many bytes and one; `change` is what becomes of
    /// each answer.
    pub(super) fn broker_answers(&mut self, requests: usize, piece: usize, mut change: impl FnMut(&Asked) -> Vec<u8>) {
        for _ in 0..requests.min(self.asked.len()) {
            if self.asked.is_empty() {
                return;
            }
            let request = self.asked.remove(0);
            let Some(asked) = Asked::parse(&request).filter(|asked| asked.is_answered) else { continue };
            let answer = change(&asked);
            self.is_answered_well &= asked.answer_well().as_ref() == Some(&answer);
            let (frames, is_broken) = second::frames(&answer, i32::MAX as usize);
            let whole: usize = frames.iter().map(|frame| frame.len()).sum();
            self.is_garbled |= is_broken || whole != answer.len() || frames.len() != 1;
            answer.chunks(1 + piece).for_each(|piece| self.broker(piece));
        }
    }

    /// The broker answers so many requests as it should.
    pub(super) fn broker_answers_well(&mut self, requests: usize) {
        self.broker_answers(requests, usize::MAX - 1, Asked::answer);
    }

    /// What is due by now happens, as by the worker's timer.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = late;
        let due: Vec<(u64, Bytes)> = due;
        for (_, bytes) in due {
            if !self.closed {
                self.reaches_broker(&bytes);
                self.take_left(true);
            }
        }
        if !self.closed
            && !self.connection.is_proven()
            && now >= self.opened + self.shared.config.limits.authentication_ms
        {
            // A broker that has let so much time pass is blamed.
            self.is_answered_well &= self.asked.is_empty();
            self.connection.expire(now);
            self.drain();
            assert!(self.closed, "nobody's connection goes on");
        }
        if !self.closed && self.retirement.is_done(now) {
            self.is_retired = true;
        }
    }

    /// Ends the connection at a quiet moment, as one of a former configuration.
    pub(super) fn retire(&mut self) {
        self.retirement.ask();
        if !self.is_retiring {
            self.is_retiring = true;
            self.last_id = Some(self.id).filter(|_| !self.sends_anything);
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Takes up what waits for room or for a verdict, as the worker's timer does for who waits.
    pub(super) fn resume_if_waiting(&mut self) {
        let held = &self.connection;
        let waits = held.waits_for_room() || held.waits_for_verdict();
        if waits || (!self.left.is_empty() && held.wants_client_bytes()) {
            self.resume();
        }
    }

    pub(super) fn resume(&mut self) {
        while !self.closed && self.connection.waits_for_verdict() && self.shared.has_work() {
            self.shared.work();
        }
        if !self.closed {
            let up_before = self.up_bytes;
            self.connection.resume(self.now());
            self.drain();
            self.take_left(self.up_bytes > up_before);
        }
    }

    /// The client ends its stream with these bytes.
    pub(super) fn client_ends(&mut self, last: &[u8]) {
        if !self.has_ended {
            self.connection.handle_client_end();
            self.request(last, usize::MAX - 1);
            self.has_ended = true;
        }
    }

    /// A client that knows `alice`'s password logs in, or one that thinks it does.
    pub(super) fn prove_by_scram(&mut self, mechanism: u8, password: u8) {
        thread_local!(static SALTED: SaltedCache = SaltedCache::new([7; 32]));
        let mechanism = [Mechanism::ScramSha256, Mechanism::ScramSha512][usize::from(mechanism) % 2];
        let right = password & 3 != 0;
        let password = if right { SECRETS[0].1 } else { "a guess" };
        let login = BrokerAccount { username: SECRETS[0].0.to_owned(), password: Secret::new(password.to_owned()) };
        let mut client = Client::new(mechanism, &login, "honest".to_owned()).expect("SCRAM");
        self.request(&script::handshake(1, mechanism.name()), 999);
        self.broker_answers_well(4);
        self.request(&script::authenticate(1, &client.first()), 999);
        self.resume();
        self.broker_answers_well(4);
        let challenge = auth_bytes(&self.told).unwrap_or_default();
        let reply = SALTED.with(|salted| client.step(salted, &challenge));
        let Ok(ClientStep::Send(last)) = reply else { return };
        self.honest = right.then_some(SECRETS[0].0);
        self.request(&script::authenticate(1, &last), 999);
        self.resume();
        self.broker_answers_well(4);
        if self.proven.is_none() {
            return;
        }
        let signature = auth_bytes(&self.told).unwrap_or_default();
        let reply = SALTED.with(|salted| client.step(salted, &signature));
        assert!(!self.closed && !self.logs_in || right || reply.is_err(), "who does not know the password is told");
    }
}

/// How many of the `len` bytes go on untouched: `passes` is asked again behind each that does.
fn pass(len: usize, mut passes: impl FnMut(usize) -> usize) -> usize {
    let mut passed = 0;
    while passed < len {
        match passes(passed) {
            0 => break,
            n => passed += n,
        }
    }
    assert!(passed <= len, "more passes than there is");
    passed
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
