//! The examples of RFC 7515, and one signature of each other kind.

use super::*;
use crate::sasl::oauthbearer::jwt::Jwt;

/// RFC 7515, appendix A.2.1.
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9u\
    JdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-\
    -xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUP\
    QGe77Rw";
/// RFC 7515, appendix A.3.1.
const ES256: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 7515, appendix A.4.1. Its payload is no JSON.
const ES512: &str =
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2S\
    I-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
pub(super) const P521_JWK: &str = r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOn
YG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf
63e3kyMj2"}"#;

/// When the tokens of RFC 7515 end.
const EXP: Millis = 1_300_819_380_000;

fn p521() -> String {
    P521_JWK.replace('\n', "")
}

fn joe(jwk: String) -> Checker {
    Checker::new(Settings { principal_claim: "iss".to_owned(), ..lenient(keys(&[jwk])) })
}

#[test]
fn rfc_7515_a_2_rs256() {
    let checker = joe(rsa_jwk(""));
    assert_eq!(step(&checker, &Real, &message(RS256), EXP - 1), done("joe", EXP + 60_000));
    assert_eq!(step(&checker, &Real, &message(RS256), EXP + 60_000), invalid("the token is expired"));
    let tampered = RS256.replace(".cC4h", ".cC4i");
    assert_eq!(step(&checker, &Real, &message(&tampered), EXP - 1), invalid("the signature is wrong"));
}

#[test]
fn rfc_7515_a_3_es256() {
    let checker = joe(ec_jwk(""));
    assert_eq!(step(&checker, &Real, &message(ES256), EXP - 1), done("joe", EXP + 60_000));
    let tampered = ES256.replace(".DtEh", ".DtEi");
    assert_eq!(step(&checker, &Real, &message(&tampered), EXP - 1), invalid("the signature is wrong"));
}

#[test]
fn rfc_7515_a_4_es512() {
    let keys = keys(&[p521()]);
    let verified = |token| Jwt::parse(token).expect("a JWT").verified(&keys, &Real).err();
    // Past the signature: what it is over is not an object.
    assert_eq!(verified(ES512), Some("the claims are malformed"));
    assert_eq!(verified(&ES512.replace(".AdwM", ".AdwN")), Some("the signature is wrong"));
}

#[test]
fn what_the_verifier_is_given() {
    let fake = Fake::saying(true);
    assert_eq!(step(&joe(ec_jwk("")), &fake, &message(ES256), EXP - 1), done("joe", EXP + 60_000));
    let calls = fake.calls.borrow();
    let (input, signature) = ES256.rsplit_once('.').unwrap();
    let (r, s) = (&decode(signature)[..32], &decode(signature)[32..]);
    assert_eq!((calls.len(), calls[0].hash, calls[0].text.as_slice()), (1, SignatureHash::Sha256, input.as_bytes()));
    // r starts below 0x80, s above: it gets a zero in front.
    assert_eq!(calls[0].signature, [&[0x30, 69, 2, 32], r, &[2, 33, 0], s].concat());
    assert_eq!(KeySet::of_pem(super::keys::P256_PEM).unwrap().candidates_der(), [calls[0].key.clone()]);
}

#[test]
fn es384() {
    let key = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
    let point = key.verifying_key().to_encoded_point(false);
    let (x, y) = (encode(point.x().unwrap()), encode(point.y().unwrap()));
    let jwk = format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{y}","alg":"ES384","use":"sig"}}"#);
    let input = format!("{}.{}", encode(r#"{"alg":"ES384"}"#), encode(claims("{}")));
    let signature: p384::ecdsa::Signature = p384::ecdsa::signature::Signer::sign(&key, input.as_bytes());
    let token = format!("{input}.{}", encode(signature.to_bytes()));
    let checker = Checker::new(lenient(keys(&[jwk])));
    assert_eq!(step(&checker, &Real, &message(&token), NOW), done("alice", NOW + 360_000));
}

#[test]
fn each_algorithm_has_its_digest_and_its_signature_as_it_stands() {
    for (alg, hash) in
        [("RS256", SignatureHash::Sha256), ("RS384", SignatureHash::Sha384), ("RS512", SignatureHash::Sha512)]
    {
        let fake = Fake::saying(true);
        let header = format!(r#"{{"alg":"{alg}","kid":"rsa"}}"#);
        let input = format!("{}.{}", encode(header), encode(claims("{}")));
        let token = format!("{input}.{}", encode([0x80; 256]));
        let checker = Checker::new(settings());
        assert_eq!(step(&checker, &fake, &message(&token), NOW), done("alice", NOW + 360_000), "{alg}");
        let calls = fake.calls.borrow();
        assert_eq!((calls[0].hash, calls[0].signature.as_slice()), (hash, [0x80; 256].as_slice()));
        assert_eq!(calls[0].text, input.as_bytes());
    }
}

#[test]
fn small_numbers_of_a_signature_get_short() {
    let fake = Fake::saying(true);
    let raw = [[vec![0; 30], vec![0, 0x80]].concat(), [vec![0; 31], vec![1]].concat()].concat();
    let token = format!("{}.{}.{}", encode(HEADER), encode(claims("{}")), encode(raw));
    assert_eq!(step(&Checker::new(settings()), &fake, &message(&token), NOW), done("alice", NOW + 360_000));
    assert_eq!(fake.calls.borrow()[0].signature, [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]);
}
