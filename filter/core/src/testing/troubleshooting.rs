//! docs/troubleshooting.md: the lines of the log that it explains. Each line that a test of the core makes
//! has to be one of them.

const DOCUMENT: &str = include_str!("../../../../docs/troubleshooting.md");

/// The first columns that are lines of the log. `…` stands for what varies.
pub(crate) fn rows() -> Vec<&'static str> {
    let (_, lines) = DOCUMENT.split_once("## Lines of the log").unwrap();
    let (lines, _) = lines.split_once("## What the client sees").unwrap();
    lines.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(row, _)| row)).collect()
}

/// Whether `sentence` is one that `row` stands for.
pub(crate) fn is_of(row: &str, sentence: &str) -> bool {
    let mut parts = row.split('…');
    let Some(mut rest) = sentence.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// A line of the log, with its head.
pub(crate) fn assert_line_explained(line: &str) {
    let (_, sentence) = line.split_once("] ").unwrap();
    assert_explained(sentence.split(" (and ").next().unwrap());
}

/// A line of the log, without its head.
pub(crate) fn assert_explained(sentence: &str) {
    let is_explained = rows().iter().any(|row| is_of(row, sentence));
    assert!(is_explained, "docs/troubleshooting.md has no row for: {sentence}");
}

mod tests {
    use super::*;
    use crate::error::*;
    use crate::foreign::Foreign;
    use crate::principal::Nameless;
    use crate::sasl::oauthbearer::Fetched;

    #[test]
    fn rows_stand_for_what_varies() {
        for (row, sentence, expected) in [
            ("a … b …", "a x b y", true),
            ("a … b …", "a x c y", false),
            ("a … b", "a x b", true),
            ("a … b", "a x b y", false),
            ("a b", "a b", true),
            ("a b", "a b c", false),
            ("… b", "x b", true),
        ] {
            assert_eq!(is_of(row, sentence), expected, "{row} / {sentence}");
        }
        assert!(rows().len() > 50, "{:?}", rows());
    }

    /// One of each kind; [`is_listed`] does not compile where one is missing.
    fn faults() -> Vec<Fault> {
        let api = "Fetch";
        let clients = [
            ClientFault::FrameLength { claimed: -1 },
            ClientFault::FrameTooLarge { claimed: 1 << 30, limit: 7 },
            ClientFault::RequestHeader,
            ClientFault::NotOffered { api, key: 1, version: 99 },
            ClientFault::Request { api, at: 7 },
            ClientFault::UnacknowledgedRefusal { topic: "t".to_owned() },
            ClientFault::Evicted { held: 7 },
            ClientFault::Pipelined { bytes: 7 },
            ClientFault::NoRoomForFrame { bytes: 7, limit: 7 },
            ClientFault::NotAuthenticated { api, key: 1 },
            ClientFault::UnsupportedMechanism,
            ClientFault::BareTokens,
            ClientFault::Authentication { mechanism: "PLAIN", why: "wrong credentials" },
            ClientFault::SessionExpired,
            ClientFault::UnmappedCertificate(Nameless::NoRule),
        ];
        let brokers = [
            BrokerFault::UnsolicitedAnswer,
            BrokerFault::CorrelationId { api, expected: 1, got: 2 },
            BrokerFault::Answer { api, what: "it is malformed" },
            BrokerFault::Stalled { ms: 30_000 },
        ];
        let configs = [
            ConfigFault::NoRoomForAnswer { bytes: 7 },
            ConfigFault::Login { mechanism: "PLAIN", why: "error 58".to_owned() },
        ];
        let bugs = [Bug::Encode { message: "FetchRequest" }, Bug::State { what: "this" }];
        let reconnects = [
            Reconnect::Misrouted { broker: 1 },
            Reconnect::Versions { api, version: 13, min: 3, max: 12 },
            Reconnect::Unavailable { what: "no keys were fetched yet" },
            Reconnect::Busy,
            Reconnect::Unproven { ms: 30_000 },
            Reconnect::Silent { ms: 30_000 },
        ];
        let foreign = [Foreign::Tls, Foreign::Http, Foreign::Http2, Foreign::Proxy];
        let from_clients = foreign.map(ClientFault::Foreign).into_iter().chain(clients).map(Fault::Client);
        let spoken = [Foreign::Tls, Foreign::Http].map(BrokerFault::Foreign);
        let from_brokers = spoken.into_iter().chain(brokers).map(Fault::Broker);
        let others = configs.map(Fault::Config).into_iter().chain(bugs.map(Fault::Bug));
        from_clients.chain(from_brokers).chain(others).chain(reconnects.map(Fault::Reconnect)).collect()
    }

    /// A kind that is new here has to be made in [`faults`] as well.
    fn is_listed(fault: &Fault) -> bool {
        use BrokerFault as B;
        use ClientFault as C;
        match fault {
            Fault::Client(
                C::Foreign(Foreign::Tls | Foreign::Http | Foreign::Http2 | Foreign::Proxy)
                | C::FrameLength { .. }
                | C::FrameTooLarge { .. }
                | C::RequestHeader
                | C::NotOffered { .. }
                | C::Request { .. }
                | C::UnacknowledgedRefusal { .. }
                | C::Evicted { .. }
                | C::Pipelined { .. }
                | C::NoRoomForFrame { .. }
                | C::NotAuthenticated { .. }
                | C::UnsupportedMechanism
                | C::BareTokens
                | C::Authentication { .. }
                | C::SessionExpired
                | C::UnmappedCertificate(_),
            )
            | Fault::Broker(
                B::Foreign(_) | B::UnsolicitedAnswer | B::CorrelationId { .. } | B::Answer { .. } | B::Stalled { .. },
            )
            | Fault::Config(ConfigFault::NoRoomForAnswer { .. } | ConfigFault::Login { .. })
            | Fault::Bug(Bug::Encode { .. } | Bug::State { .. })
            | Fault::Reconnect(
                Reconnect::Misrouted { .. }
                | Reconnect::Versions { .. }
                | Reconnect::Unavailable { .. }
                | Reconnect::Busy
                | Reconnect::Unproven { .. }
                | Reconnect::Silent { .. },
            ) => true,
        }
    }

    fn fetched() -> Vec<Fetched> {
        let all = vec![
            Fetched::Same { keys: 2 },
            Fetched::Changed { keys: 2, problem: None },
            Fetched::Changed { keys: 2, problem: Some("keys[1]: kty".to_owned()) },
            Fetched::Changed { keys: 0, problem: None },
            Fetched::Failed { why: "no answer".to_owned(), keys_left_ms: 0 },
            Fetched::Failed { why: "no answer".to_owned(), keys_left_ms: 7_000 },
        ];
        for one in &all {
            match one {
                Fetched::Same { .. } | Fetched::Changed { .. } | Fetched::Failed { .. } => {}
            }
        }
        all
    }

    /// And by no more rows than it takes: a fault's line is explained in one place, or in the more special
    /// one of two.
    #[test]
    fn every_fault_is_explained() {
        let faults = faults();
        assert!(faults.iter().all(is_listed));
        faults.iter().for_each(|fault| assert_explained(&fault.to_string()));
        fetched().iter().for_each(|fetched| assert_explained(&format!("sasl.oauthbearer.jwks.http: {fetched}")));
    }
}
