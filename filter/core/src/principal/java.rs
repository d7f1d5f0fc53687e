//! Java's regular expressions (`java.util.regex`), read for the crate regex.
//!
//! What is written here is understood: classes are written out character by character, and what the crate
//! cannot match alike, or what Java's versions disagree about, is refused with its name. A rule that matches
//! other names than it does in Kafka would give clients other principals.

mod replacement;
mod set;

use self::set::Set;
use crate::limits::PRINCIPAL_RULE_DEPTH_MAX;

pub(super) use self::replacement::{replacement, Part};
pub(super) use self::set::LINE_ENDS;

/// A pattern for the crate regex.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// `$` or `\Z` stands in it. In Java they also match before a line's end that ends the text, which the
    /// crate cannot: such texts are not to be matched.
    pub(super) has_dollar: bool,
}

/// The same pattern for the crate regex.
///
/// # Errors
/// What Java does not take, or what cannot be matched alike; the text is meant to stand behind the pattern.
pub(super) fn pattern(java: &str) -> Result<Translated, String> {
    let mut reader =
        Reader { rest: unquoted(java), at: 0, out: String::with_capacity(java.len()), depth: 0, has_dollar: false };
    reader.alternatives(&mut Flags::default())?;
    match reader.next() {
        None => Ok(Translated { pattern: reader.out, has_dollar: reader.has_dollar }),
        Some(_) => Err("closes a group that is not open".to_owned()),
    }
}

/// A character of a pattern, and whether it is quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Plain(char),
    /// Between `\Q` and `\E`.
    Quoted(char),
}
use Token::{Plain, Quoted};

/// Takes `\Q` and `\E` out, as Java does before anything else.
fn unquoted(java: &str) -> Vec<Token> {
    let mut tokens = vec![];
    let mut rest = java.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            tokens.push(Plain(c));
        } else if rest.next_if_eq(&'Q').is_none() {
            tokens.push(Plain(c));
            tokens.extend(rest.next().map(Plain));
        } else {
            while let Some(c) = rest.next() {
                if c == '\\' && rest.next_if_eq(&'E').is_some() {
                    break;
                }
                tokens.push(Quoted(c));
            }
        }
    }
    tokens
}

#[derive(Clone, Copy, Default)]
struct Flags {
    /// i: ASCII letters match in both cases.
    any_case: bool,
    /// s: `.` matches line ends.
    dot_all: bool,
    /// d: only `\n` ends a line.
    unix_lines: bool,
}

/// What an escape stands for.
enum Escape {
    Char(char),
    Class(Set),
    /// A place in the text, outside of classes.
    Place(&'static str),
}

struct Reader {
    rest: Vec<Token>,
    at: usize,
    out: String,
    /// How many groups and classes are open.
    depth: usize,
    has_dollar: bool,
}

fn unsupported<T>(what: &str) -> Result<T, String> {
    Err(format!("has {what}, which is not supported"))
}

impl Reader {
    fn peek(&self) -> Option<Token> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Takes `c` if it is next, and not quoted.
    fn eat(&mut self, c: char) -> bool {
        let is_next = self.peek() == Some(Plain(c));
        self.at += usize::from(is_next);
        is_next
    }

    fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > PRINCIPAL_RULE_DEPTH_MAX {
            return Err(format!("nests more than {PRINCIPAL_RULE_DEPTH_MAX} groups or classes"));
        }
        Ok(())
    }

    /// Up to the end of the group or the pattern. Gives whether nothing at all may match.
    fn alternatives(&mut self, flags: &mut Flags) -> Result<bool, String> {
        let mut may_be_empty = false;
        let mut this_one = true;
        loop {
            match self.peek() {
                None | Some(Plain(')')) => return Ok(may_be_empty || this_one),
                Some(Plain('|')) => {
                    self.at += 1;
                    self.out.push('|');
                    may_be_empty |= this_one;
                    this_one = true;
                }
                Some(token) => {
                    self.at += 1;
                    this_one &= self.item(token, flags)?;
                }
            }
        }
    }

