//! A JWK Set as an identity provider, or who answers for it, publishes it.

use kafka_partition_remapper_core::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use kafka_partition_remapper_core::sasl::oauthbearer::jwks::KeySet;

use crate::bounds::bounded;

pub fn key_set(data: &[u8]) {
    let tolerant = bounded(data, 128, || KeySet::parse_tolerant(data)).map(|(set, _)| set);
    let strict = std::str::from_utf8(data).map(KeySet::parse);
    if let Ok(set) = &tolerant {
        assert!(set.len() <= JWKS_KEYS_MAX && data.len() <= JWKS_BYTES_MAX);
    }
    if let Ok(Ok(strict)) = &strict {
        // What it holds is told by its Debug; an error that was passed over is not among it.
        assert_eq!(tolerant.map(|set| format!("{set:?}")), Ok(format!("{strict:?}")));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    for pem in [text.to_owned(), format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")] {
        if let Ok(set) = bounded(pem.as_bytes(), 64, || KeySet::of_pem(&pem)) {
            assert_eq!(set.len(), 1);
        }
    }
}
