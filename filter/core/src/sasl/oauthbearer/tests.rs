//! Tokens good and bad, through [`Server::step`]. Verifiers are a real one for signatures made here or in
//! RFCs, and fakes.

mod claims;
mod forged;
mod keys;
mod messages;
mod refresh;
mod vectors;

use std::cell::{Cell, RefCell};

use base64::prelude::{Engine as _, BASE64_URL_SAFE_NO_PAD};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::DecodePublicKey as _;
use rsa::Pkcs1v15Sign;
use sha2::{Digest as _, Sha256};

use super::jwks::{Endpoint, KeySet, KeySource};
use super::share::reading_us;
use super::{Checker, Server, Settings, SignatureHash, Verifier};
use crate::limits::{CHECKS_US_MAX, CHECKS_US_PER_MS};
use crate::sasl::Step;
use crate::time::Millis;

/// The time of all tests that do not say another one: 2026 or so.
const NOW_S: u64 = 1_780_000_000;
const NOW: Millis = NOW_S * 1000;

const INVALID: &str = r#"{"status":"invalid_token"}"#;

/// RFC 7515, appendix A.2.1: the public half.
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd\
    2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapH\
    g665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuX\
    poQ";
/// RFC 7515, appendix A.3.1: a key on P-256. The private half signs the tokens of these tests.
const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const EC_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

fn rsa_jwk(more: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"{more}}}"#)
}

fn ec_jwk(more: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}"{more}}}"#)
}

