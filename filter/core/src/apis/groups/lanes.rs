//! What the group APIs have in common: shadow groups.
//!
//! A group has one offset slot per physical partition. Lane 0 has it in the group itself, every other lane in
//! a shadow group of its own (see `shadow.rs`), written without membership: `members.rs` has the proof that a
//! caller may.

use std::collections::HashMap;

use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

use crate::exchange::handler::Context;
use crate::limits;
use crate::remapper::Lane;
use crate::shadow;

/// The group that holds `lane`'s offsets of `group`. None when its name does not fit the protocol.
pub(crate) fn holder(group: &GroupId, lane: Lane) -> Option<GroupId> {
    if lane.0 == 0 {
        return Some(group.clone());
    }
    let name = shadow::name(&group.0, lane);
    (name.len() <= limits::GROUP_ID_BYTES_MAX).then(|| GroupId(StrBytes::from_string(name)))
}

/// A client that names a shadow would read or write another group's offsets.
pub(crate) fn is_shadow(group: &GroupId) -> bool {
    shadow::parse(&group.0).is_some()
}

/// Says in the log what INVALID_GROUP_ID means, which clients show as a name that is empty or malformed.
pub(crate) fn warn_of_shadow(cx: &mut Context<'_>) {
    cx.warn_refused("it names a shadow group, which holds offsets of another group: name that group");
}

/// How much of what was asked for many groups goes into one request.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    names: usize,
    bytes: usize,
}

impl Piece {
    pub(crate) fn is_full(&self) -> bool {
        self.names >= limits::PIECE_GROUPS_MAX || self.bytes >= limits::PIECE_NAMES_BYTES_MAX
    }

    pub(crate) fn add(&mut self, group: &GroupId) {
        self.names += 1;
        self.bytes += group.len();
    }
}

/// All shadows that some groups may have, named piece by piece: there are far more of them than a request has
/// bytes.
#[derive(Debug)]
pub(crate) struct Shadows {
    groups: Vec<GroupId>,
    lanes: u32,
    /// The group whose shadow is named next, and its lane.
    next: (usize, u32),
    /// The shadows of the present piece, and the group of each.
    piece: HashMap<GroupId, usize>,
}

impl Shadows {
    /// `lanes`: how many any topic has, at most.
    pub(crate) fn new(groups: Vec<GroupId>, lanes: u32) -> Self {
        Self { groups, lanes, next: (0, 1), piece: HashMap::new() }
    }

    /// The next names to ask for; none: that was all.
    pub(crate) fn next_piece(&mut self) -> Vec<GroupId> {
        let mut piece = Piece::default();
        self.piece.clear();
        while let Some(group) = self.groups.get(self.next.0).filter(|_| !piece.is_full()) {
            let (at, lane) = self.next;
            if lane >= self.lanes {
                self.next = (at + 1, 1);
                continue;
            }
            self.next.1 += 1;
            if let Some(shadow) = holder(group, Lane(lane)) {
                piece.add(&shadow);
                self.piece.insert(shadow, at);
            }
        }
        self.piece.keys().cloned().collect()
    }

    /// The group of a shadow of the present piece.
    pub(crate) fn group(&self, shadow: &GroupId) -> Option<&GroupId> {
        self.piece.get(shadow).and_then(|at| self.groups.get(*at))
    }
}

#[cfg(test)]
mod tests;
