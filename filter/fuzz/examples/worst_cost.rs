//! What the worst input that we know of costs each parser, by its byte: a table. To be run with `--release`;
//! a stranger's frame has 512 KiB at the most, and some messages less.
#![allow(clippy::indexing_slicing)]

use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::connection::{Connection, Opening};
use kafka_partition_remapper_core::fuzzing::subject_as_java as as_java;
use kafka_partition_remapper_core::limits::*;
use kafka_partition_remapper_core::principal::Rules;
use kafka_partition_remapper_core::sasl::oauthbearer::jwks::{KeySet, KeySource};
use kafka_partition_remapper_core::sasl::oauthbearer::{Checker, Settings, SignatureHash, Verifier};
use kafka_partition_remapper_core::sasl::users::prepare;
use kafka_partition_remapper_core::wire::frame;
use kafka_partition_remapper_core::wire::shape;
use kafka_partition_remapper_core::{fuzzing, Shared};
use kafka_partition_remapper_fuzz::mutate::varint;
use kafka_partition_remapper_fuzz::mutate::Random;
use kafka_partition_remapper_fuzz::targets::mapping_rules::{self, RULES};
use kafka_partition_remapper_fuzz::targets::oauth_token::{KEYS, NOW};
use kafka_protocol::messages::{ApiVersionsRequest, SaslAuthenticateRequest};

struct Yes;

