//! Who the filter is to brokers for a client: an identity of the client's own, or the one that stands for
//! all.
//!
//! Principals of users, of tokens and of certificates share one name space. So an entry can say by which
//! proof its principal has to come, and names are compared as they were proved: a user's prepared by
//! SASLprep, any other byte for byte. One that differs from an entry only by its spelling is refused, since
//! it would else act as somebody else or, in silence, for all.

use std::collections::BTreeMap;

use super::client::BrokerAccount;
use super::identity::{Identity, Proof};
use super::mechanism::Mechanism;
use super::users::user::prepare;

/// Who the filter is to brokers.
#[derive(Clone, Debug)]
pub struct BrokerIdentities {
    /// PLAIN or one of SCRAM.
    pub mechanism: Mechanism,
    /// For every client that `per_principal` has nothing for. There if `per_principal` is empty.
    pub account: Option<BrokerAccount>,
    /// By the principal's name, prepared by SASLprep where that is possible.
    pub per_principal: BTreeMap<String, PrincipalAccount>,
    /// Refuses principals that `per_principal` has nothing for, although there is an `account`.
    pub per_principal_only: bool,
}

/// The identity of one principal.
#[derive(Clone, Debug)]
pub struct PrincipalAccount {
    pub(crate) account: BrokerAccount,
    /// The principal as the configuration spells it.
    pub(crate) written: String,
    /// How its principal has to have proved itself. None: in any way.
    pub(crate) proofs: Option<Vec<Proof>>,
    /// No other entry has this account, nor do clients without an entry.
    pub(crate) is_own: bool,
}

/// The account that the filter logs in with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acting<'a> {
    pub(crate) account: &'a BrokerAccount,
    /// Brokers act in this account's name for this client alone.
    pub(crate) is_own: bool,
}

impl BrokerIdentities {
    /// # Errors
    /// Why there is none for the client.
    pub(crate) fn identity_for(&self, client: Option<&Identity>) -> Result<Acting<'_>, &'static str> {
        let shared = self.account.as_ref().filter(|_| !self.per_principal_only);
        let shared = shared.map(|account| Acting { account, is_own: false });
        let entry = client.and_then(|client| Some((client, self.entry(&client.principal)?)));
        let entry = entry.filter(|(client, entry)| entry.serves(client.proof));
        let Some((client, entry)) = entry else {
            return shared.ok_or("upstream.sasl.per_principal has no identity for the client's principal");
        };
        if !client.proof.is_by_user() && client.principal != entry.written {
            return Err("upstream.sasl.per_principal spells the client's principal in another way than its token or certificate");
        }
        // Clients without a certificate have one name, and are many.
        let is_own = entry.is_own && client.proof != Proof::Nothing;
        Ok(Acting { account: &entry.account, is_own })
    }

    fn entry(&self, principal: &str) -> Option<&PrincipalAccount> {
        match prepare(principal) {
            Some(prepared) => self.per_principal.get(&prepared),
            None => self.per_principal.get(principal),
        }
    }
}

impl PrincipalAccount {
    fn serves(&self, proof: Proof) -> bool {
        self.proofs.as_ref().is_none_or(|proofs| proofs.contains(&proof))
    }
}
