//! How clients prove who they are, as the configuration has it.

use super::mechanism::Mechanism;
use super::oauthbearer::settings::Settings;
use super::secret::Secret;
use super::users::user::User;
use crate::time::Millis;

/// How clients prove who they are.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// The mechanisms that are offered, in the order of the configuration; at least one, none twice.
    pub mechanisms: Vec<Mechanism>,
    /// Users by name and password, none twice. Empty if only OAUTHBEARER is offered.
    pub users: Vec<User>,
    /// Which tokens are accepted. There if OAUTHBEARER is offered.
    pub(crate) oauthbearer: Option<Settings>,
    /// What salts are made from. `None`: each process draws its own.
    pub(crate) salt_secret: Option<Secret>,
    /// How long a client may go on before it authenticates again (KIP-368). `None`: as long as its
    /// credentials last.
    pub max_session_ms: Option<Millis>,
}
