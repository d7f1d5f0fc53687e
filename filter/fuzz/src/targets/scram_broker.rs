//! What a broker, or who stands in for it, sends to the filter's own login: server-first and server-final.

use kafka_partition_remapper_core::fuzzing;
use kafka_partition_remapper_core::limits::{SCRAM_NONCE_BYTES_MAX, SCRAM_SALT_BYTES_MAX, SCRAM_TOKEN_BYTES_MAX};
use kafka_partition_remapper_core::sasl::client::{BrokerAccount, Client, ClientStep, SaltedCache};
use kafka_partition_remapper_core::sasl::secret::Secret;
use kafka_partition_remapper_core::sasl::Mechanism;

use crate::bounds::bounded;
use crate::input::Input;
use crate::second;

const NONCE: &str = "fyko";

pub fn scram_broker(data: &[u8]) {
    let mut input = Input::new(data);
    let mechanism = *input.one_of(&Mechanism::ALL);
    let first_bytes = usize::from(input.byte()) << 8 | usize::from(input.byte());
    let first = input.take(first_bytes);
    let last = input.rest();
    parse(first);
    parse(last);
    play(mechanism, first, last);
}

fn parse(token: &[u8]) {
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= SCRAM_TOKEN_BYTES_MAX);
    let first = bounded(token, 64, || fuzzing::scram_server_first(token));
    assert_eq!(first, text.and_then(server_first));
    let last = bounded(token, 64, || fuzzing::scram_server_final(token));
    assert_eq!(last, text.and_then(server_final));
}

fn server_first(text: &str) -> Option<(String, Option<Vec<u8>>, Option<u32>)> {
    let (values, _) = second::scram(text, "rsi")?;
    let salt = second::base64(values[1], false).filter(|salt| (1..=SCRAM_SALT_BYTES_MAX).contains(&salt.len()));
    let digits = values[2].chars().all(|c| c.is_ascii_digit()) && !values[2].starts_with('0');
    let iterations = values[2].parse().ok().filter(|_| digits);
    second::is_nonce(values[0], 2 * SCRAM_NONCE_BYTES_MAX).then(|| (values[0].to_owned(), salt, iterations))
}

fn server_final(text: &str) -> Option<Option<Vec<u8>>> {
    if text.starts_with("e=") {
        return Some(None);
    }
    let (values, _) = second::scram(text, "v")?;
    second::base64(values[0], false).map(Some)
}

/// Who does not know the password is never believed, and neither is told it.
fn play(mechanism: Mechanism, first: &[u8], last: &[u8]) {
    let login = BrokerAccount { username: "gate,way".to_owned(), password: Secret::new("not to be seen".to_owned()) };
    let Some(mut client) = Client::new(mechanism, &login, NONCE.to_owned()) else { return };
    let cache = SaltedCache::new([7; 32]);
    client.first();
    let reply = client.step(&cache, first);
    if mechanism == Mechanism::Plain {
        assert_eq!(reply.is_ok(), first.is_empty());
        return assert!(client.step(&cache, last).is_err());
    }
    let Ok(reply) = reply else { return assert!(client.step(&cache, last).is_err()) };
    let ClientStep::Send(token) = reply else { panic!("done before the broker has proved anything") };
    let (nonce, salt, iterations) = fuzzing::scram_server_first(first).expect("an answered message");
    assert!(nonce.starts_with(NONCE) && nonce.len() > NONCE.len() && salt.is_some());
    assert!((4_096..=16_384).contains(&iterations.expect("a number")));
    let read = fuzzing::scram_client_final(&token).expect("client-final");
    assert_eq!((read.header.as_str(), &read.nonce), ("biws", &nonce));
    assert!(client.step(&cache, last).is_err());
    assert!(client.step(&cache, last).is_err(), "an exchange that is over");
}
