//! What a connection tells of its two ends: the client's id, once, and what else than Kafka's protocol is
//! spoken there, wherever bytes are cut.

use super::*;
use crate::limits::NAME_CHARS_SHOWN;

const PLAIN: &str = "{}";

/// A request of this key and version with this client id, and nothing behind its header.
fn asked(key: i16, version: i16, id: Option<&[u8]>) -> Vec<u8> {
    let mut frame = [key.to_be_bytes(), version.to_be_bytes(), [0; 2], [0, 1]].concat();
    frame.extend(id.map_or(-1, |id| id.len() as i16).to_be_bytes());
    frame.extend(id.unwrap_or_default());
    framed(&frame)
}

/// Every way in which `bytes` may come.
fn pieces(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let cuts = (0..bytes.len().min(40)).map(|cut| vec![&bytes[..cut], &bytes[cut..]]);
    cuts.chain([bytes.chunks(1).collect()]).collect()
}

fn fed(config: &str, feeding: Feeding, pieces: &[&[u8]]) -> Proxy {
    let mut proxy = Proxy::new(&shared(config), feeding, None);
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        if !proxy.closed {
            proxy.client(piece);
        }
    }
    proxy
}

#[test]
fn a_client_introduces_itself_once() {
    let long = vec![b'x'; 30_000];
    let cut = format!("{}…", "x".repeat(NAME_CHARS_SHOWN));
    for (first, second, expected) in [
        (Some(&b"app"[..]), Some(&b"app"[..]), vec!["app"]),
        (Some(b"app"), Some(b"other"), vec!["app"]),
        (None, Some(b"app"), vec!["app"]),
        (Some(b""), None, vec![]),
        (Some(b"a\nb\x1b\xff\""), None, vec!["a\\nb\\u{1b}\u{fffd}\""]),
        (Some(&long), Some(b"app"), vec![&cut]),
    ] {
        for (key, version, config) in [(18, 0, PLAIN), (18, 0, MAPPED), (13, 1, PLAIN)] {
            let bytes = [asked(key, version, first), asked(key, version, second)].concat();
            // What passes goes on as soon as its head is there: then the id may lie where nobody looks.
            let cuts = if key == 13 { vec![vec![&bytes[..]]] } else { pieces(&bytes) };
            for (pieces, feeding) in cuts.iter().flat_map(|cut| [(cut, Feeding::Handed), (cut, Feeding::Passing)]) {
                let proxy = fed(config, feeding, pieces);
                assert_eq!(proxy.introduced, expected, "API {key} {feeding:?} {}", pieces[0].len());
            }
        }
    }
}

#[test]
fn what_is_no_kafka_is_named_on_both_sides() {
    const LARGE: &str = r#"{"limits": {"frame_bytes": 1073741824, "worker_bytes": 268435456}}"#;
    let hello = b"\x16\x03\x01\x06\x00\x01\x00\x05\xfc\x03\x03 and so on";
    let asks = asked(18, 0, Some(b"app"));
    for config in [PLAIN, MAPPED, LARGE] {
        for feeding in [Feeding::Handed, Feeding::Passing] {
            for (bytes, what) in
                [(&hello[..], "TLS"), (b"GET / HTTP/1.1\r\n", "HTTP"), (b"PRI * HTTP/2.0\r\n", "HTTP/2")]
            {
                for pieces in pieces(bytes) {
                    let mut proxy = fed(config, feeding, &pieces);
                    if !proxy.closed {
                        // To a listener without mappings, and with frames of 350 MB, it is a Fetch at first.
                        assert_eq!((config, what), (LARGE, "TLS"));
                        proxy.now = 30_000;
                        proxy.expire();
                    }
                    let said = format!("the client speaks {what} where");
                    assert!(proxy.closed && proxy.warnings[0].starts_with(&said), "{config} {:?}", proxy.warnings);
                    assert_eq!(proxy.blamed(Blame::Client), 1);
                }
            }
            for (bytes, what) in
                [(&b"\x15\x03\x03\0\x02\x02\x50"[..], "TLS"), (b"HTTP/1.1 400 Bad Request\r\n", "HTTP")]
            {
                for pieces in pieces(bytes) {
                    let mut proxy = fed(config, feeding, &[&asks]);
                    pieces.iter().filter(|piece| !piece.is_empty()).for_each(|piece| {
                        if !proxy.closed {
                            proxy.broker(piece);
                        }
                    });
                    let said = format!("the broker speaks {what} where");
                    assert!(proxy.closed && proxy.warnings[0].starts_with(&said), "{config} {:?}", proxy.warnings);
                    assert_eq!(proxy.blamed(Blame::Broker), 1);
                }
            }
        }
    }
}

/// Whose first request was whole speaks Kafka's protocol, whatever comes then.
#[test]
fn who_speaks_kafka_is_never_taken_for_somebody_else() {
    for pieces in pieces(b"GET / HTTP/1.1\r\n") {
        let first = asked(18, 0, None);
        let proxy = fed(PLAIN, Feeding::Passing, &[&[&first[..]], &pieces[..]].concat());
        assert!(proxy.closed && proxy.warnings[0].starts_with("a frame of 1195725856 bytes"), "{:?}", proxy.warnings);
    }
}
