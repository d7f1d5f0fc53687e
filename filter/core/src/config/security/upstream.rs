//! `upstream.sasl`: who the filter is to brokers, for all clients or for each principal.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::mechanisms::mechanism;
use super::raw::{LoginSection, PrincipalLoginSection, UpstreamSaslSection};
use super::secret::{self, Environment};
use super::users;
use crate::config::error::ConfigError;
use crate::config::json::{Entries, Given, Object};
use crate::sasl::client::BrokerAccount;
use crate::sasl::identities::{BrokerIdentities, PrincipalAccount};
use crate::sasl::identity::Proof;
use crate::sasl::users::prepare;
use crate::sasl::{Mechanism, Sasl};

/// How clients prove who they are: what principals there can be follows from it.
#[derive(Clone, Copy)]
pub(super) struct Clients<'a> {
    pub(super) sasl: Option<&'a Sasl>,
    /// There is a `principal` section.
    pub(super) certificates: bool,
}

impl<'a> Clients<'a> {
    /// With a `sasl` section certificates name nobody.
    fn proofs(self) -> Vec<Proof> {
        match self.sasl {
            Some(sasl) => sasl.mechanisms.iter().copied().map(Proof::Sasl).collect(),
            None if self.certificates => vec![Proof::Certificate, Proof::Nothing],
            None => vec![],
        }
    }

    fn users(self) -> HashSet<&'a str> {
        self.sasl.into_iter().flat_map(|sasl| &sasl.users).map(|user| user.name.as_str()).collect()
    }
}

pub(super) fn upstream(
    raw: UpstreamSaslSection,
    clients: Clients<'_>,
    environment: Environment<'_>,
) -> Result<BrokerIdentities, ConfigError> {
    let path = "upstream.sasl";
    let known = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];
    let mechanism = mechanism("upstream.sasl.mechanism", &raw.mechanism, &known)?;
    let account = match (raw.username.0, raw.password.0) {
        (Some(username), Some(password)) => Some(account(path, LoginSection { username, password }, environment)?),
        (Some(_), None) => return Err(ConfigError::at("upstream.sasl.password", "is missing; username needs it")),
        (None, Some(_)) => return Err(ConfigError::at("upstream.sasl.username", "is missing; password needs it")),
        (None, None) => None,
    };
    if account.is_none() && raw.per_principal.0.is_empty() {
        return Err(ConfigError::at(path, "username and password are needed, or per_principal, or both"));
    }
    if raw.per_principal_only && raw.per_principal.0.is_empty() {
        return Err(ConfigError::at("upstream.sasl.per_principal_only", "lets nobody in; per_principal names no one"));
    }
    let mut per_principal = per_principal(raw.per_principal, clients, environment)?;
    // An identity that others have as well is nobody's own.
    let mut holders: HashMap<String, usize> = HashMap::new();
    for account in account.iter().chain(per_principal.values().map(|entry| &entry.account)) {
        *holders.entry(account.username.clone()).or_default() += 1;
    }
    for entry in per_principal.values_mut() {
        entry.is_own = holders.get(&entry.account.username) == Some(&1);
    }
    Ok(BrokerIdentities { mechanism, account, per_principal, per_principal_only: raw.per_principal_only })
}

fn per_principal(
    Entries(raw): Entries<Object<PrincipalLoginSection>>,
    clients: Clients<'_>,
    environment: Environment<'_>,
) -> Result<BTreeMap<String, PrincipalAccount>, ConfigError> {
    let known = clients.proofs();
    if known.is_empty() && !raw.is_empty() {
        return Err(ConfigError::at(
            "upstream.sasl.per_principal",
            "needs a sasl or principal section; without them no client has a principal",
        ));
    }
    let users = clients.users();
    let mut entries: BTreeMap<String, PrincipalAccount> = BTreeMap::new();
    for (written, Object(raw)) in raw {
        let path = format!("upstream.sasl.per_principal.{written}");
        let proofs = proofs(&format!("{path}.mechanisms"), raw.mechanisms, &known)?;
        let name = prepare(&written).unwrap_or_else(|| written.clone());
        if let Some(earlier) = entries.get(&name) {
            let problem = format_args!("is listed already, in another spelling: {:?}", earlier.written);
            return Err(ConfigError::at(&path, problem));
        }
        // Names in tokens and certificates are others' choice.
        let by_user_only = proofs.as_ref().unwrap_or(&known).iter().all(|proof| proof.is_by_user());
        if by_user_only && !users.contains(name.as_str()) {
            return Err(ConfigError::at(&path, "no client can have this name: sasl.users does not list it"));
        }
        let section = LoginSection { username: raw.username, password: raw.password };
        let account = account(&path, section, environment)?;
        entries.insert(name, PrincipalAccount { account, written, proofs, is_own: false });
    }
    Ok(entries)
}

/// Of `mechanisms`, which may name TLS beside those of SASL. None: any.
fn proofs(path: &str, given: Given<Vec<String>>, known: &[Proof]) -> Result<Option<Vec<Proof>>, ConfigError> {
    let Some(names) = given.0 else { return Ok(None) };
    let known: Vec<Proof> = known.iter().copied().filter(|proof| *proof != Proof::Nothing).collect();
    let mut proofs = Vec::with_capacity(names.len().min(known.len()));
    for (index, name) in names.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(proof) = known.iter().copied().find(|proof| proof.name() == name) else {
            let known: Vec<&str> = known.iter().map(|proof| proof.name()).collect();
            let problem = format_args!("{name:?} is none by which clients prove themselves here: {}", known.join(", "));
            return Err(ConfigError::at(&path, problem));
        };
        if proofs.contains(&proof) {
            return Err(ConfigError::at(&path, format_args!("{name} is listed already")));
        }
        proofs.push(proof);
    }
    if proofs.is_empty() {
        return Err(ConfigError::at(path, "at least one is needed; left out, any counts"));
    }
    Ok(Some(proofs))
}

fn account(path: &str, raw: LoginSection, environment: Environment<'_>) -> Result<BrokerAccount, ConfigError> {
    let password = secret::password(&format!("{path}.password"), &raw.password, environment)?;
    Ok(BrokerAccount { username: users::name(&format!("{path}.username"), &raw.username)?, password })
}
