//! What a broker's listener with SASL does before it lets requests through: as strict as Kafka's
//! SaslServerAuthenticator.

use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use super::broker::api_versions;
use super::{text, Seen};

/// Takes PLAIN, and any number of ApiVersions in a version that it does not know, but just one that is good.
#[derive(Debug, Default)]
pub(crate) struct SaslBroker {
    pub(crate) stage: Stage,
    /// Name NUL password of those who may log in.
    pub(crate) logins: Vec<&'static str>,
    /// Milliseconds that a session lasts; 0: for ever.
    pub(crate) lifetime_ms: i64,
    /// Who has logged in, in order.
    pub(crate) seen: Vec<String>,
    /// The highest version of Metadata that it offers.
    pub(crate) metadata_max: i16,
    /// The highest version of ApiVersions that it offers.
    pub(crate) api_versions_max: i16,
    /// An API that it does not offer.
    pub(crate) absent: Option<i16>,
    /// What it answers to ApiVersions, once it is open.
    pub(crate) api_versions_error: i16,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Start,
    Handshake,
    Token,
    Open,
}

impl SaslBroker {
    pub(crate) fn with(logins: &[&'static str]) -> Self {
        Self { logins: logins.to_vec(), metadata_max: 20, api_versions_max: 4, ..Self::default() }
    }

    pub(crate) fn offers(&self) -> ApiVersionsResponse {
        let mut offers = api_versions();
        offers.api_keys[3].max_version = self.metadata_max;
        offers.api_keys[18].max_version = self.api_versions_max;
        offers.api_keys.retain(|offer| Some(offer.api_key) != self.absent);
        offers
    }

    /// None: the request is for the broker behind.
    pub(crate) fn answer(&mut self, seen: &Seen) -> Option<Vec<u8>> {
        match (self.stage, seen.key) {
            (Stage::Open, 18) if seen.version == 3 => {
                Some(seen.answer(&self.offers().with_error_code(self.api_versions_error)))
            }
            (Stage::Open, key) if key != 17 => None,
            (Stage::Start, 18) if seen.version > 4 => {
                let error = ResponseError::UnsupportedVersion.code();
                Some(super::answer(0, seen.correlation_id, &ApiVersionsResponse::default().with_error_code(error)))
            }
            (Stage::Start, 18) => {
                self.stage = Stage::Handshake;
                Some(seen.answer(&self.offers()))
            }
            (Stage::Start | Stage::Handshake | Stage::Open, 17) => {
                self.stage = Stage::Token;
                assert_eq!(&seen.message::<SaslHandshakeRequest>().mechanism[..], "PLAIN");
                Some(seen.answer(&SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN")])))
            }
            (Stage::Token, 36) => Some(self.judge(seen)),
            (stage, key) => panic!("a broker closes the connection: API key {key} in {stage:?}"),
        }
    }

    fn judge(&mut self, seen: &Seen) -> Vec<u8> {
        let token = seen.message::<SaslAuthenticateRequest>().auth_bytes;
        let token = std::str::from_utf8(&token).unwrap().strip_prefix('\0').unwrap();
        if !self.logins.contains(&token) {
            let refused = SaslAuthenticateResponse::default().with_error_code(58).with_error_message(Some(text("no")));
            return seen.answer(&refused);
        }
        self.stage = Stage::Open;
        self.seen.push(token.split('\0').next().unwrap().to_owned());
        seen.answer(&SaslAuthenticateResponse::default().with_session_lifetime_ms(self.lifetime_ms))
    }
}
