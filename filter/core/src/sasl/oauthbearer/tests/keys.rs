//! Key sets and PEM: what is taken, what is left out, and what is said about the rest.

use super::*;
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use crate::sasl::oauthbearer::key::{Algorithm, KeyType};

// The keys of RFC 7515, appendices A.2 to A.4, as `openssl asn1parse -genconf` and `openssl pkey -pubin`
// write them.
pub(super) const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
oQIDAQAB
-----END PUBLIC KEY-----
";
pub(super) const P256_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----
";
const P521_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB6SkFDxJPxrxVx9U5M2Xfne9KsMIs
sleY+TTrBOPGuuNwGlenkQ6dgb82MVno68sVXWNJ9L22zPipTFxZx6rBAaQANKZE
DjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD+XZOH7HdLVYOGMOXLv1qMvgqR3QBk
xpmaH25uZ/rd7eTIyPY=
-----END PUBLIC KEY-----
";

/// RFC 7517, appendix A.1.
const RFC_7517: &str = r#"{"keys":
 [{"kty":"EC", "crv":"P-256", "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
   "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use":"enc", "kid":"1"},
  {"kty":"RSA",
   "n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
   "e":"AQAB", "alg":"RS256", "kid":"2011-04-29"}]}"#;

impl KeySet {
    /// All keys, as a verifier gets them.
    pub(super) fn candidates_der(&self) -> Vec<Vec<u8>> {
        let algorithms = ["RS256", "ES256", "ES384", "ES512"].into_iter().filter_map(Algorithm::named);
        algorithms.flat_map(|algorithm| self.candidates(None, algorithm)).map(|key| key.der.clone()).collect()
    }

    fn count(&self, id: Option<&str>, algorithm: &str) -> usize {
        self.candidates(id, Algorithm::named(algorithm).unwrap()).count()
    }
}

