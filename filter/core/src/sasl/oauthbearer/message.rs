//! What a client sends first (RFC 7628, section 3.1):
//!
//! ```text
//!   n,a=authzid,^Aauth=Bearer TOKEN^Akey=value^A^A
//!   ╰─gs2-header╯╰────── key/value pairs ─────╯
//! ```
//!
//! The authorization id may be absent, and so may all pairs but `auth`. The others are Kafka's extensions
//! (KIP-342): they must be well formed, and nobody asks for them here.

use crate::sasl::saslname::unescape;

/// What ends each pair, and the message.
const SEPARATOR: char = '\u{1}';

/// A client's message, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientResponse<'a> {
    /// Who the client wants to be; empty: whoever the token names.
    pub(crate) authzid: String,
    pub(crate) token: &'a str,
}

impl<'a> ClientResponse<'a> {
    /// None: this is not how a client of OAUTHBEARER begins.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        // `n` and `y` speak of channel binding, which TLS outside of us cannot have; `p` asks for it (RFC
        // 5801, section 4).
        let rest = message.strip_prefix("n,").or_else(|| message.strip_prefix("y,"))?;
        let (authzid, rest) = rest.split_once(',')?;
        let authzid = match authzid {
            "" | "a=" => String::new(),
            named => unescape(named.strip_prefix("a=")?)?,
        };
        let pairs = rest.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
        let mut token = None;
        for pair in pairs.split(SEPARATOR) {
            let (key, value) = pair.split_once('=')?;
            if !is_key(key) || !value.bytes().all(is_value) {
                return None;
            }
            if key == "auth" && token.replace(bearer(value)?).is_some() {
                return None;
            }
        }
        Some(Self { authzid, token: token? })
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7e)
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1), the scheme in any case (RFC 9110, section 11.1).
fn bearer(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let well_formed = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(is_token);
    well_formed.then_some(token)
}