    /// Anything with what repeats it. Gives whether nothing at all may match.
    fn item(&mut self, token: Token, flags: &mut Flags) -> Result<bool, String> {
        let may_be_empty = match token {
            Quoted(c) => self.char(c, *flags),
            Plain('(') => match self.group(flags)? {
                Some(may_be_empty) => may_be_empty,
                // Flags for what follows: nothing that could be repeated.
                None => return Ok(true),
            },
            Plain('[') => {
                let set = self.class(*flags)?;
                self.set(&set)
            }
            Plain('\\') => match self.escape(*flags)? {
                Escape::Char(c) => self.char(c, *flags),
                Escape::Class(set) => self.set(&set),
                Escape::Place(place) => self.place(place),
            },
            Plain('^') => self.place(r"\A"),
            Plain('$') => {
                self.has_dollar = true;
                self.place(r"\z")
            }
            Plain('.') if flags.dot_all => self.set(&Set::default().not()),
            Plain('.') => self.set(&set::dot(flags.unix_lines)),
            Plain(c @ ('*' | '+' | '?' | '{')) => return Err(format!("has a {c} that repeats nothing")),
            Plain(c) => self.char(c, *flags),
        };
        self.repeated(may_be_empty)
    }

    fn char(&mut self, c: char, flags: Flags) -> bool {
        let set = Set::one(c);
        let set = if flags.any_case { set.in_any_case() } else { set };
        self.set(&set)
    }

    fn set(&mut self, set: &Set) -> bool {
        self.out.push_str(&set.written());
        false
    }

    fn place(&mut self, place: &str) -> bool {
        self.out.push_str(place);
        true
    }

    /// What repeats the item that was written last.
    fn repeated(&mut self, may_be_empty: bool) -> Result<bool, String> {
        let (text, may_be_left_out) = match self.peek() {
            Some(Plain(c @ ('*' | '?'))) => (c.to_string(), true),
            Some(Plain('+')) => ("+".to_owned(), false),
            Some(Plain('{')) => self.counted()?,
            _ => return Ok(may_be_empty),
        };
        self.at += 1;
        // Java and the crate disagree about what such a repetition matches, and what its groups hold in the
        // end.
        if may_be_empty && text != "?" {
            return unsupported("a * or + or {…} behind what may match nothing, as in (a*)+");
        }
        self.out.push_str(&text);
        if self.eat('?') {
            self.out.push('?');
        }
        match self.peek() {
            Some(Plain('*' | '+' | '?' | '{')) => unsupported("a possessive or doubled quantifier"),
            _ => Ok(may_be_empty || may_be_left_out),
        }
    }

    /// `{n}`, `{n,}` or `{n,m}` up to the closing brace, and whether n is 0.
    fn counted(&mut self) -> Result<(String, bool), String> {
        let mut text = String::new();
        while let Some(Plain(c)) = self.peek().filter(|token| *token != Plain('}')) {
            text.push(c);
            self.at += 1;
        }
        let (least, most) = text
            .get(1..)
            .unwrap_or_default()
            .split_once(',')
            .map_or((text.get(1..), None), |(a, b)| (Some(a), Some(b)));
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let least = least.and_then(number);
        let is_most = most.is_none_or(|most| most.is_empty() || number(most) >= least);
        match least {
            Some(least) if is_most && self.peek() == Some(Plain('}')) => Ok((text + "}", least == 0)),
            _ => Err(r"has a { that starts no repetition; \{ is a brace".to_owned()),
        }
    }

    /// Behind a `(`, up to its `)`. None: it only sets flags.
    fn group(&mut self, flags: &mut Flags) -> Result<Option<bool>, String> {
        self.enter()?;
        let mut inner = *flags;
        if !self.eat('?') {
            self.out.push('(');
        } else if self.eat('<') {
            let mut name = String::new();
            while let Some(Plain(c)) = self.peek().filter(|token| *token != Plain('>')) {
                name.push(c);
                self.at += 1;
            }
            if name.starts_with(['=', '!']) {
                return unsupported("a look-behind (?<=…) or (?<!…)");
            }
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_name || !self.eat('>') {
                return Err("has a group whose name is none: letters and digits of ASCII are".to_owned());
            }
            self.out.push_str(&format!("(?<{name}>"));
        } else {
            self.flags(&mut inner)?;
            if self.eat(')') {
                self.depth -= 1;
                *flags = inner;
                return Ok(None);
            }
            if !self.eat(':') {
                return unsupported("a look-ahead or (?>…)");
            }
            self.out.push_str("(?:");
        }
        let may_be_empty = self.alternatives(&mut inner)?;
        if !self.eat(')') {
            return Err("has a group that is not closed".to_owned());
        }
        self.out.push(')');
        self.depth -= 1;
        Ok(Some(may_be_empty))
    }