impl Verifier for Yes {
    fn verify(&self, _: &[u8], _: SignatureHash, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// Prints the least of some runs: everything else is somebody else's work.
fn row<T>(what: &str, input: &[u8], mut step: impl FnMut(&[u8]) -> T) {
    let mut best = Duration::MAX;
    let started = Instant::now();
    for runs in 0.. {
        let from = Instant::now();
        black_box(step(black_box(input)));
        best = best.min(from.elapsed());
        if runs >= 2 && started.elapsed() > Duration::from_millis(300) {
            break;
        }
    }
    let ns = best.as_nanos() as f64;
    println!("{what:<58} {:>8} {:>12.1} {:>9.1}", input.len(), ns / 1000.0, ns / input.len() as f64);
}

fn repeated(prefix: &[u8], unit: &[u8], bytes: usize, suffix: &[u8]) -> Vec<u8> {
    let count = bytes.saturating_sub(prefix.len() + suffix.len()) / unit.len();
    [prefix, &unit.repeat(count), suffix].concat()
}

const FRAME: usize = UNAUTHENTICATED_FRAME_BYTES_MAX;

fn wire() {
    let tags = |count: usize| [&varint(count)[..], &[0; 2].repeat(count)].concat();
    let header = [&[0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff][..], &tags(FRAME / 2 - 10)].concat();
    row("request header: tags of two bytes", &header, |bytes| {
        fuzzing::take_request_header(18, 3, &mut Bytes::copy_from_slice(bytes)).is_ok()
    });
    let frames = [0, 0, 0, 0].repeat(FRAME / 4);
    row("frames of no bytes, in one piece", &frames, |bytes| cut(bytes, bytes.len()));
    row("frames of no bytes, byte by byte", &frames, |bytes| cut(bytes, 1));
    let one = repeated(&(FRAME as i32 - 4).to_be_bytes(), b"x", FRAME, b"");
    row("one frame, byte by byte", &one, |bytes| cut(bytes, 1));
    // Distinct tags: each is an entry of a map, and there may be so many of them.
    let distinct: Vec<u8> = (0..120_000).flat_map(|tag| [&varint(tag)[..], &[0]].concat()).collect();
    let body = [&b"\x02a\x02b"[..], &varint(120_000), &distinct].concat();
    row("ApiVersions 3: distinct tags", &body, |bytes| {
        let bytes = Bytes::copy_from_slice(bytes);
        shape::decode_request::<ApiVersionsRequest>(&bytes, 3).is_ok()
    });
    let body = [&varint(6)[..], b"token", &varint(120_000), &distinct].concat();
    row("SaslAuthenticate 2: distinct tags", &body, |bytes| {
        let bytes = Bytes::copy_from_slice(bytes);
        shape::decode_request::<SaslAuthenticateRequest>(&bytes, 2).is_ok()
    });
    for (what, unit) in [("lone bytes", &b"\xff"[..]), ("surrogates", b"\xed\xa0\x80"), ("cut letters", b"\xe2\x82")] {
        let bad = repeated(b"", unit, 32_767, b"");
        row(&format!("text that is not UTF-8: {what}"), &bad, |bytes| fuzzing::text_as_java(bytes).len());
    }
}

fn cut(bytes: &[u8], piece: usize) -> usize {
    let mut frames = frame::Input::new(FRAME);
    let mut count = 0;
    for piece in bytes.chunks(piece) {
        frames.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(length)) = frames.frame_len() {
            match frames.take(length) {
                Some(_) => count += 1,
                None => break,
            }
        }
    }
    count
}

fn sasl() {
    for (what, unit) in
        [("ASCII", "a"), ("long decompositions", "\u{fdfa}"), ("marks out of order", "\u{0301}\u{0316}")]
    {
        let name = repeated(b"", unit.as_bytes(), USER_NAME_BYTES_MAX, b"");
        row(&format!("SASLprep: {what}"), &name, |bytes| prepare(std::str::from_utf8(bytes).unwrap_or("")));
    }
    let long = repeated(b"", "\u{0301}\u{0316}".as_bytes(), FRAME, b"");
    row("SASLprep: a name of a whole frame", &long, |bytes| prepare(std::str::from_utf8(bytes).unwrap_or("")));
    row("PLAIN: separators", &repeated(b"", b"\0", FRAME, b""), |bytes| fuzzing::plain_token(bytes).is_some());
    let name = "\u{0301}\u{0316}".repeat(USER_NAME_BYTES_MAX / 4);
    let token = format!("{name}\0{name}\0{}", "p".repeat(PASSWORD_BYTES_MAX));
    row("PLAIN: the longest", token.as_bytes(), |bytes| fuzzing::plain_token(bytes).is_some());
    let first = repeated(b"n,,n=a,r=b", b",x=y", SCRAM_TOKEN_BYTES_MAX, b"");
    row("SCRAM client-first: extensions", &first, |bytes| fuzzing::scram_client_first(bytes).is_some());
    let first = repeated(b"n,,n=", b"=2C", SCRAM_TOKEN_BYTES_MAX, b",r=b");
    row("SCRAM client-first: escapes", &first, |bytes| fuzzing::scram_client_first(bytes).is_some());
    let last = repeated(b"c=biws,r=b,p=", b"AAAA", SCRAM_TOKEN_BYTES_MAX, b"");
    row("SCRAM client-final: a long proof", &last, |bytes| fuzzing::scram_client_final(bytes).is_some());
    let whole = repeated(b"n,,n=a,r=b", b",x=y", FRAME, b"");
    row("SCRAM client-first: a whole frame", &whole, |bytes| fuzzing::scram_client_first(bytes).is_some());
    let pairs = repeated(b"n,,\x01auth=Bearer a", b"\x01k=", OAUTH_MESSAGE_BYTES_MAX, b"\x01\x01");
    row("OAUTHBEARER: pairs", &pairs, |bytes| fuzzing::oauth_message(bytes).is_some());
}

fn tokens() {
    let keys = |json: &str| KeySource::Fixed(KeySet::parse(json).unwrap_or_default());
    let settings = Settings {
        keys: keys(KEYS),
        issuer: None,
        audience: None,
        required_scopes: vec!["x".to_owned()],
        clock_skew_s: 60,
        principal_claim: "sub".to_owned(),
    };
    let checker = Checker::new(settings);
    for (what, prefix, unit, suffix) in [
        ("numbers", r#"{"a":["#, "1,", "1]}"),
        ("members", "{", r#""":1,"#, r#""a":1}"#),
        ("long exponents", r#"{"a":["#, "1e99999999,", "1]}"),
        ("many digits", r#"{"a":"#, "1234567890", "}"),
        ("escapes", r#"{"a":""#, r"\ud83d\ude00", r#""}"#),
        ("arrays in arrays", "{\"a\":", "[", ""),
        ("empty arrays", r#"{"a":["#, "[],", "1]}"),
        ("scopes", r#"{"scope":""#, "a ", r#"","exp":1e11,"sub":"a"}"#),
    ] {
        let json = repeated(prefix.as_bytes(), unit.as_bytes(), OAUTH_TOKEN_BYTES_MAX * 3 / 4 - 200, suffix.as_bytes());
        let header = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIiwidHlwIjoiSldUIn0";
        let signature = "Pz8_".repeat(21) + "Pw";
        let token = format!("n,,\u{1}auth=Bearer {header}.{}.{signature}\u{1}\u{1}", base64url(&json));
        row(&format!("JWT, claims: {what}"), token.as_bytes(), |b| fuzzing::oauth_step(&checker, &Yes, b, NOW));
        let token = format!("n,,\u{1}auth=Bearer {}.e30.{signature}\u{1}\u{1}", base64url(&json));
        row(&format!("JWT, header: {what}"), token.as_bytes(), |b| fuzzing::oauth_step(&checker, &Yes, b, NOW));
    }
    for (what, unit) in [
        ("keys of no kind", "{},"),
        ("numbers", r#"{"a":1},"#),
        ("keys", KEYS.get(9..KEYS.len() - 2).unwrap_or_default()),
    ] {
        let unit = if what == "keys" { format!("{unit},") } else { unit.to_owned() };
        let set = repeated(br#"{"keys":["#, unit.as_bytes(), JWKS_BYTES_MAX - 2, b"{}]}");
        row(&format!("JWK Set: {what}"), &set, |bytes| KeySet::parse_tolerant(bytes).is_ok());
    }
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets = |chunk: &[u8]| {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        let letters = (0..=chunk.len()).map(|place| char::from(alphabet[bits >> (18 - 6 * place) & 63]));
        letters.collect::<String>()
    };
    bytes.chunks(3).map(sextets).collect()
}

fn certificates() {
    for (what, unit) in [("backslashes", r"\\"), ("attributes", "+"), ("names", ","), ("escapes", r"\C3\B6")] {
        let subject = repeated(b"CN=", unit.as_bytes(), 64 << 10, b"");
        row(&format!("subject: {what}"), &subject, |bytes| as_java(std::str::from_utf8(bytes).unwrap_or("")).len());
    }
    // Without a pattern, so that an automaton finds no state that it has seen.
    let mut random = Random::new(7);
    let noise: Vec<u8> = (0..PRINCIPAL_BYTES_MAX).map(|_| if random.below(2) == 0 { b'a' } else { b'b' }).collect();
    let units = ["a", "x", "CN=", "a=", "CN=a,OU=b,", "a,", "=", " ", "\u{f6}", "a x=", ",OU=ServiceUsers"];
    let mut subjects: Vec<Vec<u8>> =
        units.iter().map(|unit| repeated(b"CN=", unit.as_bytes(), PRINCIPAL_BYTES_MAX, b"")).collect();
    subjects.push(noise);
    for (index, list) in RULES.iter().enumerate() {
        let rules: Rules = mapping_rules::rules(index);
        let map = |subject: &[u8]| rules.principal(std::str::from_utf8(subject).unwrap_or("")).into_iter().next();
        let time = |subject: &Vec<u8>| {
            let run = |_| {
                let from = Instant::now();
                black_box(map(subject));
                from.elapsed()
            };
            (0..5).map(run).min()
        };
        let Some(worst) = subjects.iter().max_by_key(|subject| time(subject)) else { continue };
        let first = list.first().copied().unwrap_or_default();
        row(&format!("mapping: {}", first.chars().take(40).collect::<String>()), worst, map);
    }
}

fn connections() {
    let json = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}]}}"#;
    let Ok(config) = Config::parse(json, &|_| None) else { return };
    let shared = Rc::new(Shared::new(config, [7; 32], [7; 32], Box::new(Yes), Box::new(|| 0)));
    let hello = [&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff][..]].concat();
    let answer = [&[0, 0, 0, 10, 0, 0, 0, 1, 0, 0][..], &[0; 4]].concat();
    let play = |bytes: &[u8], piece: usize, answered: bool| {
        let mut connection = Connection::new(Rc::clone(&shared), Opening::default());
        for piece in bytes.chunks(piece) {
            connection.handle_client_bytes(Bytes::copy_from_slice(piece), 0);
            if answered {
                connection.handle_broker_bytes(Bytes::copy_from_slice(&answer), 0);
            }
            while connection.poll_action().is_some() {}
        }
    };
    let hellos = hello.repeat(FRAME / hello.len());
    row("connection: ApiVersions, each answered", &hellos, |bytes| play(bytes, hello.len(), true));
    let long = repeated(&(FRAME as i32 - 4).to_be_bytes(), &[0, 18], FRAME, b"");
    row("connection: one frame, byte by byte", &long, |bytes| play(bytes, 1, false));
    let short = repeated(&500i32.to_be_bytes(), &[0, 18], 500, b"");
    row("connection: 500 bytes, byte by byte", &short, |bytes| play(bytes, 1, false));
}

fn main() {
    println!("{:<58} {:>8} {:>12} {:>9}", "", "bytes", "us", "ns/byte");
    wire();
    sasl();
    tokens();
    certificates();
    connections();
}
