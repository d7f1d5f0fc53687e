//! What stands at the head of a line of the log, behind `stat_prefix`: whose connection it is about.

use std::fmt;

use crate::exchange::session::Who;
use crate::text;

/// Whose connection a line is about: ` 10.0.0.7:53422 client "app-7" as "alice"`, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Head<'a> {
    /// The client's address, as the host writes it. Empty: the line is about no connection.
    pub(crate) address: &'a str,
    pub(crate) who: Who<'a>,
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.address.is_empty() {
            write!(f, " {}", text::shown(self.address.as_bytes()))?;
        }
        let Who { client_id, principal, tried } = self.who;
        let tried = tried.filter(|tried| Some(*tried) != principal);
        for (what, name) in [("client", client_id), ("as", principal), ("tried", tried)] {
            if let Some(name) = name {
                write!(f, " {what} {}", text::quoted(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{NAME_CHARS_SHOWN, WARNING_CHARS_MAX};

    fn head(address: &str, client_id: Option<&[u8]>, principal: Option<&[u8]>, tried: Option<&[u8]>) -> String {
        Head { address, who: Who { client_id, principal, tried } }.to_string()
    }

    #[test]
    fn what_is_known_is_said_in_one_form() {
        let (app, alice, bob) = (Some(&b"app-7"[..]), Some(&b"alice"[..]), Some(&b"bob"[..]));
        for (said, expected) in [
            (head("", None, None, None), ""),
            (head("10.0.0.7:53422", None, None, None), " 10.0.0.7:53422"),
            (head("[::1]:7", app, None, None), r#" [::1]:7 client "app-7""#),
            (head("10.0.0.7:1", app, alice, None), r#" 10.0.0.7:1 client "app-7" as "alice""#),
            (head("10.0.0.7:1", None, None, bob), r#" 10.0.0.7:1 tried "bob""#),
            (head("10.0.0.7:1", app, alice, bob), r#" 10.0.0.7:1 client "app-7" as "alice" tried "bob""#),
            (head("10.0.0.7:1", None, alice, alice), r#" 10.0.0.7:1 as "alice""#),
            (head("/run/\u{1b}x", Some(b"a\"] [k"), None, None), r#" /run/\u{1b}x client "a\"] [k""#),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn no_name_makes_a_line_long() {
        let long = vec![0x1b; 1 << 20];
        let said = head(&"x".repeat(1 << 20), Some(&long), Some(&long), Some(&long));
        assert!(said.len() < 4 * NAME_CHARS_SHOWN + 60 && said.len() < WARNING_CHARS_MAX, "{}", said.len());
    }
}
