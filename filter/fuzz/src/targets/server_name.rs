//! The server name that a TLS client asks for, and what stands for brokers in a configuration.

use kafka_partition_remapper_core::brokers::address::HostTemplate;
use kafka_partition_remapper_core::brokers::{Address, Advertise};

use crate::bounds::bounded;
use crate::input::Input;

const HOSTS: [&str; 4] = ["b{id}.kafka.example", "{id}", "kafka-{id}", "B{id}0.x"];

pub fn server_name(data: &[u8]) {
    let mut input = Input::new(data);
    let host: HostTemplate = input.one_of(&HOSTS).parse().expect("a good template");
    let port = u16::from(input.byte()) << 8 | u16::from(input.byte());
    let rest = input.rest();
    let name = String::from_utf8_lossy(rest);
    let sni = Advertise::Sni { host: host.clone(), port: 9092 };
    let found = bounded(rest, 4, || sni.broker_of(Some(port), Some(&name)));
    if let Some(id) = found {
        assert!(id >= 0 && name.eq_ignore_ascii_case(&host.fill(id)));
        assert_eq!(sni.address(id, "own", 1).map(|(host, _)| sni.broker_of(None, Some(&host))), Some(Some(id)));
    }
    let table = Advertise::Table(
        [(1, at("one.example", 9101)), (2, at("two.example", 9102)), (3, at("two.example", 9103))].into(),
    );
    let by_name = |name: &str| table.broker_of(None, Some(name));
    assert_eq!(by_name(&name), name.eq_ignore_ascii_case("one.example").then_some(1));
    assert_eq!(Advertise::Ports { host: "h".to_owned(), base: 9000 }.broker_of(Some(port), Some(&name)), by_port(port));
    address(&name);
}

fn by_port(port: u16) -> Option<i32> {
    (port >= 9000).then(|| i32::from(port) - 9000)
}

fn at(host: &str, port: u16) -> Address {
    Address { host: host.to_owned(), port }
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<Address>() {
        assert!(address.port > 0);
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}
