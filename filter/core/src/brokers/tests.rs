//! Addresses and templates, names of brokers, and where connections go.

use super::address::{parse_host, AddressError};
use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn table(entries: &[(i32, &str)]) -> Advertise {
    Advertise::Table(entries.iter().map(|(id, text)| (*id, address(text))).collect())
}

fn ports() -> Advertise {
    Advertise::Ports { host: "kafka.example".to_owned(), base: 9100 }
}

fn sni() -> Advertise {
    Advertise::Sni { host: "b{id}.Kafka.example".parse().unwrap(), port: 443 }
}

#[test]
fn addresses_are_read_and_written() {
    for (text, host, port) in [
        ("kafka:9092", "kafka", 9092),
        ("kafka-0.kafka.svc:1", "kafka-0.kafka.svc", 1),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("[::1]:9092", "::1", 9092),
        ("[2001:db8::7]:9092", "2001:db8::7", 9092),
    ] {
        let read = address(text);
        assert_eq!((read.host.as_str(), read.port), (host, port));
        assert_eq!(read.to_string(), text);
        assert_eq!(format!("{}:{port}", read.bracketed_host()), text);
    }
}

#[test]
fn wrong_addresses_are_refused() {
    for (text, error) in [
        ("", AddressError::NoPort),
        ("kafka", AddressError::NoPort),
        ("kafka:", AddressError::BadPort),
        ("kafka:0", AddressError::BadPort),
        ("kafka:65536", AddressError::BadPort),
        ("kafka:+1", AddressError::BadPort),
        ("kafka:x", AddressError::BadPort),
        (":9092", AddressError::BadHost),
        ("a b:9092", AddressError::BadHost),
        ("kafka://kafka:9092", AddressError::Url),
        ("kafka:{id}", AddressError::IdInPort),
        ("kafka-{id}:9092", AddressError::MisplacedId),
        ("::1:9092", AddressError::BareIpv6),
        ("[::1]", AddressError::BareIpv6),
        ("[::g]:9092", AddressError::BadHost),
        ("[kafka]:9092", AddressError::BadHost),
    ] {
        assert_eq!(text.parse::<Address>(), Err(error), "{text}");
    }
    assert_eq!(parse_host(&"a".repeat(254)), Err(AddressError::BadHost));
    assert_eq!(parse_host("[::1]"), Ok("::1".to_owned()));
    assert_eq!(parse_host("::1"), Ok("::1".to_owned()));
}

#[test]
fn templates_are_filled() {
    let template: AddressTemplate = "kafka-{id}.kafka:9092".parse().unwrap();
    assert_eq!(template.fill(3), address("kafka-3.kafka:9092"));
}

#[test]
fn wrong_templates_are_refused() {
    for (text, error) in [
        ("kafka:9092", AddressError::NoId),
        ("kafka:909{id}", AddressError::IdInPort),
        ("k{id}.{id}:9092", AddressError::ManyIds),
        ("k{id}", AddressError::NoPort),
        ("k {id}:9092", AddressError::BadHost),
        ("k{ID}:9092", AddressError::NoId),
        // An id is decimal and has ten digits at most; a part of an IPv6 address is neither.
        ("[2001:db8::{id}]:9092", AddressError::BadHost),
    ] {
        assert_eq!(text.parse::<AddressTemplate>(), Err(error), "{text}");
    }
}

#[test]
fn a_name_gives_the_id_that_it_was_made_from() {
    let template: HostTemplate = "b{id}.Kafka.example".parse().unwrap();
    for id in [0, 1, 42, i32::MAX] {
        assert_eq!(template.id_of(&template.fill(id)), Some(id));
    }
    assert_eq!(template.id_of("B7.kafka.EXAMPLE"), Some(7));
    for name in [
        "",
        "b",
        "b.kafka.example",
        "b-1.kafka.example",
        "b+1.kafka.example",
        "b01.kafka.example",
        "bx.kafka.example",
        "b2147483648.kafka.example",
        "c1.kafka.example",
        "b1.kafka.example.org",
        "kafka.example",
        "é1.kafka.example",
        "b1ékafka.example",
    ] {
        assert_eq!(template.id_of(name), None, "{name}");
    }
}

#[test]
fn brokers_are_named_to_clients() {
    let named = |advertise: &Advertise, id| advertise.address(id, "inner", 9092);
    let to = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(named(&Advertise::Unchanged, 5), to("inner", 9092));
    assert_eq!(named(&ports(), 0), to("kafka.example", 9100));
    assert_eq!(named(&ports(), 65535 - 9100), to("kafka.example", 65535));
    assert_eq!(named(&ports(), 65536 - 9100), None);
    assert_eq!(named(&ports(), i32::MAX), None);
    assert_eq!(named(&ports(), -1), None);
    assert_eq!(named(&sni(), 2), to("b2.Kafka.example", 443));
    assert_eq!(named(&sni(), -1), None);
    assert_eq!(named(&table(&[(1, "[::1]:7")]), 1), to("::1", 7));
    assert_eq!(named(&table(&[(1, "[::1]:7")]), 2), None);
}

