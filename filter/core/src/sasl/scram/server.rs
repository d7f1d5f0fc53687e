//! The server's side of SCRAM (RFC 5802, section 5): two tokens of the client's, two answers.
//!
//! ```text
//!   First ──client-first──► Final ──client-final──► Over
//! ```
//!
//! A failure is [`Step::Failed`] and nothing else, as with Kafka's `ScramSaslServer`: it sends no `e=` but
//! ends the exchange with SASL_AUTHENTICATION_FAILED.

use std::rc::Rc;

use super::credentials::{Credentials, Hash};
use super::messages::{auth_message, header_base64, is_nonce, ClientFinal, ClientFirst, ServerFinal, ServerFirst};
use crate::sasl::step::Step;
use crate::sasl::users::user::prepare;
use crate::sasl::users::Store;

/// One exchange with one client.
pub(crate) struct Server {
    hash: Hash,
    nonce: String,
    state: State,
    /// As which the client tries to authenticate.
    pub(in crate::sasl) name: Option<String>,
}

enum State {
    First,
    Final(Box<Exchange>),
    Over,
}

/// What the first messages settled.
struct Exchange {
    principal: String,
    is_known: bool,
    credentials: Rc<Credentials>,
    /// What `c=` has to be.
    header: String,
    nonce: String,
    client_first_bare: String,
    server_first: String,
}

impl Server {
    /// `nonce`: the server's part. Printable ASCII without a comma, and never used before: take 18 random
    /// bytes or more.
    pub(crate) fn new(hash: Hash, nonce: String) -> Self {
        Self { hash, nonce, state: State::First, name: None }
    }

    /// Takes the client's next token. After [`Step::Done`] and [`Step::Failed`] every token fails; after
    /// [`Step::Later`] the same one is to be handed in again.
    pub(crate) fn step(&mut self, store: &Store, token: &[u8]) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            // For every name alike, and before the message is read.
            State::First if !store.is_ready(self.hash) => {
                self.state = State::First;
                Step::Later
            }
            State::First => match self.first(store, token) {
                Some(exchange) => {
                    let challenge = exchange.server_first.clone().into_bytes();
                    self.state = State::Final(Box::new(exchange));
                    Step::Challenge(challenge)
                }
                None => Step::Failed,
            },
            State::Final(exchange) => exchange.finish(token).unwrap_or(Step::Failed),
            State::Over => Step::Failed,
        }
    }

    pub(in crate::sasl) fn is_ready(&self, store: &Store) -> bool {
        !matches!(self.state, State::First) || store.is_ready(self.hash)
    }

    fn first(&mut self, store: &Store, token: &[u8]) -> Option<Exchange> {
        let message = ClientFirst::parse(token)?;
        let principal = prepare(&message.name)?;
        self.name = Some(principal.clone());
        let is_other = message.authzid.is_some_and(|authzid| prepare(&authzid).as_ref() != Some(&principal));
        // Delegation tokens are the broker's: it alone knows their keys.
        if is_other || message.is_token || !is_nonce(&self.nonce) {
            return None;
        }
        let found = store.scram(&principal, self.hash)?;
        let nonce = format!("{}{}", message.nonce, self.nonce);
        let server_first = ServerFirst::write(&nonce, &found.credentials.salt, found.credentials.iterations);
        Some(Exchange {
            principal,
            is_known: found.is_known,
            credentials: found.credentials,
            header: header_base64(message.gs2_header),
            nonce,
            client_first_bare: message.bare.to_owned(),
            server_first,
        })
    }
}

impl Exchange {
    fn finish(self, token: &[u8]) -> Option<Step> {
        let message = ClientFinal::parse(token)?;
        if message.header != self.header || message.nonce != self.nonce {
            return None;
        }
        let signed = auth_message(&self.client_first_bare, &self.server_first, message.without_proof);
        // Proof and name are checked for every client: the credentials of an unknown user are as good as real
        // ones, only that nobody has their password.
        let is_proved = self.credentials.accept(&signed, &message.proof);
        let last = ServerFinal::write(&self.credentials.server_signature(&signed)).into_bytes();
        (is_proved & self.is_known).then_some(Step::Done { principal: self.principal, expires: None, last })
    }
}
