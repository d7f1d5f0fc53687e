//! The `sasl`, `principal` and `upstream` sections: who clients are, and who the filter is to brokers.

mod mechanisms;
mod oauthbearer;
pub(super) mod raw;
mod secret;
mod upstream;
mod users;

use self::mechanisms::mechanism;
use self::raw::{PrincipalSection, SaslSection, UpstreamSection};
use self::secret::Environment;
pub(super) use self::secret::SecretText;
use super::error::ConfigError;
use super::json::{within, Given, Object};
use crate::limits::{SALT_SECRET_BYTES_MIN, SESSION_S_MAX};
use crate::principal::{Principals, Rules, Source};
use crate::sasl::identities::BrokerIdentities;
use crate::sasl::secret::Secret;
use crate::sasl::users::User;
use crate::sasl::{Mechanism, Sasl};

/// What the three sections say.
pub(super) struct Security {
    pub(super) sasl: Option<Sasl>,
    pub(super) principal: Option<Principals>,
    pub(super) upstream: Option<BrokerIdentities>,
    pub(super) shared_administration: bool,
}

pub(super) fn security(
    sasl: Given<Object<SaslSection>>,
    principal: Given<Object<PrincipalSection>>,
    upstream: Given<Object<UpstreamSection>>,
    environment: Environment<'_>,
) -> Result<Security, ConfigError> {
    let sasl = sasl.0.map(|Object(raw)| self::sasl(raw, environment)).transpose()?;
    let principal = principal.0.map(|Object(raw)| self::principal(raw)).transpose()?;
    let UpstreamSection { sasl: raw, shared_administration } = upstream.0.map(|Object(raw)| raw).unwrap_or_default();
    let clients = upstream::Clients { sasl: sasl.as_ref(), certificates: principal.is_some() };
    let upstream = raw.0.map(|Object(raw)| upstream::upstream(raw, clients, environment)).transpose()?;
    Ok(Security { sasl, principal, upstream, shared_administration })
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
    let salt_secret = raw.salt_secret.0.map(|text| salt_secret(&text, &users, environment)).transpose()?;
    let is_given = raw.max_session_s.0.is_some();
    let max_session_s = within("sasl.max_session_s", raw.max_session_s, SESSION_S_MAX, 1..=SESSION_S_MAX)?;
    let max_session_ms = is_given.then_some(max_session_s * 1_000);
    Ok(Sasl { mechanisms, users, oauthbearer, salt_secret, max_session_ms })
}

fn salt_secret(text: &SecretText, users: &[User], environment: Environment<'_>) -> Result<Secret, ConfigError> {
    let path = "sasl.salt_secret";
    if users.is_empty() {
        return Err(ConfigError::at(path, "is for users, and no mechanism uses them"));
    }
    let secret = secret::secret(path, text, environment)?;
    if secret.expose().len() < SALT_SECRET_BYTES_MIN {
        return Err(ConfigError::at(path, format_args!("is shorter than {SALT_SECRET_BYTES_MIN} bytes")));
    }
    Ok(secret)
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
        Some(rules) => {
            Rules::parse(&rules).map_err(|error| ConfigError::new(format!("principal.mapping_rules{error}")))?
        }
    };
    Ok(Principals { source, rules })
}

#[cfg(test)]
mod tests;
