//! What a SCRAM client sends: client-first and client-final (RFC 5802, section 7).

use kafka_partition_remapper_core::fuzzing::{self, ClientFinal, ClientFirst};
use kafka_partition_remapper_core::limits::{SCRAM_NONCE_BYTES_MAX, SCRAM_TOKEN_BYTES_MAX};

use crate::bounds::bounded;
use crate::second;

pub fn scram_client(data: &[u8]) {
    let first = bounded(data, 64, || fuzzing::scram_client_first(data));
    let last = bounded(data, 64, || fuzzing::scram_client_final(data));
    let text = std::str::from_utf8(data).ok().filter(|text| text.len() <= SCRAM_TOKEN_BYTES_MAX);
    assert_eq!(first, text.and_then(client_first));
    assert_eq!(last, text.and_then(client_final));
    if let Some(first) = first {
        assert_eq!(format!("{}{}", first.gs2_header, first.bare).as_bytes(), data);
    }
}

fn client_first(text: &str) -> Option<ClientFirst> {
    let (authzid, bare) = second::gs2(text)?;
    let (values, others) = second::scram(bare, "nr")?;
    let name = second::saslname(values[0])?;
    let is_token =
        others.iter().any(|part| part.eq_ignore_ascii_case("tokenauth=true") && part.starts_with("tokenauth"));
    second::is_nonce(values[1], SCRAM_NONCE_BYTES_MAX).then(|| ClientFirst {
        gs2_header: text[..text.len() - bare.len()].to_owned(),
        bare: bare.to_owned(),
        authzid,
        name,
        nonce: values[1].to_owned(),
        is_token,
    })
}

fn client_final(text: &str) -> Option<ClientFinal> {
    let proof = text.rfind(",p=")?;
    let (values, _) = second::scram(&text[..proof], "cr")?;
    Some(ClientFinal {
        without_proof: text[..proof].to_owned(),
        header: values[0].to_owned(),
        nonce: values[1].to_owned(),
        proof: second::base64(&text[proof + 3..], false)?,
    })
}
