//! Tokens that were made to deceive, and others that are none.

use super::*;
use crate::limits::OAUTH_TOKEN_BYTES_MAX;

/// A token that is refused before any verifier is asked.
#[track_caller]
fn refused_unasked(token: &str, why: &'static str) {
    let fake = Fake::saying(true);
    assert_eq!(step(&Checker::new(settings()), &fake, &message(token), NOW), invalid(why), "{token}");
    assert_eq!(*fake.calls.borrow(), [], "{token}");
}

/// A token whose signature is wrong for what it says.
#[track_caller]
fn refused(token: &str) {
    let refused = invalid("the signature is wrong");
    assert_eq!(step(&Checker::new(settings()), &Real, &message(token), NOW), refused, "{token}");
}

/// A signature of as many bytes as `ES256` has.
fn with_header(header: &str) -> String {
    format!("{}.{}.{}", encode(header), encode(claims("{}")), encode([1; 64]))
}

#[test]
fn no_algorithm_but_ours() {
    for alg in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "PS256", "EdDSA", "ES256K", "es256", "RS256 "] {
        refused_unasked(&with_header(&format!(r#"{{"alg":"{alg}","kid":"ec"}}"#)), "alg is not accepted");
    }
    for header in [r#"{"kid":"ec"}"#, r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#] {
        refused_unasked(&with_header(header), "alg is not accepted");
    }
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims("{}")));
    refused_unasked(&unsigned, "alg is not accepted");
    let unsigned = format!("{}.{}.", encode(HEADER), encode(claims("{}")));
    refused_unasked(&unsigned, "the signature is wrong");
}

