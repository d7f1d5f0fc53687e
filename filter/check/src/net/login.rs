//! SASL at a broker, by the client side that the filter has: PLAIN and SCRAM.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use kafka_partition_remapper_core::sasl::client::{BrokerAccount, Client, ClientStep, SaltedCache};
use kafka_partition_remapper_core::sasl::Mechanism;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::connection::Connection;
use super::{error_name, Trouble};
use crate::limits::LOGIN_ROUNDS_MAX;

/// Who the tool is to brokers.
pub(crate) struct Login {
    pub(crate) mechanism: Mechanism,
    pub(crate) account: BrokerAccount,
    cache: SaltedCache,
}

impl Login {
    pub(crate) fn new(mechanism: Mechanism, account: BrokerAccount) -> Result<Self, String> {
        Ok(Self { mechanism, account, cache: SaltedCache::new(random()?) })
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("there are no random numbers: {error}"))?;
    Ok(bytes)
}

/// The handshake, then as many tokens as the mechanism has.
pub(super) fn log_in(connection: &mut Connection, login: &Login) -> Result<(), Trouble> {
    let name = login.mechanism.name();
    let address = connection.address().to_owned();
    let failed = |what: &str| Trouble::new(format!("the login at {address} by {name} failed: {what}"));
    let nonce = STANDARD.encode(random::<18>().map_err(|error| failed(&error))?);
    let client = Client::new(login.mechanism, &login.account, nonce);
    let mut client = client.ok_or_else(|| failed("the mechanism cannot carry these credentials"))?;

    let handshake = |_| SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
    let answer = connection.ask(1, &handshake)?;
    if let Some(error) = error_name(answer.error_code) {
        let offered: Vec<&str> = answer.mechanisms.iter().map(|mechanism| mechanism.as_str()).collect();
        return Err(failed(&format!("{error}; offered are {}", offered.join(", "))));
    }
    let mut token = client.first();
    for _ in 0..LOGIN_ROUNDS_MAX {
        let request = |_| SaslAuthenticateRequest::default().with_auth_bytes(token.clone().into());
        let answer = connection.ask(2, &request)?;
        if let Some(error) = error_name(answer.error_code) {
            let words = answer.error_message.map(|words| format!(": {words}")).unwrap_or_default();
            return Err(failed(&format!("{error}{words}")));
        }
        match client.step(&login.cache, &answer.auth_bytes) {
            Ok(ClientStep::Send(next)) => token = next,
            Ok(ClientStep::Done) => return Ok(()),
            Err(refused) => return Err(failed(refused.0)),
        }
    }
    Err(failed("it does not come to an end"))
}