    fn flags(&mut self, flags: &mut Flags) -> Result<(), String> {
        let mut on = true;
        while let Some(Plain(c)) = self.peek() {
            match c {
                'i' => flags.any_case = on,
                's' => flags.dot_all = on,
                'd' => flags.unix_lines = on,
                '-' if on => on = false,
                c if c.is_ascii_alphabetic() => {
                    return Err(format!("has the flag {c}, which is not supported: i, s and d are"));
                }
                _ => break,
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Behind a `[`, up to its `]`.
    fn class(&mut self, flags: Flags) -> Result<Set, String> {
        self.enter()?;
        let is_negated = self.eat('^');
        let mut set: Option<Set> = None;
        loop {
            let more = match self.next() {
                None => return Err("has a class that is not closed".to_owned()),
                Some(Plain(']')) if set.is_some() => break,
                Some(Plain('[')) => self.class(flags)?,
                Some(Plain('&')) if self.peek() == Some(Plain('&')) => {
                    set = Some(self.intersection(set, flags)?);
                    break;
                }
                Some(token) => self.range(token, flags)?,
            };
            set = Some(set.unwrap_or_default().or(more));
        }
        self.depth -= 1;
        let set = set.unwrap_or_default();
        Ok(if is_negated { set.not() } else { set })
    }

    /// Behind the first `&`. Java's rules for what stands beside `&&` are strange, but for classes in
    /// brackets of their own.
    fn intersection(&mut self, set: Option<Set>, flags: Flags) -> Result<Set, String> {
        let form = || unsupported("&& in a class in another form than [a-z&&[^b]]");
        let Some(mut set) = set else { return form() };
        self.at += 1;
        loop {
            if !self.eat('[') {
                return form();
            }
            set = set.and(self.class(flags)?);
            match (self.next(), self.peek()) {
                (Some(Plain(']')), _) => return Ok(set),
                (Some(Plain('&')), Some(Plain('&'))) => self.at += 1,
                _ => return form(),
            }
        }
    }

    /// A character of a class, or a range that starts with it.
    fn range(&mut self, token: Token, flags: Flags) -> Result<Set, String> {
        let first = match self.member(token, flags)? {
            Ok(c) => c,
            Err(set) => return Ok(set),
        };
        // At the end of a class, or before a class within it, the hyphen is one itself.
        let is_range =
            self.peek() == Some(Plain('-')) && !matches!(self.rest.get(self.at + 1), None | Some(Plain(']' | '[')));
        let last = if is_range {
            self.at += 1;
            let token = self.next().unwrap_or(Plain('-'));
            self.member(token, flags)?.map_err(|_| "has a range that ends with a class")?
        } else {
            first
        };
        if last < first {
            return Err(format!("has a range from {first:?} down to {last:?}"));
        }
        let set = Set::of(&[(first, last)]);
        Ok(if flags.any_case { set.in_any_case() } else { set })
    }

    /// One character of a class, or a class that an escape stands for.
    fn member(&mut self, token: Token, flags: Flags) -> Result<Result<char, Set>, String> {
        match token {
            Plain('\\') => match self.escape(flags)? {
                Escape::Char(c) => Ok(Ok(c)),
                // Before a hyphen, \v is one character in Java.
                Escape::Class(_)
                    if self.rest.get(self.at - 1) == Some(&Plain('v')) && self.peek() == Some(Plain('-')) =>
                {
                    unsupported(r"\v before a - in a class")
                }
                Escape::Class(set) => Ok(Err(set)),
                Escape::Place(_) => Err("has an escape in a class that matches a place".to_owned()),
            },
            Plain(c) | Quoted(c) => Ok(Ok(c)),
        }
    }

    /// Behind a backslash.
    fn escape(&mut self, flags: Flags) -> Result<Escape, String> {
        // The quoted parts are gone already, so what follows a backslash is not quoted.
        let Some(Plain(c)) = self.next() else { return Err("ends with a backslash".to_owned()) };
        if let Some(set) = set::lettered(c) {
            return Ok(Escape::Class(set));
        }
        Ok(match c {
            'p' | 'P' => Escape::Class(self.property(c == 'P', flags)?),
            'A' => Escape::Place(r"\A"),
            'z' => Escape::Place(r"\z"),
            'Z' => {
                self.has_dollar = true;
                Escape::Place(r"\z")
            }
            't' => Escape::Char('\t'),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            'f' => Escape::Char('\x0C'),
            'a' => Escape::Char('\x07'),
            'e' => Escape::Char('\x1B'),
            '0' => Escape::Char(self.octal()?),
            'x' if self.eat('{') => Escape::Char(self.braced()?),
            'x' => Escape::Char(self.hexadecimal(2)?),
            'u' => Escape::Char(self.hexadecimal(4)?),
            '1'..='9' | 'k' => return unsupported("a reference to a group"),
            // Java 19 made them mean something else.
            'b' | 'B' => return unsupported(r"\b or \B"),
            'c' | 'N' | 'G' | 'R' | 'X' => return Err(format!(r"has \{c}, which is not supported")),
            c if c.is_ascii_alphabetic() => return Err(format!(r"has \{c}, which is no escape")),
            c => Escape::Char(c),
        })
    }

    /// Behind `\p` or `\P`.
    fn property(&mut self, is_negated: bool, flags: Flags) -> Result<Set, String> {
        let mut name = String::new();
        if self.eat('{') {
            while let Some(Plain(c)) = self.next().filter(|token| *token != Plain('}')) {
                name.push(c);
            }
        } else if let Some(Plain(c)) = self.next() {
            name.push(c);
        }
        // Java's versions disagree.
        if flags.any_case && matches!(name.as_str(), "Lower" | "Upper") {
            return unsupported(r"\p{Lower} or \p{Upper} under the flag i");
        }
        match set::named(&name) {
            Some(set) => Ok(if is_negated { set.not() } else { set }),
            None => Err(format!(
                "has \\p{{{name}}}, which is not supported: \\p{{Alpha}} and the other classes of ASCII are, and lists as in \
                 [a-zäöü]"
            )),
        }
    }

    /// `\0n`, `\0nn` or `\0mnn`.
    fn octal(&mut self) -> Result<char, String> {
        let mut number = None;
        for _ in 0..3 {
            let digit = match self.peek() {
                Some(Plain(c)) => c.to_digit(8),
                _ => None,
            };
            let Some(longer) = digit.map(|digit| number.unwrap_or(0) * 8 + digit).filter(|longer| *longer <= 0o377)
            else {
                break;
            };
            number = Some(longer);
            self.at += 1;
        }
        number.and_then(char::from_u32).ok_or_else(|| r"has \0 without an octal number behind it".to_owned())
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<char, String> {
        let mut number = 0;
        for _ in 0..digits {
            let digit = match self.next() {
                Some(Plain(c)) => c.to_digit(16),
                _ => None,
            };
            number = number * 16 + digit.ok_or_else(|| format!("has an escape without {digits} hexadecimal digits"))?;
        }
        char::from_u32(number).ok_or_else(|| r"has half a character: \x{…} is a whole one".to_owned())
    }

    /// Behind `\x{`.
    fn braced(&mut self) -> Result<char, String> {
        let mut text = String::new();
        while let Some(Plain(c)) = self.next().filter(|token| *token != Plain('}')) {
            text.push(c);
        }
        let is_number = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(&text, 16).ok().filter(|_| is_number);
        number.and_then(char::from_u32).ok_or_else(|| format!(r"has \x{{{text}}}, which is no character"))
    }
}
