//! How a Fetch asks for a physical partition, where other connections may read it as well.

use std::rc::Rc;

use crate::config::ShareMode;
use crate::exchange::handler::Context;
use crate::shared::reads::{Flight, LogKey, Parked, Segment};

/// How a physical partition is asked for in a round.
pub(super) enum Ask {
    /// For what lies from an offset on; others may wait for the flight.
    Read(Option<Flight>),
    /// Whether the client may have what another connection has read while this Fetch waited, or just before.
    Joined(Vec<Rc<Segment>>),
    /// Whether the client may have this, and it is still there.
    Late(Vec<Rc<Segment>>),
}

/// A physical partition whose reads are shared.
pub(super) struct SharedLog {
    pub(super) key: LogKey,
    /// How many connections have read it of late, this one included.
    pub(super) readers: usize,
    /// What came for the client while it waited.
    pub(super) found: Option<Rc<Segment>>,
}

/// What a Fetch has to do with others.
pub(super) struct Sharing {
    pub(super) connection: u32,
    /// It reads for itself, from now on.
    pub(super) is_alone: bool,
    /// What was told of the log is not what others were told: the broker has to be asked for records.
    pub(super) owes_read: bool,
    /// It lets others catch up, and these wait for it.
    pub(super) holds: Vec<Flight>,
    /// It did so in this Fetch.
    pub(super) has_held: bool,
    /// It waits for others; and which of its physical partitions it waits for.
    pub(super) parked: Option<(Parked, Vec<usize>)>,
}

impl Sharing {
    /// A client that sends nothing more gets its answer by one request: the end of its stream goes with that.
    pub(super) fn new(cx: &Context<'_>) -> Self {
        let is_alone = cx.shared.config.share == ShareMode::Never || cx.session.client_ended;
        Self {
            connection: cx.session.connection,
            is_alone,
            owes_read: false,
            holds: vec![],
            has_held: false,
            parked: None,
        }
    }
}
