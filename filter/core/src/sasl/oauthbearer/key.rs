//! One public key, and the signatures that fit it. A token's `alg` only ever chooses among the keys of the
//! type that it is for: no key is taken for what it is not (RFC 8725, section 3.1).

use std::borrow::Cow;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, SequenceOf, UintRef};
use der::{Decode, Encode};
use pkcs1::RsaPublicKey;
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};

use super::verifier::SignatureHash;
use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN, RSA_EXPONENT_BITS_MAX};

/// `rsaEncryption` (RFC 3279, section 2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480, section 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// How a point begins whose two coordinates are given (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
}

/// A curve of the NIST.
#[derive(Debug)]
struct Curve {
    key_type: KeyType,
    /// RFC 7518, section 6.2.1.1
    name: &'static str,
    /// RFC 5480, section 2.1.1.1
    oid: ObjectIdentifier,
    /// Bytes of a coordinate.
    bytes: usize,
}

const CURVES: [Curve; 3] = [
    Curve {
        key_type: KeyType::P256,
        name: "P-256",
        oid: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        bytes: 32,
    },
    Curve { key_type: KeyType::P384, name: "P-384", oid: ObjectIdentifier::new_unwrap("1.3.132.0.34"), bytes: 48 },
    Curve { key_type: KeyType::P521, name: "P-521", oid: ObjectIdentifier::new_unwrap("1.3.132.0.35"), bytes: 66 },
];

/// A signature algorithm of RFC 7518, section 3.1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Algorithm {
    pub(crate) name: &'static str,
    pub(crate) key_type: KeyType,
    pub(crate) hash: SignatureHash,
}

/// All algorithms that are accepted. `none` and those with a shared secret (`HS256`, …) are not among them.
static ALGORITHMS: [Algorithm; 6] = [
    Algorithm { name: "RS256", key_type: KeyType::Rsa, hash: SignatureHash::Sha256 },
    Algorithm { name: "RS384", key_type: KeyType::Rsa, hash: SignatureHash::Sha384 },
    Algorithm { name: "RS512", key_type: KeyType::Rsa, hash: SignatureHash::Sha512 },
    Algorithm { name: "ES256", key_type: KeyType::P256, hash: SignatureHash::Sha256 },
    Algorithm { name: "ES384", key_type: KeyType::P384, hash: SignatureHash::Sha384 },
    Algorithm { name: "ES512", key_type: KeyType::P521, hash: SignatureHash::Sha512 },
];

impl Algorithm {
    /// The algorithm that is called `name`, exactly.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The key's name in tokens (`kid`).
    pub(crate) id: Option<String>,
    /// The only algorithm that the key is for, if the key says so.
    pub(crate) algorithm: Option<&'static Algorithm>,
    pub(crate) key_type: KeyType,
    /// A SubjectPublicKeyInfo (RFC 5280, section 4.1).
    pub(crate) der: Vec<u8>,
    /// Bytes of the key's signatures in tokens.
    signature_bytes: usize,
}

impl Key {
    /// What a check of a signature takes Envoy, in microseconds; measured with 1.40.
    pub(crate) fn check_us(&self) -> i64 {
        match self.key_type {
            // The time grows with the square of the length: 256 bytes of it take 13 microseconds beside the
            // first 10.
            KeyType::Rsa => i64::try_from(10 + self.signature_bytes * self.signature_bytes / 5_000).unwrap_or(i64::MAX),
            KeyType::P256 => 100,
            KeyType::P384 => 360,
            KeyType::P521 => 810,
        }
    }

