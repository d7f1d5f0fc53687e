//! OAUTHBEARER's first message (RFC 7628, section 3.1).

use kafka_partition_remapper_core::fuzzing;

use crate::bounds::bounded;
use crate::second;

pub fn oauth_message(data: &[u8]) {
    let read = bounded(data, 16, || fuzzing::oauth_message(data).map(|(authzid, token)| (authzid, token.to_owned())));
    assert_eq!(read, std::str::from_utf8(data).ok().and_then(second_reading));
}

fn second_reading(text: &str) -> Option<(String, String)> {
    // An empty authorization id is none, too.
    let plain = text.replacen(",a=,", ",,", usize::from(text.get(1..5) == Some(",a=,")));
    let (authzid, rest) = second::gs2(&plain)?;
    let parts: Vec<&str> = rest.split('\u{1}').collect();
    let ["", pairs @ .., "", ""] = &parts[..] else { return None };
    let mut tokens = vec![];
    for pair in pairs {
        let equals = pair.find('=')?;
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        let letters = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic());
        if !letters || !value.chars().all(|c| matches!(c, '\t' | '\r' | '\n' | ' '..='~')) {
            return None;
        }
        if key == "auth" {
            tokens.push(bearer(value)?);
        }
    }
    let [token] = &tokens[..] else { return None };
    Some((authzid.unwrap_or_default(), token.clone()))
}

fn bearer(value: &str) -> Option<String> {
    let is_scheme = value.len() > 7 && value[..7].eq_ignore_ascii_case("bearer ");
    let token = value.get(7..)?.trim_start_matches(' ');
    let b64token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    (is_scheme && !token.is_empty() && token.chars().all(b64token)).then(|| token.to_owned())
}