#[test]
fn connections_stand_for_brokers() {
    let one_host = table(&[(1, "k:9001"), (2, "k:9002")]);
    let one_port = table(&[(1, "k1:9000"), (2, "k2:9000")]);
    for (advertise, port, name, id) in [
        (&Advertise::Unchanged, Some(9092), Some("b1"), None),
        (&ports(), Some(9100), None, Some(0)),
        (&ports(), Some(9103), Some("b1.kafka.example"), Some(3)),
        (&ports(), Some(9099), None, None),
        (&ports(), None, None, None),
        (&sni(), Some(443), Some("B4.kafka.example"), Some(4)),
        (&sni(), Some(443), Some("kafka.example"), None),
        (&sni(), Some(443), None, None),
        (&one_host, Some(9002), None, Some(2)),
        (&one_host, Some(9002), Some("K"), Some(2)),
        (&one_host, Some(9003), Some("k"), None),
        (&one_host, None, None, None),
        (&one_port, Some(9000), Some("K2"), Some(2)),
        (&one_port, Some(15000), Some("k1"), Some(1)),
        (&one_port, Some(9000), Some("k3"), None),
        (&one_port, Some(9000), None, None),
    ] {
        assert_eq!(advertise.broker_of(port, name), id, "{advertise:?} {port:?} {name:?}");
    }
}

fn route(template: Option<&str>) -> Route {
    Route::Dynamic(DynamicRoute {
        bootstrap: Bootstrap { first: address("a:1"), others: vec![address("b:2"), address("c:3")] },
        address: template.map(|text| text.parse().unwrap()),
    })
}

#[test]
fn envoy_decides_unless_the_route_is_dynamic() {
    assert_eq!(Route::Envoy.destination(Some(1), Some(address("k:9092")), 7), Destination::Envoy);
}

#[test]
fn known_brokers_are_reached_by_template_or_as_learned() {
    let known = Some(address("learned:9092"));
    assert_eq!(
        route(Some("k{id}:9")).destination(Some(4), known.clone(), 0),
        Destination::Broker { id: 4, address: address("k4:9") }
    );
    assert_eq!(
        route(None).destination(Some(4), known, 0),
        Destination::Broker { id: 4, address: address("learned:9092") }
    );
}

#[test]
fn unknown_brokers_are_learned_from_a_bootstrap() {
    for template in [Some("k{id}:9"), None] {
        for learn in [Some(0), Some(4), None] {
            let to = |text| Destination::Bootstrap { address: address(text), stands_for: learn };
            let routed = |turn| route(template).destination(learn, None, turn);
            assert_eq!([0, 1, 2, 3, 4].map(routed), ["a:1", "b:2", "c:3", "a:1", "b:2"].map(to));
        }
    }
}

#[test]
fn an_address_that_leads_around_envoy_is_noticed() {
    let dynamic = |address: Option<&str>| {
        let bootstrap = Bootstrap { first: self::address("kafka.internal:9092"), others: vec![] };
        Route::Dynamic(DynamicRoute { bootstrap, address: address.map(|text| text.parse().unwrap()) })
    };
    let around = |advertise: &Advertise, route: &Route, own: (&str, i32)| {
        let (host, port) = advertise.address(1, own.0, own.1).unwrap();
        leads_around(advertise, route, 1, own, (&host, port))
    };
    for (own, expected) in [
        (("kafka.example", 9101), true),
        (("KAFKA.example", 9101), true),
        (("kafka.example", 9102), false),
        (("kafka-1.internal", 9101), false),
    ] {
        for route in [Route::Envoy, dynamic(None), dynamic(Some("kafka-{id}.internal:9092"))] {
            assert_eq!(around(&ports(), &route, own), expected, "{own:?}");
        }
        assert!(!around(&Advertise::Unchanged, &Route::Envoy, own), "a sidecar's");
    }
    // Where the filter itself reaches the broker.
    let named: Advertise = table(&[(1, "kafka-1.internal:9092")]);
    assert!(around(&named, &dynamic(Some("kafka-{id}.internal:9092")), ("10.0.0.1", 9092)));
    assert!(!around(&named, &dynamic(Some("kafka-{id}.internal:9093")), ("10.0.0.1", 9092)));
}
