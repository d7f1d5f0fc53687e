//! What somebody speaks who does not speak Kafka's protocol, told by the first bytes: a port or a
//! `transport_socket` is mistaken.
//!
//! To the filter such bytes are the length of a frame: TLS is one of 350 MB, HTTP one of more than 1 GiB.
//! They are looked at once that frame has made trouble, so nobody who speaks Kafka is ever taken for somebody
//! else.

use std::fmt;

/// What is spoken instead of Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A record of TLS (RFC 8446, section 5.1), or of SSL 3.
    Tls,
    /// HTTP/1, a request or an answer.
    Http,
    /// The preface of HTTP/2 (RFC 9113, section 3.4).
    Http2,
    /// The header that a load balancer puts before what its client sends (PROXY protocol, version 1 or 2).
    Proxy,
}

impl Foreign {
    /// None: it may be Kafka's protocol, or is nothing that is known here.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        const REQUESTS: [&[u8]; 10] =
            [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"CONN", b"TRAC", b"PATC", b"HTTP"];
        // Change of cipher, alert, handshake, application data; version 3.0 to 3.4.
        if let [0x14..=0x17, 3, 0..=4, ..] = first {
            return Some(Self::Tls);
        }
        match first.get(..4)? {
            b"PRI " => Some(Self::Http2),
            b"PROX" | b"\r\n\r\n" => Some(Self::Proxy),
            four => REQUESTS.contains(&four).then_some(Self::Http),
        }
    }

    /// What to do about a client that speaks it.
    pub(crate) fn at_client(self) -> &'static str {
        match self {
            Self::Tls => {
                "where Envoy should end TLS, the listener's filter chain lacks a transport_socket \
                 (envoy.transport_sockets.tls); else the client has to speak clear text (security.protocol PLAINTEXT or \
                 SASL_PLAINTEXT)"
            }
            Self::Http | Self::Http2 => {
                "is this a browser, a health check or a scanner? Envoy's own health is at its admin port, /ready"
            }
            Self::Proxy => "the listener lacks the listener filter envoy.filters.listener.proxy_protocol",
        }
    }

    /// What to do about a broker that speaks it.
    pub(crate) fn at_broker(self) -> &'static str {
        match self {
            Self::Tls => {
                "Envoy's cluster lacks a transport_socket (envoy.transport_sockets.tls), or has the brokers' port for TLS \
                 where it should have that for clear text"
            }
            Self::Http | Self::Http2 | Self::Proxy => {
                "Envoy's cluster, or route.dynamic, leads to something that is no broker"
            }
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
            Self::Proxy => "the PROXY protocol",
        })
    }
}

/// The first bytes of one direction of a connection, as many as [`Foreign::of`] looks at.
#[derive(Debug, Default)]
pub(crate) struct FirstBytes {
    bytes: [u8; 4],
    len: usize,
}

impl FirstBytes {
    /// These came next.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.len).zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }

    pub(crate) fn foreign(&self) -> Option<Foreign> {
        Foreign::of(self.bytes.get(..self.len)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_first_bytes_wherever_they_are_cut() {
        for (bytes, foreign) in [
            (&b"\x16\x03\x01\x06\x00\x01\x00"[..], Some(Foreign::Tls)),
            (b"\x15\x03\x03\x00\x02\x02\x50", Some(Foreign::Tls)),
            (b"GET / HTTP/1.1\r\n", Some(Foreign::Http)),
            (b"CONNECT kafka:9092 HTTP/1.1\r\n", Some(Foreign::Http)),
            (b"HTTP/1.1 400 Bad Request\r\n", Some(Foreign::Http)),
            (b"PRI * HTTP/2.0\r\n\r\n", Some(Foreign::Http2)),
            (b"PROXY TCP4 10.0.0.1", Some(Foreign::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n", Some(Foreign::Proxy)),
            (b"\0\0\0\x2a\0\x12\0\x04", None),
            // An honest frame of 350 MiB or so is none of these.
            (b"\x15\xe0\0\0\0\0\0\x09", None),
            (b"SSH-2.0", None),
            (b"GET", None),
            (b"", None),
        ] {
            assert_eq!(Foreign::of(bytes), foreign, "{bytes:x?}");
            for cut in 0..=bytes.len() {
                let (mut first, (one, other)) = (FirstBytes::default(), bytes.split_at(cut));
                first.add(one);
                first.add(other);
                assert_eq!(first.foreign(), foreign, "{bytes:x?} at {cut}");
            }
        }
    }
}
