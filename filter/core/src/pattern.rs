//! Regular expressions of the configuration, bounded in what they take when compiled.

use regex::{Regex, RegexBuilder};

use crate::limits::REGEX_BYTES_MAX;

/// # Errors
/// What is wrong with the pattern; the text is meant to stand behind the pattern.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("takes more than {limit} bytes compiled"),
        // A drawing of the place, then the reason on a line of its own.
        other => {
            let text = other.to_string();
            format!("is no regex: {}", text.lines().last().unwrap_or_default().trim_start_matches("error: "))
        }
    })
}

/// Compiles for whole texts. It is compiled as it stands first, so that a text like `a)(b` does not
/// become valid by the parentheses around it.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_whole(pattern: &str) -> Result<Regex, String> {
    compile(pattern).and_then(|_| compile(&format!(r"\A(?:{pattern})\z")))
}

/// What [`compile_whole`] was given.
pub(crate) fn written(whole: &Regex) -> &str {
    let text = whole.as_str();
    text.strip_prefix(r"\A(?:").and_then(|text| text.strip_suffix(r")\z")).unwrap_or(text)
}
