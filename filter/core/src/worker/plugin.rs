//! What the connections of a worker reach of it: what is to be done now, what later, and what is remembered.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::agenda::Agenda;
use super::command::{Command, Commands};
use super::host::Host;
use super::instance::Instance;
use super::passwords::Passwords;
use super::routing::{self, Routed, Routing};
use crate::brokers::Address;
use crate::connection::retirement::Retirement;
use crate::connection::Opening;
use crate::limits;
use crate::memory::ProcessMemory;
use crate::principal::Peer;
use crate::shared::Shared;
use crate::stats::{BrokerLabel, Names, Stat};
use crate::time::Millis;
use crate::wire::rope::Rope;

/// A plugin on one worker, without its connections.
pub(crate) struct Plugin {
    pub(crate) shared: Rc<Shared>,
    pub(crate) memory: Rc<ProcessMemory>,
    pub(crate) commands: Commands,
    pub(crate) agenda: Agenda,
    pub(crate) routing: Routing,
    pub(crate) instance: Instance,
    pub(crate) passwords: Passwords,
    pub(crate) names: Rc<Names>,
    pub(crate) has_served: Rc<Cell<bool>>,
    /// Milliseconds between two ticks, as the host was told last.
    pub(crate) period: Cell<Option<Millis>>,
}

impl Plugin {
    /// What the core has to know of a connection whose first bytes are here. None: there is no entropy, and
    /// no connection.
    pub(crate) fn opening(
        &self,
        host: &impl Host,
        number: u32,
        routed: &Routed,
        retirement: &Rc<Retirement>,
    ) -> Option<Opening> {
        let config = &self.shared.config;
        let (sasl, upstream) = (config.sasl.is_some(), config.upstream.is_some());
        let by_certificate = config.principals_by_certificate();
        Some(Opening {
            bootstrapped: routed.bootstrapped.clone(),
            retirement: Rc::clone(retirement),
            number,
            broker_label: routed.label,
            peer: by_certificate.map_or(Peer::Anonymous, |principals| host.peer(principals.source)),
            entropy: if sasl || upstream { host.random()? } else { [0; 32] },
            versions: if sasl && upstream { routing::known_versions(&self.memory, routed) } else { None },
        })
    }

    /// A new connection.
    pub(crate) fn admit(&self, context_id: u32, broker: BrokerLabel, retirement: &Rc<Retirement>, now: Millis) {
        let deadline = now.saturating_add(self.shared.config.limits.authentication_ms);
        self.agenda.set_deadline(context_id, deadline);
        self.instance.admit((context_id, broker), retirement, &self.memory, &self.commands, now);
    }

    /// It is known whose connection it is: no deadline ends it any more.
    pub(crate) fn proven(&self, context_id: u32) {
        self.agenda.clear_deadline(context_id);
    }

    /// The connection is gone.
    pub(crate) fn forget(&self, context_id: u32, now: Millis) {
        self.agenda.forget(context_id);
        self.instance.forget(context_id, &self.memory, &self.commands, now);
    }

    /// Tells the host what was counted.
    pub(crate) fn tell(&self, counted: Vec<(Stat, u64)>) {
        counted.into_iter().for_each(|(stat, n)| self.commands.count(stat, i64::try_from(n).unwrap_or(i64::MAX)));
    }

    /// Bytes go to the broker at `due`. Gives them back where too many wait.
    pub(crate) fn send_later(&self, context_id: u32, due: Millis, bytes: Rope) -> Option<Rope> {
        let refused = self.agenda.send_later(context_id, due, bytes);
        self.set_period();
        refused
    }

    /// Closes the connection once the host has taken what was written to it.
    pub(crate) fn close_soon(&self, context_id: u32, now: Millis) {
        self.agenda.close_later(context_id, now.saturating_add(limits::CLOSE_DELAY_MS));
        self.set_period();
    }

    /// The connection is looked at again when its token's verdict is there.
    pub(crate) fn wait_for_verdict(&self, context_id: u32) {
        self.agenda.wait_for_verdict(context_id);
        self.set_period();
    }

    /// The connection is looked at again in a moment.
    pub(crate) fn wait_for_room(&self, context_id: u32) {
        self.agenda.wait_for_room(context_id);
        self.set_period();
    }

    /// Only when it changes: each call begins the period anew.
    pub(crate) fn set_period(&self) {
        let is_waiting = self.agenda.is_waiting() || self.shared.has_work() || self.shared.reads.has_work();
        let period = if is_waiting { limits::TICK_MS } else { self.instance.period() };
        if self.period.replace(Some(period)) != Some(period) {
            self.commands.push(Command::Tick(period));
        }
    }

    /// Brokers of the cluster, under the addresses that they give themselves.
    pub(crate) fn brokers_seen(&self, brokers: &[(i32, Address)]) {
        routing::keep_addresses(&self.memory, brokers);
    }

    /// The API versions of the broker that a connection was sent to.
    pub(crate) fn versions_seen(&self, routed: &Routed, versions: &Bytes) {
        routing::keep_versions(&self.memory, routed, versions);
    }

    /// No connection of this worker came in for a broker that clients are told of.
    pub(crate) fn broker_unreached(&self, broker: i32, advertised: &str) {
        if let Some(line) = routing::unreached(&self.memory, broker, advertised) {
            self.commands.count(Stat::AdvertisedUnreached, 1);
            self.commands.warn(line);
        }
    }

    /// Logs a sentence about no connection, unless one of its kind was written a moment ago.
    pub(crate) fn inform(&self, sentence: &str, now: Millis) {
        self.shared.line_for(sentence, now).into_iter().for_each(|line| self.commands.inform(line));
    }

    /// As [`Self::inform`], where somebody has to act.
    pub(crate) fn warn(&self, sentence: &str, now: Millis) {
        self.shared.line_for(sentence, now).into_iter().for_each(|line| self.commands.warn(line));
    }
}
