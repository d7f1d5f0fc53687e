//! `host:port`, and hosts with a place for the broker id. IPv6 addresses stand in brackets where a port
//! follows, and without them in [`Address::host`], as Kafka's protocol has it.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::limits::HOST_BYTES_MAX;

/// Where the broker id goes in a template.
const ID: &str = "{id}";

/// A name or IP address, and a port of 1..=65535.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A host name of at most [`HOST_BYTES_MAX`] bytes, or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// 1..=65535
    pub port: u16,
}

impl Address {
    /// The address that a broker gives itself in an answer, unless its port is none.
    pub(crate) fn of(host: &str, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        Some(Self { host: host.to_owned(), port })
    }

    /// The host as it stands where a port may follow: an IPv6 address in brackets.
    pub fn bracketed_host(&self) -> Cow<'_, str> {
        if self.host.contains(':') {
            Cow::Owned(format!("[{}]", self.host))
        } else {
            Cow::Borrowed(&self.host)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed_host(), self.port)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        Ok(Self { host: parse_host(host)?, port })
    }
}

/// A host with `{id}` in it, such as `b{id}.kafka.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTemplate {
    before: String,
    after: String,
}

impl HostTemplate {
    /// The host of a broker.
    pub fn fill(&self, id: i32) -> String {
        format!("{}{id}{}", self.before, self.after)
    }

    /// The broker whose host this is, whatever the letters' case; `None` if it is nobody's. Only the
    /// spelling that [`HostTemplate::fill`] makes counts, so an id has one name.
    pub(crate) fn id_of(&self, host: &str) -> Option<i32> {
        let middle_end = host.len().checked_sub(self.after.len())?;
        let before = host.get(..self.before.len())?;
        let middle = host.get(self.before.len()..middle_end)?;
        let after = host.get(middle_end..)?;
        if !before.eq_ignore_ascii_case(&self.before) || !after.eq_ignore_ascii_case(&self.after) {
            return None;
        }
        let id: i32 = middle.parse().ok()?;
        (id >= 0 && id.to_string() == middle).then_some(id)
    }
}

impl fmt::Display for HostTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{ID}{}", self.before, self.after)
    }
}

impl FromStr for HostTemplate {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (before, after) = text.split_once(ID).ok_or(AddressError::NoId)?;
        if after.contains(ID) {
            return Err(AddressError::ManyIds);
        }
        let template = Self { before: before.to_owned(), after: after.to_owned() };
        // The longest id decides whether every one fits.
        parse_host(&template.fill(i32::MAX))?;
        Ok(template)
    }
}

/// An address with `{id}` in its host, such as `kafka-{id}.kafka:9092`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTemplate {
    host: HostTemplate,
    port: u16,
}

impl AddressTemplate {
    /// The address of a broker.
    pub(crate) fn fill(&self, id: i32) -> Address {
        Address { host: self.host.fill(id), port: self.port }
    }
}

impl fmt::Display for AddressTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for AddressTemplate {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        Ok(Self { host: host.parse()?, port })
    }
}

/// Checks a host, with an IPv6 address in or without brackets, and gives it back without them.
///
/// # Errors
/// [`AddressError::BadHost`] unless it is an IPv6 address, or made of letters, digits, `.`, `-` and `_`.
pub(crate) fn parse_host(text: &str) -> Result<String, AddressError> {
    if text.contains(ID) {
        return Err(AddressError::MisplacedId);
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bracketed.is_some() || text.contains(':') {
        let host = bracketed.unwrap_or(text);
        return host.parse::<Ipv6Addr>().map(|_| host.to_owned()).map_err(|_| AddressError::BadHost);
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > HOST_BYTES_MAX || !text.bytes().all(legal) {
        return Err(AddressError::BadHost);
    }
    Ok(text.to_owned())
}

/// The host, still in its brackets if it has any, and the port.
fn split(text: &str) -> Result<(&str, u16), AddressError> {
    if text.contains("://") {
        return Err(AddressError::Url);
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if port.contains(ID) {
        return Err(AddressError::IdInPort);
    }
    // Else the last part of a bare IPv6 address would be taken for the port.
    if host.contains(':') && !host.ends_with(']') {
        return Err(AddressError::BareIpv6);
    }
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0).ok_or(AddressError::BadPort)?;
    Ok((host, port))
}

/// What is wrong with an address; its text says what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing stands behind a colon.
    NoPort,
    /// What stands behind the last colon is not a number of 1..=65535.
    BadPort,
    /// The host is neither an IP address nor a name of letters, digits, `.`, `-` and `_`, or the name is too
    /// long.
    BadHost,
    /// An IPv6 address stands without brackets before a port.
    BareIpv6,
    /// A template has no `{id}` in its host.
    NoId,
    /// A template has `{id}` more than once.
    ManyIds,
    /// A port has `{id}` in it.
    IdInPort,
    /// What is no template has `{id}` in it.
    MisplacedId,
    /// The scheme of a URL stands before the host.
    Url,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "has no port; host:port is needed",
            Self::BadPort => "has no port of 1..=65535 after its last colon",
            Self::BadHost => "has no host name or IP address that is valid",
            Self::BareIpv6 => "has an IPv6 address without brackets; [address]:port is needed",
            Self::NoId => "has no {id} in its host, so all brokers would be one",
            Self::ManyIds => "has {id} more than once",
            Self::IdInPort => {
                "has {id} in its port, and only a host may have it: where brokers differ by port, leave \
                 route.dynamic.address out, and they are reached as they name themselves"
            }
            Self::MisplacedId => "has {id}, which only advertise.sni.host and route.dynamic.address may have",
            Self::Url => "is a URL; host:port is needed",
        })
    }
}

impl std::error::Error for AddressError {}
