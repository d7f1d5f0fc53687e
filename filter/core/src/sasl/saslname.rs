//! Names in the messages of GS2 mechanisms: a comma would end one, so it is written as `=2C`, and an equals
//! sign as `=3D` (`saslname`; RFC 5801, section 4, and RFC 5802, section 5.1).

pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that `text` stands for. None: it has another escape or a NUL, or is empty.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) =
            part.strip_prefix("2C").map(|rest| (',', rest)).or(part.strip_prefix("3D").map(|rest| ('=', rest)))?;
        name.push(sign);
        name.push_str(rest);
    }
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}
