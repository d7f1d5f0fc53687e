//! The messages of SCRAM as text (RFC 5802, section 7). Parsing is strict: what the grammar does not have is
//! refused.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use crate::limits::{SCRAM_NONCE_BYTES_MAX, SCRAM_SALT_BYTES_MAX, SCRAM_TOKEN_BYTES_MAX};
use crate::sasl::saslname::unescape;

/// The text of a message, unless it is too long.
fn text(token: &[u8]) -> Option<&str> {
    std::str::from_utf8(token).ok().filter(|text| text.len() <= SCRAM_TOKEN_BYTES_MAX)
}

/// The value of `part`, which must be `<name>=<value>`.
fn value(part: Option<&str>, name: char) -> Option<&str> {
    part?.strip_prefix(name)?.strip_prefix('=')
}

/// A nonce, or a part of one: printable, without a comma.
pub(super) fn is_nonce(text: &str) -> bool {
    (1..=2 * SCRAM_NONCE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// Names and values of extensions. RFC 5802 gives a name one letter, Kafka several. `m` announces that what
/// follows must be understood, and there is nothing yet to understand: refused, wherever it stands.
fn extensions<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Vec<(&'a str, &'a str)>> {
    let named = |part: &'a str| {
        let (name, value) = part.split_once('=')?;
        let letters = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        (letters && name != "m" && !value.is_empty() && !value.contains('\0')).then_some((name, value))
    };
    parts.map(named).collect()
}

/// Base64 as SCRAM has it (RFC 4648, section 4: padded).
pub(in crate::sasl) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Strictly: padded, and without bits left over, so that no two texts stand for the same bytes.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// What both sides sign (RFC 5802, section 3).
pub(in crate::sasl) fn auth_message(
    client_first_bare: &str,
    server_first: &str,
    client_final_without_proof: &str,
) -> String {
    format!("{client_first_bare},{server_first},{client_final_without_proof}")
}

/// The value of `c=` for a GS2 header, without channel binding.
pub(in crate::sasl) fn header_base64(gs2_header: &str) -> String {
    to_base64(gs2_header.as_bytes())
}

/// `n,[a=<authzid>],n=<name>,r=<nonce>[,<extensions>]`
pub(crate) struct ClientFirst<'a> {
    pub(crate) gs2_header: &'a str,
    /// The message without the header.
    pub(crate) bare: &'a str,
    pub(crate) authzid: Option<String>,
    pub(crate) name: String,
    pub(crate) nonce: &'a str,
    /// The name is the id of a delegation token (KIP-48).
    pub(crate) is_token: bool,
}

impl<'a> ClientFirst<'a> {
    pub(crate) fn parse(token: &'a [u8]) -> Option<Self> {
        let text = text(token)?;
        // `p=` asks for channel binding, which no SCRAM without `-PLUS` has.
        let rest = text.strip_prefix("n,").or(text.strip_prefix("y,"))?;
        let (authzid, bare) = rest.split_once(',')?;
        let gs2_header = text.strip_suffix(bare)?;
        let authzid = match authzid {
            "" => None,
            some => Some(unescape(value(Some(some), 'a')?)?),
        };
        let mut parts = bare.split(',');
        let name = unescape(value(parts.next(), 'n')?)?;
        let nonce = value(parts.next(), 'r').filter(|nonce| is_nonce(nonce) && nonce.len() <= SCRAM_NONCE_BYTES_MAX)?;
        let extensions = extensions(parts)?;
        let is_token =
            extensions.iter().any(|(name, value)| *name == "tokenauth" && value.eq_ignore_ascii_case("true"));
        Some(Self { gs2_header, bare, authzid, name, nonce, is_token })
    }
}

/// `r=<nonces of both>,s=<salt>,i=<iterations>[,<extensions>]`
pub(crate) struct ServerFirst<'a> {
    pub(crate) text: &'a str,
    pub(crate) nonce: &'a str,
    /// None: not Base64, empty or too long.
    pub(crate) salt: Option<Vec<u8>>,
    /// None: not a number that fits.
    pub(crate) iterations: Option<u32>,
}

impl<'a> ServerFirst<'a> {
    pub(crate) fn parse(token: &'a [u8]) -> Option<Self> {
        let text = text(token)?;
        let mut parts = text.split(',');
        let nonce = value(parts.next(), 'r').filter(|nonce| is_nonce(nonce))?;
        let salt = from_base64(value(parts.next(), 's')?);
        let digits = value(parts.next(), 'i')?;
        let is_number = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        extensions(parts)?;
        Some(Self {
            text,
            nonce,
            salt: salt.filter(|salt| (1..=SCRAM_SALT_BYTES_MAX).contains(&salt.len())),
            iterations: digits.parse().ok().filter(|_| is_number),
        })
    }

    pub(super) fn write(nonce: &str, salt: &[u8], iterations: u32) -> String {
        format!("r={nonce},s={},i={iterations}", to_base64(salt))
    }
}

/// `c=<header>,r=<nonces of both>[,<extensions>],p=<proof>`
pub(crate) struct ClientFinal<'a> {
    pub(crate) without_proof: &'a str,
    /// The GS2 header, in Base64.
    pub(crate) header: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) proof: Vec<u8>,
}

impl<'a> ClientFinal<'a> {
    pub(crate) fn parse(token: &'a [u8]) -> Option<Self> {
        let (without_proof, proof) = text(token)?.rsplit_once(",p=")?;
        let proof = from_base64(proof)?;
        let mut parts = without_proof.split(',');
        let header = value(parts.next(), 'c')?;
        let nonce = value(parts.next(), 'r')?;
        extensions(parts)?;
        Some(Self { without_proof, header, nonce, proof })
    }
}

/// `v=<signature>[,<extensions>]`, or `e=<error>`
pub(crate) enum ServerFinal {
    Signature(Vec<u8>),
    Error,
}

impl ServerFinal {
    pub(crate) fn parse(token: &[u8]) -> Option<Self> {
        let mut parts = text(token)?.split(',');
        let first = parts.next();
        if value(first, 'e').is_some() {
            return Some(Self::Error);
        }
        let signature = from_base64(value(first, 'v')?)?;
        extensions(parts)?;
        Some(Self::Signature(signature))
    }

    pub(super) fn write(signature: &[u8]) -> String {
        format!("v={}", to_base64(signature))
    }
}
