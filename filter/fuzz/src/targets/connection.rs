//! Whole connections, as a sequence of operations: what a client and a broker send in pieces, time,
//! half-closed streams, connections that go and come, memory that runs short, and configurations that follow
//! each other; and what must hold after each.

mod broker;
mod due;
mod held;
mod requests;
mod script;
mod upward;
mod world;

use std::rc::Rc;

use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::Shared;

use self::broker::Asked;
use self::held::Held;
use self::world::World;
use super::oauth_token::{Exactly, KEYS};
use crate::input::Input;

/// A configuration, and what follows of it.
struct Case {
    json: &'static str,
    /// Clients have to prove who they are by SASL.
    asks: bool,
    /// The filter logs in at the broker.
    logs_in: bool,
}

const SASL: &str = r#""sasl": {
    "mechanisms": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
    "users": [{"username": "alice", "password": "alices-secret"}, {"username": "Jörg", "password": "joergs-secret"}],
    "oauthbearer": {"jwks": {"inline": KEYS}, "issuer": "https://idp.example.com", "audience": "kafka",
        "required_scopes": ["read"]},
    "max_session_s": 60
}"#;
const MAPPED: &str = r#"
    "mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]},
    "advertise": {"table": {"1": "one.example:9101", "2": "two.example:9102"}}"#;
const UPSTREAM: &str =
    r#""upstream": {"sasl": {"mechanism": "MECHANISM", "username": "gateway", "password": "gateways-secret"}}"#;
const PRINCIPAL: &str = r#""principal": {"mapping_rules": ["RULE:^CN=([^,]+),O=x$/$1/L", "RULE:^CN=ann$/ann/"]}"#;

static CASES: [Case; 8] = [
    Case { json: "{MAPPED, SASL}", asks: true, logs_in: false },
    Case { json: "{SASL}", asks: true, logs_in: false },
    Case { json: "{MAPPED, SASL, PLAIN}", asks: true, logs_in: true },
    Case { json: "{MAPPED, SASL, SCRAM-SHA-512}", asks: true, logs_in: true },
    Case { json: "{MAPPED, PRINCIPAL}", asks: false, logs_in: false },
    Case { json: "{MAPPED, PRINCIPAL, PLAIN}", asks: false, logs_in: true },
    Case { json: "{MAPPED}", asks: false, logs_in: false },
    Case { json: "{}", asks: false, logs_in: false },
];

impl Case {
    fn config(&self) -> Config {
        let upstream = |mechanism| UPSTREAM.replace("MECHANISM", mechanism);
        let json = self.json.replace("MAPPED", MAPPED).replace("PRINCIPAL", PRINCIPAL);
        let json = json.replace("SCRAM-SHA-512}", &format!("{}}}", upstream("SCRAM-SHA-512")));
        let json = json.replace("PLAIN}", &format!("{}}}", upstream("PLAIN")));
        let json = json.replace("SASL", &SASL.replace("KEYS", KEYS));
        Config::parse(&json, &|_| None).unwrap_or_else(|error| panic!("{error} in {json}"))
    }

    fn shared(&self, index: usize, live: Box<dyn Fn() -> usize>) -> Rc<Shared> {
        thread_local!(static CONFIGS: Vec<Config> = CASES.iter().map(Case::config).collect());
        let config = CONFIGS.with(|configs| configs[index].clone());
        Rc::new(Shared::new(config, [7; 32], [7; 32], Box::new(Exactly), live))
    }
}

/// Milliseconds that may pass at a time.
const STEPS_MS: [u64; 6] = [0, 1, 250, 1_000, 60_000, 3_600_000];

pub fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let case = input.below(CASES.len());
    let mut world = World::new(case, input.byte());
    while !input.is_empty() {
        step(&mut world, &mut input);
        world.check();
    }
    world.end();
}

/// One operation. The first ones are for a connection, and need one; the last ones are for the process.
fn step(world: &mut World, input: &mut Input<'_>) {
    let operation = input.below(24);
    match (operation, world.connection()) {
        (13, _) => world.pass_time(*input.one_of(&STEPS_MS)),
        (20, _) => world.configure(input.below(CASES.len())),
        (21, _) => world.open(input.byte()),
        (22, _) => world.switch(),
        (23, _) => world.fill(input.byte() & 1 == 1),
        (_, None) => {}
        (19, _) => world.gone(),
        (0..8, Some(held)) => client(operation, held, input),
        (8..13 | 18, Some(held)) => broker(operation, held, input),
        (14, Some(held)) => held.resume(),
        (15, Some(held)) => held.client_ends(&script::request(input)),
        (_, Some(held)) => {
            for _ in 0..1 + input.below(3) {
                let frame = requests::work(input);
                held.request(&frame, usize::from(input.byte()));
            }
        }
    }
}

fn client(operation: usize, held: &mut Held, input: &mut Input<'_>) {
    match operation {
        0 => held.client(input.some()),
        1..=3 => {
            let frame = script::request(input);
            held.request(&frame, usize::from(input.byte()));
        }
        4 => {
            let token = script::token(input);
            let frame = script::authenticate(input.byte(), &token);
            held.request(&frame, frame.len());
        }
        5 => {
            let frame = script::framed(&script::token(input));
            held.client(&frame);
        }
        6 => {
            let mechanism = input.byte();
            held.prove_by_scram(mechanism, input.byte());
        }
        // A length without all that it announces.
        _ => held.client(input.take(4)),
    }
}

fn broker(operation: usize, held: &mut Held, input: &mut Input<'_>) {
    match operation {
        8..=10 => held.broker_answers_well(1 + input.below(4)),
        11 => {
            let body = input.some();
            held.broker_answers(1, body.len() + 8, |asked| asked.with(body));
        }
        12 => held.garble(input.some()),
        // Well-formed answers but for some bytes, in pieces.
        _ => {
            let (requests, piece) = (1 + input.below(4), usize::from(input.byte()));
            held.broker_answers(requests, piece, |asked| mutated(asked, input));
        }
    }
}

/// An answer in which something is changed behind its length and its correlation id; the length fits.
fn mutated(asked: &Asked, input: &mut Input<'_>) -> Vec<u8> {
    let mut body = asked.answer().split_off(8);
    let at = input.below(body.len() + 1).min(body.len());
    match input.below(4) {
        0 if at < body.len() => body[at] ^= 1 << input.below(8),
        1 => body.truncate(at),
        2 => drop(body.splice(at..at, input.some().iter().copied())),
        _ => {}
    }
    asked.with(&body)
}
