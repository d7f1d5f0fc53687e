//! Who is at the two ends of a connection, for the log: what the client says of itself, and what else than
//! Kafka's protocol was spoken.

use super::{Action, Connection};
use crate::error::{BrokerFault, ClientFault, ConfigFault, Fault};
use crate::limits;
use crate::text;
use crate::wire::types::Reader;

impl Connection {
    /// Notes the client id of a request, `rest` being what is here of it behind its head. It stands at one
    /// place in all versions of the header but the oldest, which only brokers send.
    pub(super) fn note_client_id(&mut self, rest: &[u8]) {
        if self.session.introduced.is_some() {
            return;
        }
        let id = Reader::new(rest).nullable_string(false).flatten().unwrap_or_default();
        if !id.is_empty() {
            let id = id.get(..limits::NAME_BYTES_KEPT).unwrap_or(id);
            self.session.introduced = Some(id.into());
            self.actions.push_back(Action::Introduced(text::shown(id)));
        }
    }

    /// A fault that comes of somebody who does not speak Kafka's protocol says so. Only before the first
    /// whole request: who has sent one speaks it.
    pub(super) fn in_other_words(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Client(_) if !self.has_asked => match self.client.foreign() {
                Some(foreign) => ClientFault::Foreign(foreign).into(),
                None => fault,
            },
            Fault::Broker(_) | Fault::Config(ConfigFault::NoRoomForAnswer { .. }) => match self.broker.foreign() {
                Some(foreign) => BrokerFault::Foreign(foreign).into(),
                None => fault,
            },
            fault => fault,
        }
    }
}
