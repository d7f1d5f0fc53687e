//! Asking the cluster who its brokers are, where a connection stands for a broker whose address is not known
//! yet.
//!
//! Such a connection was sent to a bootstrap broker. Before anything of the client goes up, the filter asks
//! Metadata in its own name. If the broker turns out to live elsewhere, the connection is closed: the client
//! reconnects, and is then sent right.

use bytes::Bytes;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::brokers::{Address, Advertise, Route};
use crate::error::{Fault, Reconnect};
use crate::exchange::action::Action;
use crate::exchange::handler::{read_answer, Context, Next, Pending, Question, Upstream};
use crate::limits;
use crate::wire::rope::Rope;

/// A connection that stands for `broker`, and was sent to the bootstrap broker `connected` for want of
/// knowing better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    /// Its id, by the port or name that the client came in at.
    pub broker: i32,
    /// Where the connection went.
    pub connected: Address,
}

/// The oldest version that can ask for no topic at all.
const METADATA_VERSION: i16 = 1;

/// Waits for the brokers.
pub(crate) struct BrokerQuestion {
    bootstrapped: Bootstrapped,
}

impl BrokerQuestion {
    /// # Errors
    /// [`Fault::Bug`]
    pub(crate) fn question(bootstrapped: Bootstrapped) -> Result<Question, Fault> {
        let nothing = MetadataRequest::default().with_topics(Some(vec![]));
        let request = Upstream::new(METADATA_VERSION, &nothing)?;
        Ok(Question { request, pending: Box::new(Self { bootstrapped }) })
    }
}

impl Pending for BrokerQuestion {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: MetadataResponse = read_answer(&body, METADATA_VERSION)?;
        note_addresses(cx, &answer);
        let Bootstrapped { broker, connected } = &self.bootstrapped;
        let found = answer.brokers.iter().find(|known| known.node_id.0 == *broker);
        // A broker that the cluster does not know is stood in for by the bootstrap: it refuses what it does
        // not lead.
        let known = found.and_then(|known| Address::of(&known.host, known.port));
        let belongs = match (&cx.shared.config.route, known) {
            (Route::Dynamic(route), Some(known)) => route.address_of(*broker, known),
            _ => connected.clone(),
        };
        if belongs != *connected {
            return Err(Fault::Reconnect(Reconnect::Misrouted { broker: *broker }));
        }
        Ok(Next::Answer(Rope::new()))
    }
}

/// Tells the process who the brokers are, where connections are routed by broker id, or clients choose the
/// names that they come in at.
pub(crate) fn note_addresses(cx: &mut Context<'_>, answer: &MetadataResponse) {
    let config = &cx.shared.config;
    if matches!(config.route, Route::Envoy) && !matches!(config.advertise, Advertise::Sni { .. }) {
        return;
    }
    let known = answer.brokers.iter();
    let known = known.filter_map(|broker| Some((broker.node_id.0, Address::of(&broker.host, broker.port)?)));
    cx.actions.push_back(Action::BrokersSeen(known.take(limits::LEARNED_BROKERS_MAX).collect()));
}
