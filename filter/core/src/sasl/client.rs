//! The filter as a SASL client of the broker: PLAIN and SCRAM.
//!
//! ```text
//!   PLAIN   Ready ──name, password──► Plain ──(empty)──► Over
//!   SCRAM   Ready ──client-first──► First ──server-first, client-final──► Final ──server-final──► Over
//! ```

use std::cell::RefCell;
use std::rc::Rc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keyed::{Memory, PurposeKey};
use super::mechanism::Mechanism;
use super::saslname::escape;
use super::scram::credentials::{Hash, Keys};
use super::scram::messages::{auth_message, header_base64, to_base64, ServerFinal, ServerFirst};
use super::secret::Secret;
use crate::limits::{SALTED_ENTRIES_MAX, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};

/// An identity on the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAccount {
    /// The name as the broker knows it, prepared by SASLprep (RFC 4013).
    pub username: String,
    /// The password, taken as it is; without a NUL for PLAIN.
    pub password: Secret,
}

/// No channel binding, and no other identity than the one that logs in.
const GS2_HEADER: &str = "n,,";

/// What a broker's token leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// These bytes are the next token for the broker.
    Send(Vec<u8>),
    /// The broker has shown all that the mechanism lets it show.
    Done,
}

/// The broker does not speak the mechanism, or is not who it should be. The text is for the log, and holds no
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// One exchange with one broker.
pub struct Client {
    account: BrokerAccount,
    nonce: String,
    speaks: Speaks,
    state: State,
}

#[derive(Clone, Copy)]
enum Speaks {
    Plain,
    Scram(Hash),
}

enum State {
    Ready,
    Plain,
    First { hash: Hash, client_first_bare: String },
    Final { server_signature: Vec<u8> },
    Over,
}

impl Client {
    /// `nonce`: the client's part for SCRAM. Printable ASCII without a comma, and never used before: take 18
    /// random bytes or more. Name and password go out as they are, see
    /// [`Credentials::derive`](super::scram::Credentials::derive).
    ///
    /// None: OAUTHBEARER, which takes no password, or a NUL where the mechanism cannot carry one: in the
    /// name, and for PLAIN in the password.
    pub fn new(mechanism: Mechanism, account: &BrokerAccount, nonce: String) -> Option<Self> {
        let speaks = match mechanism {
            Mechanism::Plain if !account.password.expose().contains('\0') => Speaks::Plain,
            Mechanism::ScramSha256 => Speaks::Scram(Hash::Sha256),
            Mechanism::ScramSha512 => Speaks::Scram(Hash::Sha512),
            Mechanism::Plain | Mechanism::OauthBearer => return None,
        };
        let client = Self { account: account.clone(), nonce, speaks, state: State::Ready };
        Some(client).filter(|client| !client.account.username.contains('\0'))
    }

    /// The name of the account that logs in.
    pub(crate) fn username(&self) -> &str {
        &self.account.username
    }

    /// The first token. Begins the exchange anew.
    pub fn first(&mut self) -> Vec<u8> {
        match self.speaks {
            Speaks::Plain => {
                self.state = State::Plain;
                format!("\0{}\0{}", self.account.username, self.account.password.expose()).into_bytes()
            }
            Speaks::Scram(hash) => {
                let client_first_bare = format!("n={},r={}", escape(&self.account.username), self.nonce);
                let first = format!("{GS2_HEADER}{client_first_bare}").into_bytes();
                self.state = State::First { hash, client_first_bare };
                first
            }
        }
    }

    /// Takes the broker's answer to the token before. After [`ClientStep::Done`] and an error every answer is
    /// refused.
    pub fn step(&mut self, cache: &SaltedCache, challenge: &[u8]) -> Result<ClientStep, Refused> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Plain if challenge.is_empty() => Ok(ClientStep::Done),
            State::Plain => Err(Refused("PLAIN has no challenge, but the broker sent one")),
            State::First { hash, client_first_bare } => self.prove(cache, hash, &client_first_bare, challenge),
            State::Final { server_signature } => check_signature(&server_signature, challenge),
            State::Ready | State::Over => Err(Refused("no answer was due")),
        }
    }

    /// Answers server-first by client-final.
    fn prove(&mut self, cache: &SaltedCache, hash: Hash, bare: &str, challenge: &[u8]) -> Result<ClientStep, Refused> {
        if challenge.starts_with(b"e=") {
            return Err(Refused(BROKER_ERROR));
        }
        let message = ServerFirst::parse(challenge).ok_or(Refused("server-first is not a message of SCRAM"))?;
        let added = message.nonce.strip_prefix(self.nonce.as_str()).unwrap_or_default();
        if added.is_empty() {
            return Err(Refused("the nonce does not begin with ours, or the broker adds nothing to it"));
        }
        let salt = message.salt.ok_or(Refused("the salt is empty, too long, or not Base64"))?;
        let iterations =
            message.iterations.filter(|count| (SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(count));
        let iterations = iterations.ok_or(Refused("the iterations are not a number from 4096 to 16384"))?;
        let keys = Keys::new(hash, &cache.salted_password(hash, &self.account, &salt, iterations));
        let without_proof = format!("c={},r={}", header_base64(GS2_HEADER), message.nonce);
        let signed = auth_message(bare, message.text, &without_proof);
        self.state = State::Final { server_signature: keys.server_signature(&signed) };
        Ok(ClientStep::Send(format!("{without_proof},p={}", to_base64(&keys.proof(&signed))).into_bytes()))
    }
}

const BROKER_ERROR: &str = "the broker ends SCRAM with an error";

/// Checks server-final, in constant time.
fn check_signature(expected: &[u8], challenge: &[u8]) -> Result<ClientStep, Refused> {
    match ServerFinal::parse(challenge) {
        Some(ServerFinal::Signature(signature)) if signature.ct_eq(expected).into() => Ok(ClientStep::Done),
        Some(ServerFinal::Signature(_)) => {
            Err(Refused("the server signature is wrong: the broker does not know the password"))
        }
        Some(ServerFinal::Error) => Err(Refused(BROKER_ERROR)),
        None => Err(Refused("server-final is not a message of SCRAM")),
    }
}

/// Salted passwords of a worker, so that PBKDF2 does not run for every connection.
pub struct SaltedCache {
    key: PurposeKey,
    salted: RefCell<Memory<Rc<Zeroizing<Vec<u8>>>>>,
}

impl SaltedCache {
    /// `seed`: random.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { key: PurposeKey::new(&seed, "salted passwords"), salted: RefCell::new(Memory::new(SALTED_ENTRIES_MAX)) }
    }

    fn salted_password(
        &self,
        hash: Hash,
        account: &BrokerAccount,
        salt: &[u8],
        iterations: u32,
    ) -> Rc<Zeroizing<Vec<u8>>> {
        let (name, password) = (account.username.as_bytes(), account.password.expose());
        let digest =
            self.key.digest(&[&[hash.bytes() as u8], name, password.as_bytes(), salt, &iterations.to_be_bytes()]);
        if let Some(salted) = self.salted.borrow().get(&digest) {
            return salted;
        }
        let salted = Rc::new(hash.salted_password(password, salt, iterations));
        self.salted.borrow_mut().insert(digest, salted.clone());
        salted
    }
}

#[cfg(test)]
mod tests;
