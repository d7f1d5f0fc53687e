//! Who is at the two ends of a connection, for the log: what the client says of itself, and what else than
//! Kafka's protocol was spoken.

use super::{Action, Connection};
use crate::error::{BrokerFault, ClientFault, ConfigFault, Fault, Reconnect};
use crate::limits;
use crate::text;

impl Connection {
    /// Notes the client id of a request, `rest` being what is here of it behind its head. It stands at one
    /// place in all versions of the header but the oldest, which only brokers send.
    pub(super) fn note_client_id(&mut self, rest: &[u8]) {
        if self.session.introduced.is_some() {
            return;
        }
        // Of a long one the rest need not have come: its first bytes are what is shown.
        let Some((len, rest)) = rest.split_first_chunk() else { return };
        let len = usize::try_from(i16::from_be_bytes(*len)).unwrap_or(0).min(limits::NAME_BYTES_KEPT);
        if let Some(id) = rest.get(..len).filter(|id| !id.is_empty()) {
            self.session.introduced = Some(id.into());
            self.actions.push_back(Action::Introduced(text::shown(id)));
        }
    }

    /// A fault that comes of somebody who does not speak Kafka's protocol says so. Of a client only before
    /// its first whole request: who has sent one speaks it.
    pub(super) fn in_other_words(&self, fault: Fault) -> Fault {
        let is_clients = !self.has_asked
            && matches!(
                fault,
                // The last two: its bytes pass as a frame that never ends.
                Fault::Client(_)
                    | Fault::Reconnect(Reconnect::Silent { .. })
                    | Fault::Broker(BrokerFault::Stalled { .. })
            );
        if let Some(foreign) = self.client.foreign().filter(|_| is_clients) {
            return ClientFault::Foreign(foreign).into();
        }
        let is_brokers = matches!(fault, Fault::Broker(_) | Fault::Config(ConfigFault::NoRoomForAnswer { .. }));
        if let Some(foreign) = self.broker.foreign().filter(|_| is_brokers) {
            return BrokerFault::Foreign(foreign).into();
        }
        fault
    }
}