#[test]
fn a_public_key_is_no_secret() {
    use hmac::{Hmac, Mac};
    let (_, der) = der::Document::from_pem(super::keys::RSA_PEM).unwrap();
    for secret in [super::keys::RSA_PEM.as_bytes(), der.as_bytes(), RSA_N.as_bytes()] {
        for alg in ["HS256", "RS256", "ES256"] {
            let input = format!("{}.{}", encode(format!(r#"{{"alg":"{alg}","kid":"rsa"}}"#)), encode(claims("{}")));
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.update(input.as_bytes());
            let token = format!("{input}.{}", encode(mac.finalize().into_bytes()));
            let why = match alg {
                "HS256" => "alg is not accepted",
                "ES256" => "no key fits kid and alg",
                _ => "the signature is wrong",
            };
            refused_unasked(&token, why);
        }
    }
}

#[test]
fn a_key_is_not_taken_for_another_type_or_name() {
    for header in [
        r#"{"alg":"RS256","kid":"ec"}"#,
        r#"{"alg":"ES384","kid":"ec"}"#,
        r#"{"alg":"ES512","kid":"ec"}"#,
        r#"{"alg":"ES256","kid":"rsa"}"#,
        r#"{"alg":"ES384"}"#,
        r#"{"alg":"ES256","kid":"EC"}"#,
        r#"{"alg":"ES256","kid":""}"#,
    ] {
        refused_unasked(&with_header(header), "no key fits kid and alg");
    }
    // The header's own keys are never used.
    let jwk = ec_jwk("");
    let header = format!(
        r#"{{"alg":"ES256","kid":"other","jwk":{jwk},"jku":"https://example.com","x5u":"https://example.com"}}"#
    );
    refused_unasked(&signed(&header, &claims("{}")), "no key fits kid and alg");
}

#[test]
fn a_signature_has_its_length_and_no_zeros() {
    let token = |signature: &[u8]| format!("{}.{}.{}", encode(HEADER), encode(claims("{}")), encode(signature));
    let one = [vec![0; 31], vec![1]].concat();
    let wrong = [vec![], vec![1; 63], vec![1; 65], vec![1; 256], vec![0; 64]];
    for signature in wrong.into_iter().chain([[vec![0; 32], one.clone()].concat(), [one, vec![0; 32]].concat()]) {
        refused_unasked(&token(&signature), "the signature is wrong");
    }
    // In DER, as other libraries have it.
    let (input, raw) = good().rsplit_once('.').map(|(input, raw)| (input.to_owned(), decode(raw))).unwrap();
    let der = p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    refused_unasked(&format!("{input}.{}", encode(der.as_bytes())), "the signature is wrong");
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let good = good();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    refused(&format!("{header}.{}.{signature}", encode(super::claims(r#"{"sub": "admin"}"#))));
    refused(&format!("{}.{claims}.{signature}", encode(r#"{"alg":"ES256","kid":"ec"}"#)));
    let other = signed(HEADER, &super::claims(r#"{"sub": "bob"}"#));
    refused(&format!("{header}.{claims}.{}", other.rsplit_once('.').unwrap().1));
    let mut bytes = decode(signature);
    for bit in [0, 100, 511] {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&format!("{header}.{claims}.{}", encode(&bytes)));
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    let another = "https://idp.example.com".replace("idp", "evil");
    refused(&format!(
        "{header}.{}.{signature}",
        encode(super::claims("{}").replace("https://idp.example.com", &another))
    ));
}

#[test]
fn the_signature_is_checked_before_the_claims() {
    let expired = signed(HEADER, &claims(r#"{"exp": 1}"#));
    let fake = Fake::saying(false);
    assert_eq!(step(&Checker::new(settings()), &fake, &message(&expired), NOW), invalid("the signature is wrong"));
    assert_eq!(fake.calls.borrow().len(), 1);
}

#[test]
fn headers_that_are_refused() {
    refused_unasked(&with_header(r#"{"alg":"ES256","kid":"ec","crit":["exp"]}"#), "the header has crit");
    refused_unasked(&with_header(r#"{"alg":"ES256","kid":"ec","b64":false,"crit":["b64"]}"#), "the header has crit");
    refused_unasked(&with_header(r#"{"alg":"ES256","kid":"ec","crit":[]}"#), "the header has crit");
    refused_unasked(&with_header(r#"{"alg":"ES256","kid":1}"#), "kid must be text");
    refused_unasked(&with_header(r#"{"alg":"ES256","kid":"ec","typ":1}"#), "typ must be text");
    for typ in ["", "JWE", "logout+jwt", "dpop+jwt", "text/jwt", "application/application/jwt"] {
        let header = format!(r#"{{"alg":"ES256","kid":"ec","typ":"{typ}"}}"#);
        refused_unasked(&with_header(&header), "typ is not that of an access token");
    }
    let malformed = [
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"ES256","kid":"ec","x":1,"x":1}"#,
        r#"{"alg":"ES256","\u0061lg":"ES256"}"#,
        r#"["ES256"]"#,
        r#"{"alg":"ES256"} x"#,
        r#"{"alg":"ES256""#,
        "",
    ];
    for header in malformed {
        refused_unasked(&with_header(header), "the header is malformed");
    }
}

#[test]
fn types_that_are_accepted() {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        let token = signed(&format!(r#"{{"alg":"ES256","kid":"ec","typ":"{typ}"}}"#), &claims("{}"));
        assert_eq!(
            step(&Checker::new(settings()), &Real, &message(&token), NOW),
            done("alice", NOW + 360_000),
            "{typ}"
        );
    }
    let bare = signed(r#"{"alg":"ES256"}"#, &claims("{}"));
    assert_eq!(step(&Checker::new(settings()), &Real, &message(&bare), NOW), done("alice", NOW + 360_000));
}

#[test]
fn claims_that_are_no_object() {
    let nested = format!(r#"{{"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let twice = claims("{}").replace('}', r#","sub":"admin"}"#);
    for claims in ["", "[]", "null", "{", "Payload", r#"{"exp":1e999}"#, &nested, &twice] {
        let token = signed(HEADER, claims);
        assert_eq!(step(&Checker::new(settings()), &Real, &message(&token), NOW), invalid("the claims are malformed"));
    }
    let not_utf8 = encode([b"{\"sub\":\"\xff".as_slice(), b"\"}"].concat());
    let fake = Fake::saying(true);
    let token = format!("{}.{not_utf8}.{}", encode(HEADER), encode([1; 64]));
    assert_eq!(step(&Checker::new(settings()), &fake, &message(&token), NOW), invalid("the claims are malformed"));
}

#[test]
fn other_shapes() {
    for token in ["opaque", ".", "..", "...", "a.b"] {
        let (step, why) = step(&Checker::new(settings()), &Fake::saying(true), &message(token), NOW);
        assert_eq!((step, why.is_some()), (Step::Rejected(INVALID.into()), true), "{token}");
    }
    let good = good();
    // Encrypted tokens have five parts; a fourth one ends up in the claims, which are not base64url then.
    refused_unasked(&format!("{good}.x"), "the signature is malformed");
    refused_unasked(&format!("{good}.{}.{}", encode("x"), encode("y")), "the signature is wrong");
    refused_unasked(&format!("{good}=="), "the signature is malformed");
    refused_unasked(&good.replacen('.', "==.", 1), "the header is malformed");
    let standard = format!("{}.{}.++//", encode(HEADER), encode(claims("{}")));
    refused_unasked(&standard, "the signature is malformed");
    // Two characters encode one byte, and four bits that must be zero.
    refused_unasked(&format!("{}.{}.AB", encode(HEADER), encode(claims("{}"))), "the signature is malformed");
}

#[test]
fn long_tokens() {
    let of = |length: usize| {
        let short = signed(HEADER, &claims(r#"{"x": ""}"#)).len();
        let x = "x".repeat((length - short) / 4 * 3);
        signed(HEADER, &claims(&format!(r#"{{"x": "{x}"}}"#)))
    };
    let (longest, longer) = (of(OAUTH_TOKEN_BYTES_MAX - 3), of(OAUTH_TOKEN_BYTES_MAX + 4));
    assert!(longest.len() <= OAUTH_TOKEN_BYTES_MAX && longer.len() > OAUTH_TOKEN_BYTES_MAX);
    assert_eq!(step(&Checker::new(settings()), &Real, &message(&longest), NOW), done("alice", NOW + 360_000));
    refused_unasked(&longer, "the token is too long");
}

#[test]
fn keys_that_are_tried_are_few() {
    let checker = Checker::new(lenient(keys(&vec![ec_jwk(""); 50])));
    let fake = Fake::saying(false);
    let token = signed(r#"{"alg":"ES256"}"#, &claims("{}"));
    assert_eq!(step(&checker, &fake, &message(&token), NOW), invalid("the signature is wrong"));
    assert_eq!(fake.calls.borrow().len(), 16);
}

#[test]
fn refusals_hold_nothing_of_the_token() {
    let token = signed(HEADER, &claims(r#"{"sub": "olga", "jti": "secret", "exp": 1}"#));
    let checker = Checker::new(settings());
    let mut server = Server::new();
    let step = server.step(&checker, &Real, &message(&token), NOW);
    for shown in [format!("{step:?}"), format!("{server:?}"), format!("{checker:?}")] {
        assert!(!shown.contains("secret") && !shown.contains(&token[..40]));
    }
    // But whose token has expired, and that only where a key signed it.
    assert_eq!(server.name.as_deref(), Some("olga"));
    for (verifier, name) in [(&Fake::saying(false) as &dyn Verifier, None), (&Real, Some("olga"))] {
        let mut server = Server::new();
        server.step(&Checker::new(settings()), verifier, &message(&token), NOW);
        assert_eq!(server.name.as_deref(), name);
    }
}

/// Says yes to one text and signature only.
struct Exactly {
    text: Vec<u8>,
    signature: Vec<u8>,
}

impl Exactly {
    fn of(token: &str) -> Self {
        let fake = Fake::saying(true);
        let _ = step(&Checker::new(settings()), &fake, &message(token), NOW);
        let call = fake.calls.borrow()[0].clone();
        Self { text: call.text, signature: call.signature }
    }
}

impl Verifier for Exactly {
    fn verify(&self, _: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool {
        hash == SignatureHash::Sha256 && signature == self.signature && text == self.text
    }
}

#[test]
fn no_bit_of_a_token_is_free() {
    let (good, checker) = (good(), Checker::new(settings()));
    let exactly = Exactly::of(&good);
    assert_eq!(step(&checker, &exactly, &message(&good), NOW), done("alice", NOW + 360_000));
    for index in 0..good.len() {
        for bit in 0..7 {
            let mut changed = good.clone().into_bytes();
            changed[index] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let (step, _) = step(&checker, &exactly, &message(&changed), NOW);
            assert!(!matches!(step, Step::Done { .. }), "{changed}");
        }
    }
}
