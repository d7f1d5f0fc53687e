//! PLAIN's only token (RFC 4616).

use kafka_partition_remapper_core::fuzzing;
use kafka_partition_remapper_core::limits::PLAIN_TOKEN_BYTES_MAX;
use kafka_partition_remapper_core::sasl::users::prepare;

use crate::bounds::bounded;

pub fn plain_token(data: &[u8]) {
    let read = bounded(data, 256, || fuzzing::plain_token(data).map(|(name, password)| (name, password.to_owned())));
    assert_eq!(read, second(data));
}

fn second(data: &[u8]) -> Option<(String, String)> {
    let parts: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    let [authzid, name, password] = parts[..] else { return None };
    let [authzid, name, password] = [authzid, name, password].map(|part| String::from_utf8(part.to_vec()).ok());
    let (authzid, name, password) = (authzid?, prepare(&name?)?, password?);
    let same = authzid.is_empty() || prepare(&authzid)? == name;
    (same && !password.is_empty() && data.len() <= PLAIN_TOKEN_BYTES_MAX).then_some((name, password))
}
