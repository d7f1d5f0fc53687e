//! The `sasl`, `principal` and `upstream` sections: who clients are, and who the filter is to brokers.

mod oauthbearer;
pub(super) mod raw;
mod secret;
mod users;

use std::collections::BTreeMap;

use self::raw::{LoginSection, PrincipalSection, SaslSection, UpstreamSaslSection, UpstreamSection};
use self::secret::Environment;
use super::raw::{Given, Object};
use super::{within, ConfigError};
use crate::exchange::Millis;
use crate::limits::SESSION_S_MAX;
use crate::principal::{Principals, Rules, Source};
use crate::sasl::client::Login;
use crate::sasl::oauthbearer::Settings;
use crate::sasl::users::User;
use crate::sasl::Mechanism;

/// How clients prove who they are.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// In the order of the configuration; at least one, none twice.
    pub mechanisms: Vec<Mechanism>,
    /// None twice. Empty if only OAUTHBEARER is spoken.
    pub users: Vec<User>,
    /// There if OAUTHBEARER is spoken.
    pub oauthbearer: Option<Settings>,
    /// How long a client may go on before it authenticates again (KIP-368). `None`: as long as its credentials last.
    pub max_session_ms: Option<Millis>,
}

/// Who the filter is to brokers.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// PLAIN or one of SCRAM.
    pub mechanism: Mechanism,
    /// For every client that `per_principal` has nothing for, and for the filter's own connections. There if
    /// `per_principal` is empty.
    pub login: Option<Login>,
    pub per_principal: BTreeMap<String, Login>,
}

/// What the three sections say.
pub(super) struct Security {
    pub(super) sasl: Option<Sasl>,
    pub(super) principal: Option<Principals>,
    pub(super) upstream: Option<Upstream>,
}

pub(super) fn security(
    sasl: Given<Object<SaslSection>>,
    principal: Given<Object<PrincipalSection>>,
    upstream: Given<Object<UpstreamSection>>,
    environment: Environment<'_>,
) -> Result<Security, ConfigError> {
    let sasl = sasl.0.map(|Object(raw)| self::sasl(raw, environment)).transpose()?;
    let principal = principal.0.map(|Object(raw)| self::principal(raw)).transpose()?;
    let raw = upstream.0.and_then(|Object(raw)| raw.sasl.0);
    let upstream = raw.map(|Object(raw)| self::upstream(raw, environment)).transpose()?;
    let has_principals = sasl.is_some() || principal.is_some();
    if !has_principals && upstream.as_ref().is_some_and(|upstream| !upstream.per_principal.is_empty()) {
        return Err(ConfigError::at(
            "upstream.sasl.per_principal",
            "needs a sasl or principal section; without them no client has a principal",
        ));
    }
    Ok(Security { sasl, principal, upstream })
}

fn sasl(raw: SaslSection, environment: Environment<'_>) -> Result<Sasl, ConfigError> {
    let mechanisms = mechanisms(&raw.mechanisms)?;
    let users = users::users(raw.users, &mechanisms, environment)?;
    let oauthbearer = match (raw.oauthbearer.0, mechanisms.contains(&Mechanism::OauthBearer)) {
        (Some(Object(raw)), true) => Some(oauthbearer::settings(raw, environment)?),
        (None, false) => None,
        (Some(_), false) => {
            return Err(ConfigError::at("sasl.oauthbearer", "is for OAUTHBEARER, which is not in mechanisms"))
        }
        (None, true) => return Err(ConfigError::at("sasl.oauthbearer", "is missing; OAUTHBEARER needs it")),
    };
    let is_given = raw.max_session_s.0.is_some();
    let max_session_s = within("sasl.max_session_s", raw.max_session_s, SESSION_S_MAX, 1..=SESSION_S_MAX)?;
    Ok(Sasl { mechanisms, users, oauthbearer, max_session_ms: is_given.then_some(max_session_s * 1_000) })
}

fn mechanisms(names: &[String]) -> Result<Vec<Mechanism>, ConfigError> {
    let mut mechanisms = Vec::with_capacity(names.len().min(Mechanism::ALL.len()));
    for (index, name) in names.iter().enumerate() {
        let path = format!("sasl.mechanisms[{index}]");
        let mechanism = mechanism(&path, name, &Mechanism::ALL)?;
        if mechanisms.contains(&mechanism) {
            return Err(ConfigError::at(&path, format_args!("{name} is listed already")));
        }
        mechanisms.push(mechanism);
    }
    if mechanisms.is_empty() {
        return Err(ConfigError::at("sasl.mechanisms", "at least one is needed"));
    }
    Ok(mechanisms)
}

fn mechanism(path: &str, name: &str, known: &[Mechanism]) -> Result<Mechanism, ConfigError> {
    let named = Mechanism::named(name).filter(|mechanism| known.contains(mechanism));
    named.ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(|mechanism| mechanism.name()).collect();
        ConfigError::at(path, format_args!("{name:?} is none of {}", known.join(", ")))
    })
}

fn principal(raw: PrincipalSection) -> Result<Principals, ConfigError> {
    let named = |name: &String| Source::ALL.into_iter().find(|source| source.name() == name);
    let source = match raw.source.0.as_ref().map(|name| (named(name), name)) {
        None => Source::default(),
        Some((Some(source), _)) => source,
        Some((None, name)) => {
            let known = Source::ALL.map(Source::name).join(", ");
            return Err(ConfigError::at("principal.source", format_args!("{name:?} is none of {known}")));
        }
    };
    let rules = match raw.mapping_rules.0 {
        None => Rules::default(),
        // The error's text begins with the index.
        Some(rules) => Rules::parse(&rules).map_err(|error| ConfigError(format!("principal.mapping_rules{error}")))?,
    };
    Ok(Principals { source, rules })
}

fn upstream(raw: UpstreamSaslSection, environment: Environment<'_>) -> Result<Upstream, ConfigError> {
    let path = "upstream.sasl";
    let known = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];
    let mechanism = mechanism("upstream.sasl.mechanism", &raw.mechanism, &known)?;
    let login = match (raw.username.0, raw.password.0) {
        (Some(username), Some(password)) => Some(login(path, LoginSection { username, password }, environment)?),
        (Some(_), None) => return Err(ConfigError::at("upstream.sasl.password", "is missing; username needs it")),
        (None, Some(_)) => return Err(ConfigError::at("upstream.sasl.username", "is missing; password needs it")),
        (None, None) => None,
    };
    let mut per_principal = BTreeMap::new();
    for (principal, Object(raw)) in raw.per_principal {
        let path = format!("upstream.sasl.per_principal.{principal}");
        per_principal.insert(principal, self::login(&path, raw, environment)?);
    }
    if login.is_none() && per_principal.is_empty() {
        return Err(ConfigError::at(path, "username and password are needed, or per_principal, or both"));
    }
    Ok(Upstream { mechanism, login, per_principal })
}

fn login(path: &str, raw: LoginSection, environment: Environment<'_>) -> Result<Login, ConfigError> {
    let password = secret::password(&format!("{path}.password"), &raw.password, environment)?;
    Ok(Login { username: users::name(&format!("{path}.username"), &raw.username)?, password })
}

#[cfg(test)]
mod tests;