#[test]
fn rfc_7517_a_1() {
    let keys = KeySet::parse(RFC_7517).unwrap();
    // The first is for encryption.
    assert_eq!(keys.len(), 1);
    assert!(keys.knows("2011-04-29") && !keys.knows("1"));
    assert_eq!(keys.count(Some("2011-04-29"), "RS256"), 1);
    // It says that it is for RS256.
    assert_eq!(keys.count(Some("2011-04-29"), "RS512"), 0);
    let for_signatures = KeySet::parse(&RFC_7517.replace(r#""use":"enc""#, r#""use":"sig""#)).unwrap();
    assert_eq!((for_signatures.len(), for_signatures.count(Some("1"), "ES256")), (2, 1));
}

#[test]
fn keys_are_encoded_as_openssl_does() {
    let p521 = super::vectors::P521_JWK.replace('\n', "");
    for (jwk, pem) in [(rsa_jwk(""), RSA_PEM), (ec_jwk(""), P256_PEM), (p521, P521_PEM)] {
        let (_, der) = der::Document::from_pem(pem).unwrap();
        assert_eq!(keys(&[jwk]).candidates_der(), [der.as_bytes()]);
        assert_eq!(KeySet::of_pem(pem).unwrap().candidates_der(), [der.as_bytes()]);
        let windows = format!("\n{}\n\n", pem.replace('\n', "\r\n"));
        assert_eq!(KeySet::of_pem(&windows).unwrap().candidates_der(), [der.as_bytes()]);
    }
}

#[test]
fn a_modulus_with_zeros_in_front_is_the_same() {
    let padded = encode([vec![0, 0], decode(RSA_N)].concat());
    let jwk = format!(r#"{{"kty":"RSA","n":"{padded}","e":"AAEAAQ"}}"#);
    assert_eq!(keys(&[jwk]).candidates_der(), keys(&[rsa_jwk("")]).candidates_der());
}

#[test]
fn keys_for_other_things_are_left_out() {
    let others = [
        ec_jwk(r#","use":"enc""#),
        ec_jwk(r#","key_ops":["sign","deriveKey"]"#),
        ec_jwk(r#","key_ops":[]"#),
        ec_jwk(r#","alg":"ECDH-ES""#),
        rsa_jwk(r#","alg":"PS256""#),
        rsa_jwk(r#","alg":"none""#),
        rsa_jwk(r#","alg":"HS256""#),
        r#"{"kty":"oct","k":"AAAA","alg":"HS256"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.to_owned(),
        ec_jwk("").replace("P-256", "secp256k1"),
        r#"{"kty":"AKP"}"#.to_owned(),
    ];
    for other in others {
        let set = set(&[other.clone(), ec_jwk(r#","key_ops":["verify"]"#)]);
        assert_eq!(KeySet::parse(&set).unwrap().candidates_der(), keys(&[ec_jwk("")]).candidates_der(), "{other}");
        assert_eq!(KeySet::parse_tolerant(set.as_bytes()).unwrap().0.len(), 1);
        let error = KeySet::parse(&super::set(&[other])).unwrap_err();
        assert_eq!(error, "the JWK Set holds no key for signatures");
    }
}

#[test]
fn a_key_that_is_wrong_is_named_or_left_out() {
    let n = |length: usize| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encode(vec![0xff; length]));
    let e = |e: &str| rsa_jwk("").replace("AQAB", e);
    let exponent = "the RSA exponent must be odd, above 1 and of at most 33 bits";
    let cases = [
        (r#"{"n":"AQAB"}"#.to_owned(), "kty is missing"),
        (r#"{"kty":1}"#.to_owned(), "kty must be text"),
        (ec_jwk(r#","kid":"a","kid":"b""#), "a member comes twice"),
        (ec_jwk(r#","kid":7"#), "kid must be text"),
        (ec_jwk(r#","use":["sig"]"#), "use must be text"),
        (ec_jwk(r#","key_ops":"verify""#), "key_ops must be texts"),
        (ec_jwk(r#","alg":"ES384""#), "alg does not fit the key's type"),
        (ec_jwk(r#","alg":"RS256""#), "alg does not fit the key's type"),
        (rsa_jwk(r#","alg":"ES256""#), "alg does not fit the key's type"),
        (r#"{"kty":"EC","x":"","y":""}"#.to_owned(), "crv is missing"),
        (ec_jwk("").replace("P-256", "P-384"), "the coordinates of a P-384 key have 48 bytes"),
        (ec_jwk("").replace(EC_X, &EC_X[..40]), "the coordinates of a P-256 key have 32 bytes"),
        (ec_jwk("").replace(EC_Y, &encode([0; 33])), "the coordinates of a P-256 key have 32 bytes"),
        (rsa_jwk("").replace(RSA_N, &format!("{RSA_N}==")), "n must be base64url without padding"),
        (rsa_jwk("").replace("AQAB", "AQ+/"), "e must be base64url without padding"),
        (r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), "n is missing"),
        (n(128), "an RSA key of 1024 bits is too weak: at least 2048"),
        (n(255), "an RSA key of 2040 bits is too weak: at least 2048"),
        (n(0), "an RSA key of 0 bits is too weak: at least 2048"),
        (n(1025), "an RSA key of 8200 bits is too long: at most 8192"),
        (rsa_jwk("").replace(RSA_N, &encode([0xfe; 256])), "the RSA modulus is even"),
        (e("AQ"), exponent),
        (e("AA"), exponent),
        (e(""), exponent),
        (e("AQAA"), exponent),
        (e(&encode([0xff; 5])), exponent),
        (ec_jwk(r#","d":"secret""#), "a private key does not belong here"),
        (rsa_jwk(r#","dp":"secret""#), "a private key does not belong here"),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"","d":"secret"}"#.to_owned(), "a private key does not belong here"),
    ];
    for (wrong, why) in cases {
        let set = set(&[ec_jwk(""), wrong.clone()]);
        assert_eq!(KeySet::parse(&set).unwrap_err(), format!("keys[1]: {why}"), "{wrong}");
        assert_eq!(KeySet::parse_tolerant(set.as_bytes()).unwrap().0.len(), 1, "{wrong}");
        let alone = super::set(&[wrong]);
        let (none, problem) = KeySet::parse_tolerant(alone.as_bytes()).unwrap();
        assert!(none.is_empty());
        assert_eq!(problem, Some(format!("keys[0]: {why}")));
    }
}

#[test]
fn what_is_no_set_is_refused_without_showing_it() {
    for text in ["", "secret", r#"["secret"]"#, r#"{"keys":{}}"#, r#"{"keys":["secret"]}"#, r#"{"secret":[]}"#] {
        for error in [KeySet::parse(text).unwrap_err(), KeySet::parse_tolerant(text.as_bytes()).unwrap_err()] {
            assert!(error.starts_with("not a JWK Set (line ") && !error.contains("secret"), "{error}");
        }
    }
    assert!(KeySet::parse_tolerant(b"\xff").unwrap_err().starts_with("not a JWK Set"));
    let nested = format!(r#"{{"keys":[{{"kty":{}1"#, "[".repeat(10_000));
    assert!(KeySet::parse(&nested).unwrap_err().starts_with("not a JWK Set"));
}

#[test]
fn sets_are_bounded() {
    assert_eq!(keys(&vec![ec_jwk(""); JWKS_KEYS_MAX]).len(), JWKS_KEYS_MAX);
    let error = KeySet::parse(&set(&vec![ec_jwk(""); JWKS_KEYS_MAX + 1])).unwrap_err();
    assert_eq!(error, "the JWK Set holds 101 keys: at most 100");
    let long = " ".repeat(JWKS_BYTES_MAX) + &set(&[ec_jwk("")]);
    assert!(KeySet::parse_tolerant(long.as_bytes()).unwrap_err().contains("at most 262144"));
}

#[test]
fn a_key_is_found_by_its_name_and_type() {
    let two = keys(&[ec_jwk(r#","kid":"a""#), rsa_jwk("")]);
    // Which of several is meant is not guessed.
    assert_eq!((two.count(Some("b"), "RS256"), two.knows("b")), (0, false));
    assert_eq!((two.count(Some("a"), "ES256"), two.count(Some("a"), "RS256")), (1, 0));
    assert_eq!((two.count(None, "ES256"), two.count(None, "RS512"), two.count(None, "ES384")), (1, 1, 0));
    let one = keys(&[rsa_jwk("")]);
    assert_eq!((one.count(Some("b"), "RS384"), one.knows("b")), (1, true));
    let named = keys(&[rsa_jwk(r#","kid":"a""#)]);
    assert_eq!((named.count(Some("b"), "RS384"), named.knows("b")), (0, false));
    // A name may be in use twice while keys change.
    let twice = keys(&vec![rsa_jwk(r#","kid":"a""#); 30]);
    assert_eq!(twice.count(Some("a"), "RS256"), 16);
}

#[test]
fn other_pem_is_refused() {
    let ends = |label: &str| P256_PEM.replace("PUBLIC KEY", label);
    let begin = |text: &str| format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----");
    let point = "the EC key's point is not an uncompressed one of P-256";
    let cases = [
        (ends("CERTIFICATE"), "a certificate is not a public key: take it out with openssl x509 -pubkey"),
        (ends("PRIVATE KEY"), "a private key does not belong here: its public key does (BEGIN PUBLIC KEY)"),
        (ends("ENCRYPTED PRIVATE KEY"), "a private key does not belong here: its public key does (BEGIN PUBLIC KEY)"),
        (ends("RSA PUBLIC KEY"), "not a public key in PEM (BEGIN PUBLIC KEY)"),
        ("MFkwEw".to_owned(), "not a public key in PEM (BEGIN PUBLIC KEY)"),
        (String::new(), "not a public key in PEM (BEGIN PUBLIC KEY)"),
        (P256_PEM.replace("7\n6", "7$6"), "the PEM is malformed, or holds more than one key"),
        (P256_PEM.repeat(2), "the PEM is malformed, or holds more than one key"),
        (begin("MAA="), "the public key is malformed"),
        // By openssl: ed25519, secp256k1, a compressed point, RSA of 1024 bits.
        (begin("MCowBQYDK2VwAyEA7tOIoUL8vb1IRo/5bakE+hoy1MGAaiq+/nlv+eaXrmw="), "the public key is neither RSA nor EC"),
        (
            begin(
                "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE6mTFP0O58rQrJegXPLX1+wXFHe5J7tgo\n\
                 HveiwvVdodnS4ZqGprAhJ82AyZKobgRYC45SjyO8plZP0PompAvBSw==",
            ),
            "the EC key's curve is not P-256, P-384 or P-521",
        ),
        (begin("MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACC6i9HwL+Xkw6VOZv7C329RxRMZCF\ndZyTzDBqml8ojCw="), point),
        (
            begin(
                "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCobQlhOMvvhSk0lsdDYHe2zOKn\n\
                 R+SPK6UeB4BsJTjjfdvjVZeqIgUTvcMgk/ib/vjyhsPvtfGPZmZh2DEPNN3/out7\n\
                 5ak3zMGjmZmu1vu1gjGhTtX5SFUT98Yu4hLUkriMtRiDyzGBx/rSZvlGBMxEIn0j\n\
                 pvTz+bDTdCgnWPHRlQIDAQAB",
            ),
            "an RSA key of 1024 bits is too weak: at least 2048",
        ),
    ];
    for (pem, why) in cases {
        assert_eq!(KeySet::of_pem(&pem).unwrap_err(), why, "{pem}");
    }
}

#[test]
fn a_pem_key_signs_tokens_with_any_name() {
    let keys = KeySet::of_pem(P256_PEM).unwrap();
    assert_eq!(keys.candidates(None, Algorithm::named("ES256").unwrap()).next().unwrap().key_type, KeyType::P256);
    let checker = Checker::new(lenient(keys));
    for header in [HEADER, r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","kid":"other"}"#] {
        let token = signed(header, &claims("{}"));
        assert_eq!(step(&checker, &Real, &message(&token), NOW), done("alice", NOW + 360_000));
    }
}
