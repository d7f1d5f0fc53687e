//! The parsers that somebody who proved nothing reaches, for the targets of `filter/fuzz`. Behind a feature,
//! so that nobody else sees them.

use std::borrow::Cow;

use bytes::Bytes;

use crate::apis::TABLE;
use crate::error::Fault;
use crate::principal;
use crate::sasl::oauthbearer::message::ClientResponse;
use crate::sasl::oauthbearer::object::{self, Object};
use crate::sasl::oauthbearer::{Checker, Server, Verifier};
use crate::sasl::scram::messages;
use crate::sasl::{plain, saslname, Step};
use crate::text;
use crate::time::Millis;
use crate::wire::header::{self, RequestHead};
use crate::wire::rope::Rope;

/// Key, version and correlation id of a request, given its frame without the length.
pub fn request_head(frame: &[u8]) -> Option<(i16, i16, i32)> {
    RequestHead::parse(frame).map(|(head, _)| (head.key, head.version, head.correlation_id))
}

/// The lowest and the highest version of an API that are offered; both 0 where none is.
pub fn offered_versions(key: i16) -> (i16, i16) {
    TABLE.find(key).map_or((0, 0), |line| (line.api.version_min, line.api.version_max))
}

/// Takes the header off and gives the client id.
///
/// # Errors
/// As the filter has it.
pub fn take_request_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<Bytes>, Fault> {
    header::take_request_header(key, version, body)
}

/// # Errors
/// As the filter has it.
pub fn take_response_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<()>, Fault> {
    header::take_response_header(key, version, body)
}

/// A request as the filter writes it.
///
/// # Errors
/// As the filter has it.
pub fn request_frame(key: (i16, i16), correlation_id: i32, client_id: Option<&[u8]>) -> Result<Bytes, Fault> {
    header::request_frame(key, correlation_id, client_id, Rope::new()).map(Rope::into_bytes)
}

/// Text that may not be UTF-8, as Java reads it.
pub fn text_as_java(bytes: &[u8]) -> Cow<'_, str> {
    text::as_java(bytes)
}

/// A certificate's subject as Java would write it.
pub fn subject_as_java(subject: &str) -> String {
    principal::subject::as_java(subject)
}

/// Name (prepared) and password of a PLAIN token.
pub fn plain_token(token: &[u8]) -> Option<(String, &str)> {
    plain::parse(token)
}

pub fn saslname_escape(name: &str) -> String {
    saslname::escape(name)
}

pub fn saslname_unescape(text: &str) -> Option<String> {
    saslname::unescape(text)
}

/// SCRAM's client-first message.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientFirst {
    pub gs2_header: String,
    pub bare: String,
    pub authzid: Option<String>,
    pub name: String,
    pub nonce: String,
    pub is_token: bool,
}

pub fn scram_client_first(token: &[u8]) -> Option<ClientFirst> {
    let messages::ClientFirst { gs2_header, bare, authzid, name, nonce, is_token } =
        messages::ClientFirst::parse(token)?;
    let (gs2_header, bare, nonce) = (gs2_header.to_owned(), bare.to_owned(), nonce.to_owned());
    Some(ClientFirst { gs2_header, bare, authzid, name, nonce, is_token })
}

/// SCRAM's client-final message.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientFinal {
    pub without_proof: String,
    pub header: String,
    pub nonce: String,
    pub proof: Vec<u8>,
}

pub fn scram_client_final(token: &[u8]) -> Option<ClientFinal> {
    let messages::ClientFinal { without_proof, header, nonce, proof } = messages::ClientFinal::parse(token)?;
    let [without_proof, header, nonce] = [without_proof, header, nonce].map(str::to_owned);
    Some(ClientFinal { without_proof, header, nonce, proof })
}

/// Nonce, salt and iterations of SCRAM's server-first message.
pub fn scram_server_first(token: &[u8]) -> Option<(String, Option<Vec<u8>>, Option<u32>)> {
    let message = messages::ServerFirst::parse(token)?;
    Some((message.nonce.to_owned(), message.salt, message.iterations))
}

/// The signature of SCRAM's server-final message. `Some(None)`: it tells an error.
pub fn scram_server_final(token: &[u8]) -> Option<Option<Vec<u8>>> {
    Some(match messages::ServerFinal::parse(token)? {
        messages::ServerFinal::Signature(signature) => Some(signature),
        messages::ServerFinal::Error => None,
    })
}

/// Authorization id and token of OAUTHBEARER's first message.
pub fn oauth_message(message: &[u8]) -> Option<(String, &str)> {
    ClientResponse::parse(message).map(|response| (response.authzid, response.token))
}

pub fn base64url(text: &str) -> Option<Vec<u8>> {
    object::base64url(text)
}

/// Whether `json` is an object in which no member comes twice.
pub fn is_object(json: &[u8]) -> bool {
    Object::parse(json).is_some()
}

/// What OAUTHBEARER's first message leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Done {
        principal: String,
        expires: Option<Millis>,
    },
    /// The client is told these bytes, and may say that it understood.
    Rejected(Vec<u8>),
    Failed,
    Unavailable,
}

pub fn oauth_step(checker: &Checker, verifier: &dyn Verifier, message: &[u8], now: Millis) -> Verdict {
    match Server::new().step(checker, verifier, message, now) {
        Step::Done { principal, expires, .. } => Verdict::Done { principal, expires },
        Step::Rejected(bytes) | Step::Challenge(bytes) => Verdict::Rejected(bytes),
        Step::Failed => Verdict::Failed,
        _ => Verdict::Unavailable,
    }
}