fn set(jwks: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

fn keys(jwks: &[String]) -> KeySet {
    KeySet::parse(&set(jwks)).expect("a good set")
}

/// Settings that ask for everything, with the key `ec`.
fn settings() -> Settings {
    Settings {
        keys: KeySource::Fixed(keys(&[ec_jwk(r#","kid":"ec""#), rsa_jwk(r#","kid":"rsa""#)])),
        issuer: Some("https://idp.example.com".to_owned()),
        audience: Some("kafka".to_owned()),
        required_scopes: vec!["read".to_owned(), "write".to_owned()],
        clock_skew_s: 60,
        principal_claim: "sub".to_owned(),
    }
}

/// Settings that ask for nothing but a principal.
fn lenient(keys: KeySet) -> Settings {
    Settings { keys: KeySource::Fixed(keys), issuer: None, audience: None, required_scopes: vec![], ..settings() }
}

fn endpoint() -> Endpoint {
    let [cluster, authority, path] = ["idp", "idp.example.com", "/jwks"].map(str::to_owned);
    Endpoint { cluster, authority, path, refresh_ms: 600_000, max_age_ms: 3_600_000 }
}

/// Claims that [`settings`] accept at [`NOW`], with some replaced (or taken out: null) by members of `other`.
fn claims(other: &str) -> String {
    let mut claims = serde_json::json!({
        "iss": "https://idp.example.com", "aud": "kafka", "sub": "alice", "scope": "read write admin",
        "exp": NOW_S + 300, "nbf": NOW_S - 10, "iat": NOW_S - 10,
    });
    let other: serde_json::Value = serde_json::from_str(other).expect("an object");
    for (name, value) in other.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims.to_string()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// A token with a right signature by the key of RFC 7515, A.3, whatever its header says.
fn signed(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let key = p256::ecdsa::SigningKey::from_slice(&decode(EC_D)).expect("a private key");
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    format!("{input}.{}", encode(signature.to_bytes()))
}

const HEADER: &str = r#"{"alg":"ES256","kid":"ec","typ":"JWT"}"#;

/// A good token.
fn good() -> String {
    signed(HEADER, &claims("{}"))
}

fn message(token: &str) -> Vec<u8> {
    format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes()
}

/// Verifies as Envoy does.
struct Real;

impl Verifier for Real {
    fn verify(&self, key: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool {
        if let Ok(key) = rsa::RsaPublicKey::from_public_key_der(key) {
            assert_eq!(hash, SignatureHash::Sha256);
            return key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), signature).is_ok();
        }
        match hash {
            SignatureHash::Sha256 => {
                let key = p256::ecdsa::VerifyingKey::from_public_key_der(key).expect("a key on P-256");
                p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
            }
            SignatureHash::Sha384 => {
                let key = p384::ecdsa::VerifyingKey::from_public_key_der(key).expect("a key on P-384");
                p384::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
            }
            SignatureHash::Sha512 => {
                let key = p521::PublicKey::from_public_key_der(key).expect("a key on P-521");
                let key = p521::ecdsa::VerifyingKey::from_affine(*key.as_affine()).expect("a point");
                p521::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
            }
        }
    }
}

/// What a verifier was asked.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Call {
    key: Vec<u8>,
    hash: SignatureHash,
    signature: Vec<u8>,
    text: Vec<u8>,
}

/// Says always the same, and remembers what it was asked.
struct Fake {
    answer: bool,
    calls: RefCell<Vec<Call>>,
}

impl Fake {
    fn saying(answer: bool) -> Self {
        Self { answer, calls: RefCell::default() }
    }
}

impl Verifier for Fake {
    fn verify(&self, key: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool {
        let [key, signature, text] = [key, signature, text].map(<[u8]>::to_vec);
        self.calls.borrow_mut().push(Call { key, hash, signature, text });
        self.answer
    }
}

/// What a new connection's first message leads to, and why.
fn step(checker: &Checker, verifier: &dyn Verifier, message: &[u8], now: Millis) -> (Step, Option<&'static str>) {
    let mut server = Server::new();
    let step = server.step(checker, verifier, message, now);
    (step, server.why())
}

fn done(principal: &str, expires: Millis) -> (Step, Option<&'static str>) {
    (Step::Done { principal: principal.to_owned(), expires: Some(expires), last: vec![] }, None)
}

fn invalid(why: &'static str) -> (Step, Option<&'static str>) {
    (Step::Rejected(INVALID.into()), Some(why))
}

#[test]
fn a_good_token_is_done_until_it_ends() {
    let checker = Checker::new(settings());
    assert_eq!(step(&checker, &Real, &message(&good()), NOW), done("alice", NOW + 360_000));
}

/// Checks of signatures cost whoever has the worker, and strangers ask for them.
#[test]
fn tokens_of_strangers_wait_for_their_share_of_the_time() {
    struct Never(Cell<usize>);
    impl Verifier for Never {
        fn verify(&self, _: &[u8], _: SignatureHash, _: &[u8], _: &[u8]) -> bool {
            self.0.set(self.0.get() + 1);
            false
        }
    }

    let (checker, never) = (Checker::new(settings()), Never(Cell::new(0)));
    let mut waiting: Vec<Server> = (0..5_000).map(|_| Server::new()).collect();
    let token = message(&good());
    let mut checked = vec![];
    for tick in 0..50 {
        let now = NOW + 20 * tick;
        waiting.retain_mut(|server| match server.step(&checker, &never, &token, now) {
            Step::Later => true,
            step => {
                assert_eq!(step, Step::Rejected(INVALID.into()));
                false
            }
        });
        checked.push(never.0.replace(0));
    }
    // ES256.
    let cost = reading_us(token.len()) + 100;
    assert!((checked[0] as i64 - CHECKS_US_MAX / cost).abs() <= 1, "at once: {}", checked[0]);
    let each = 20 * CHECKS_US_PER_MS / cost;
    assert!(checked[1..].iter().all(|count| (*count as i64 - each).abs() <= 1), "{checked:?}");
    assert!(!waiting.is_empty());
    // Who comes later, when there is time again, does not wait.
    let (bearer, _) = step(&checker, &Real, &token, NOW + 60_000);
    assert!(matches!(bearer, Step::Done { .. }));
}

#[test]
fn after_a_challenge_there_is_only_failure() {
    let checker = Checker::new(settings());
    let expired = signed(HEADER, &claims(r#"{"exp": 1}"#));
    for acknowledgement in [b"\x01".to_vec(), vec![], message(&good())] {
        let mut server = Server::new();
        assert_eq!(server.step(&checker, &Real, &message(&expired), NOW), Step::Rejected(INVALID.into()));
        assert_eq!(server.step(&checker, &Real, &acknowledgement, NOW), Step::Failed);
        assert_eq!(server.step(&checker, &Real, &message(&good()), NOW), Step::Failed);
    }
}

#[test]
fn one_message_is_taken() {
    let checker = Checker::new(settings());
    let mut server = Server::new();
    assert!(matches!(server.step(&checker, &Real, &message(&good()), NOW), Step::Done { .. }));
    assert_eq!(server.step(&checker, &Real, &message(&good()), NOW), Step::Failed);
    let mut server = Server::new();
    assert_eq!(server.step(&checker, &Real, b"", NOW), Step::Failed);
    assert_eq!(server.step(&checker, &Real, &message(&good()), NOW), Step::Failed);
}
