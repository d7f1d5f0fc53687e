//! Who a client has proved to be, and how.

use super::mechanism::Mechanism;
use crate::time::Millis;

/// How a client proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    Sasl(Mechanism),
    Certificate,
    Nothing,
}

impl Proof {
    /// The proof's name in Envoy's access log and RBAC.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sasl(mechanism) => mechanism.name(),
            Self::Certificate => "TLS",
            Self::Nothing => "NONE",
        }
    }

    /// By a name and password of `sasl.users`.
    pub(crate) fn is_by_user(self) -> bool {
        self.mechanism().is_some_and(|mechanism| mechanism != Mechanism::OauthBearer)
    }

    pub(crate) fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::Sasl(mechanism) => Some(mechanism),
            Self::Certificate | Self::Nothing => None,
        }
    }
}

/// Who a client has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) principal: String,
    pub(crate) proof: Proof,
    /// When the client has to prove it again, by Envoy's clock.
    pub(crate) ends: Option<Millis>,
}
