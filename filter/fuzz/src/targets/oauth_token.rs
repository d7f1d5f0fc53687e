//! A JSON Web Token of anybody's: base64url, header, claims, and the way through all of them.

use std::cell::RefCell;

use kafka_partition_remapper_core::fuzzing::{self, Verdict};
use kafka_partition_remapper_core::sasl::oauthbearer::jwks::{KeySet, KeySource};
use kafka_partition_remapper_core::sasl::oauthbearer::{Checker, Settings, SignatureHash, Verifier};
use serde_json::{Map, Value};

use crate::bounds::bounded;
use crate::input::Input;
use crate::second;

/// Unix time in ms of all steps.
pub const NOW: u64 = 1_780_000_000_000;

/// The key of RFC 7515, appendix A.3.1, and a token that names it; the signature is nobody's.
pub const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
/// `{"alg":"ES256","kid":"ec","typ":"JWT"}`,
/// `{"iss":"https://idp.example.com","aud":"kafka","sub":"olga","scope":"read","exp":1780000300}`, and `?` to
/// `~`.
pub const TOKEN: &str = include_str!("../../seeds/oauth_token/good");

/// Says yes to [`TOKEN`] alone, whatever it is asked about.
pub struct Exactly;

impl Verifier for Exactly {
    fn verify(&self, _: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool {
        thread_local!(static SIGNATURE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) });
        let signed = TOKEN.rsplit_once('.').map(|(signed, _)| signed.as_bytes());
        let raw = TOKEN.rsplit_once('.').and_then(|(_, raw)| second::base64(raw, true)).unwrap();
        let right = SIGNATURE.with_borrow_mut(|der| der.get_or_insert_with(|| ecdsa_der(&raw)) == signature);
        hash == SignatureHash::Sha256 && signed == Some(text) && right
    }
}

/// Two numbers of 32 bytes without leading zeros, as RFC 3279 has them; those of [`TOKEN`] have no high bit.
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(32);
    assert!(raw.len() == 64 && [r[0], s[0]].iter().all(|byte| (1..0x80).contains(byte)));
    [&[0x30, 68, 2, 32][..], r, &[2, 32], s].concat()
}

/// Says the same to everything.
struct Says(bool);

impl Verifier for Says {
    fn verify(&self, _: &[u8], _: SignatureHash, _: &[u8], _: &[u8]) -> bool {
        self.0
    }
}

fn checker() -> Checker {
    Checker::new(Settings {
        keys: KeySource::Fixed(KeySet::parse(KEYS).unwrap()),
        issuer: Some("https://idp.example.com".to_owned()),
        audience: Some("kafka".to_owned()),
        required_scopes: vec!["read".to_owned()],
        clock_skew_s: 60,
        principal_claim: "sub".to_owned(),
    })
}

/// The whole message, or what is wrapped into one: a token; or header and claims, which get their Base64
/// here.
pub fn oauth_token(data: &[u8]) {
    json(data);
    encoding(data);
    let mut input = Input::new(data);
    match input.byte() {
        b'{' => {
            let parts: Vec<&[u8]> = data.splitn(2, |byte| *byte == b'\n').collect();
            let [header, claims] = parts[..] else { return };
            let signature = TOKEN.rsplit_once('.').unwrap().1;
            step(&message(&format!("{}.{}.{signature}", base64url(header), base64url(claims))), Some(claims));
        }
        b'n' | b'y' => step(data, None),
        _ => step(&message(&String::from_utf8_lossy(data)), None),
    }
}

fn message(token: &str) -> Vec<u8> {
    format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes()
}

/// `claims`: what a right signature would be under.
fn step(message: &[u8], claims: Option<&[u8]>) {
    let checker = checker();
    // JSON's values take some 32 bytes, and a number of one digit and its comma are two.
    let said =
        |verifier: &dyn Verifier| bounded(message, 128, || fuzzing::oauth_step(&checker, verifier, message, NOW));
    assert!(!matches!(said(&Says(false)), Verdict::Done { .. } | Verdict::Unavailable));
    let good = TOKEN.as_bytes();
    if let Verdict::Done { principal, expires } = said(&Exactly) {
        assert!(message.windows(good.len()).any(|part| part == good), "another token than the one that was signed");
        assert_eq!((principal.as_str(), expires), ("olga", Some(NOW + 360_000)));
    }
    if let Verdict::Done { principal, expires } = said(&Says(true)) {
        assert!(expires.is_some_and(|expires| expires > NOW));
        assert!(!principal.trim().is_empty() && !principal.chars().any(char::is_control));
        let Some(claims) = claims else { return };
        let claims: Map<String, Value> = serde_json::from_slice(claims).expect("an object");
        assert_eq!(claims["sub"], principal);
        assert_eq!(claims["iss"], "https://idp.example.com");
        assert!(claims["exp"].as_f64().is_some_and(|exp| exp + 60.0 > NOW as f64 / 1000.0));
        let holds = |value: &Value, text: &str| value.to_string().contains(text);
        assert!(holds(&claims["aud"], "\"kafka\""));
        assert!(["scope", "scp"].iter().filter_map(|name| claims.get(*name)).any(|scopes| holds(scopes, "read")));
    }
}

/// An object is what `serde_json` takes for one, unless a member comes twice.
fn json(data: &[u8]) {
    let is_object = bounded(data, 128, || fuzzing::is_object(data));
    let second: Option<Map<String, Value>> = serde_json::from_slice(data).ok();
    assert!(second.is_some() || !is_object);
    if let Some(second) = second.filter(|_| !is_object) {
        let written = serde_json::to_vec(&second).unwrap();
        assert!(fuzzing::is_object(&written), "not even when each member stands there once");
        assert!(data.len() > second.keys().map(|name| name.len()).sum());
    }
}

/// One text for each value, and no bit left over.
fn encoding(data: &[u8]) {
    assert_eq!(fuzzing::base64url(&base64url(data)).as_deref(), Some(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let decoded = bounded(data, 2, || fuzzing::base64url(text));
    assert_eq!(decoded, second::base64(text, true));
    if let Some(decoded) = decoded {
        assert_eq!(base64url(&decoded), text);
    }
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets = |chunk: &[u8]| {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        (0..=chunk.len()).map(move |place| char::from(alphabet[bits >> (18 - 6 * place) & 63]))
    };
    bytes.chunks(3).flat_map(|chunk| sextets(chunk).collect::<Vec<_>>()).collect()
}