    /// An RSA key by modulus and public exponent, big-endian.
    ///
    /// # Errors
    /// Which number is out of range.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, String> {
        let (length, exponent_length) = (bits(modulus), bits(exponent));
        if length < RSA_BITS_MIN {
            return Err(format!("an RSA key of {length} bits is too weak: at least {RSA_BITS_MIN}"));
        }
        if length > RSA_BITS_MAX {
            return Err(format!("an RSA key of {length} bits is too long: at most {RSA_BITS_MAX}"));
        }
        if !is_odd(modulus) {
            return Err("the RSA modulus is even".to_owned());
        }
        if !is_odd(exponent) || !(2..=RSA_EXPONENT_BITS_MAX).contains(&exponent_length) {
            return Err(format!("the RSA exponent must be odd, above 1 and of at most {RSA_EXPONENT_BITS_MAX} bits"));
        }
        let der = rsa_der(modulus, exponent).map_err(|_| "the RSA key cannot be encoded".to_owned())?;
        Ok(Self { id: None, algorithm: None, key_type: KeyType::Rsa, der, signature_bytes: length.div_ceil(8) })
    }

    /// A key by the name of its curve and its coordinates, big-endian. None: the curve is not for tokens.
    ///
    /// # Errors
    /// The coordinates are not as long as the curve's must be (RFC 7518, section 6.2.1.2). Whether the point
    /// lies on the curve is found out by the verifier.
    pub(crate) fn ec(curve: &str, x: &[u8], y: &[u8]) -> Option<Result<Self, String>> {
        let curve = CURVES.iter().find(|known| known.name == curve)?;
        if x.len() != curve.bytes || y.len() != curve.bytes {
            return Some(Err(format!("the coordinates of a {} key have {} bytes", curve.name, curve.bytes)));
        }
        Some(Self::on(curve, &[&[UNCOMPRESSED], x, y].concat()))
    }

    /// The key in a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// The key is malformed, or of no use for tokens.
    pub(crate) fn of_spki(der: &[u8]) -> Result<Self, String> {
        let malformed = |_| "the public key is malformed".to_owned();
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let bytes = spki.subject_public_key.as_bytes().ok_or("the public key is malformed")?;
        if spki.algorithm.oid == RSA {
            let key = RsaPublicKey::from_der(bytes).map_err(malformed)?;
            return Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes());
        }
        if spki.algorithm.oid != EC {
            return Err("the public key is neither RSA nor EC".to_owned());
        }
        let oid = spki.algorithm.parameters_oid().map_err(|_| "the EC key names no curve")?;
        let curve =
            CURVES.iter().find(|curve| curve.oid == oid).ok_or("the EC key's curve is not P-256, P-384 or P-521")?;
        if bytes.first() != Some(&UNCOMPRESSED) || bytes.len() != 1 + 2 * curve.bytes {
            return Err(format!("the EC key's point is not an uncompressed one of {}", curve.name));
        }
        Self::on(curve, bytes)
    }

    fn on(curve: &Curve, point: &[u8]) -> Result<Self, String> {
        let der = ec_der(curve, point).map_err(|_| "the EC key cannot be encoded".to_owned())?;
        Ok(Self { id: None, algorithm: None, key_type: curve.key_type, der, signature_bytes: 2 * curve.bytes })
    }

    /// Whether tokens signed by `algorithm` can be this key's.
    pub(crate) fn fits(&self, algorithm: &Algorithm) -> bool {
        self.key_type == algorithm.key_type && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// A token's signature in the form that a [`Verifier`](super::verifier::Verifier) takes. None: it cannot
    /// be one of this key's.
    pub(crate) fn signature<'a>(&self, raw: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if raw.len() != self.signature_bytes {
            return None;
        }
        match self.key_type {
            KeyType::Rsa => Some(Cow::Borrowed(raw)),
            KeyType::P256 | KeyType::P384 | KeyType::P521 => ecdsa_der(raw).map(Cow::Owned),
        }
    }
}

/// Bits of a big-endian number without its leading zeros.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(8, |byte| byte.leading_zeros() as usize);
    (8 * (number.len() - zeros)).saturating_sub(first)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte % 2 == 1)
}

fn rsa_der(modulus: &[u8], exponent: &[u8]) -> der::Result<Vec<u8>> {
    let key = RsaPublicKey { modulus: UintRef::new(modulus)?, public_exponent: UintRef::new(exponent)? }.to_der()?;
    let algorithm = AlgorithmIdentifier { oid: RSA, parameters: Some(AnyRef::NULL) };
    SubjectPublicKeyInfo { algorithm, subject_public_key: BitStringRef::from_bytes(&key)? }.to_der()
}

fn ec_der(curve: &Curve, point: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifier { oid: EC, parameters: Some(curve.oid) };
    SubjectPublicKeyInfo { algorithm, subject_public_key: BitStringRef::from_bytes(point)? }.to_der()
}

/// `r` and `s`, one behind the other (RFC 7518, section 3.4), as an Ecdsa-Sig-Value (RFC 3279, section
/// 2.2.3). Zeros are refused here: a verifier that forgot to would take them for anything's signature.
fn ecdsa_der(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    if bits(r) == 0 || bits(s) == 0 {
        return None;
    }
    let mut signature = SequenceOf::<UintRef<'_>, 2>::new();
    signature.add(UintRef::new(r).ok()?).ok()?;
    signature.add(UintRef::new(s).ok()?).ok()?;
    signature.to_der().ok()
}
