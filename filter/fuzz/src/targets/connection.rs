//! A whole connection: what a client and a broker send in pieces, time, half-closed streams, under one of some
//! configurations; and what must hold whatever they do.

mod held;
mod script;

use std::rc::Rc;

use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::Shared;

use self::held::Held;
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

    fn shared(&self, index: usize) -> Rc<Shared> {
        thread_local!(static CONFIGS: Vec<Config> = CASES.iter().map(Case::config).collect());
        let config = CONFIGS.with(|configs| configs[index].clone());
        Rc::new(Shared::new(config, [7; 32], [7; 32], Box::new(Exactly), Box::new(|| 0)))
    }
}

/// Milliseconds that may pass at a time.
const STEPS_MS: [u64; 6] = [0, 1, 250, 1_000, 60_000, 3_600_000];

pub fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let index = input.below(CASES.len());
    let case = &CASES[index];
    let mut held = Held::new(case.shared(index), case.asks, case.logs_in, input.byte());
    while !input.is_empty() && !held.is_closed() {
        step(&mut held, &mut input);
    }
    held.end();
}

fn step(held: &mut Held, input: &mut Input<'_>) {
    match input.below(16) {
        0 => {
            let bytes = input.some().to_vec();
            held.client(&bytes);
        }
        1..=3 => {
            let frame = script::request(input);
            held.client_in_pieces(&frame, usize::from(input.byte()));
        }
        4 => {
            let token = script::token(input);
            let frame = script::authenticate(input.byte(), &token);
            held.client(&frame);
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
        7 => {
            let length = input.take(4).to_vec();
            held.client(&length);
        }
        8..=10 => held.broker_answers(1 + input.below(4), None),
        11 => {
            let body = input.some().to_vec();
            held.broker_answers(1, Some(&body));
        }
        12 => {
            let bytes = input.some().to_vec();
            held.broker(&bytes);
        }
        13 => held.pass_time(*input.one_of(&STEPS_MS)),
        14 => held.resume(),
        _ => held.client_ends(),
    }
}
