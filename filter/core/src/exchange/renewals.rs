//! When a member's offsets in shadow groups are written again.
//!
//! A broker keeps the offsets of a group as long as it has members. Shadows have none: without a commit their
//! offsets would expire while the group is alive. So they are renewed now and then, at a member's Heartbeat
//! (`apis/groups/heartbeat.rs`), and expire with the group when there are none any more.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::limits;
use crate::time::Millis;

/// A group and a member of it, by the hash of their names: names are the client's, and may be long. Two that
/// share one share their renewals: harmless, and nobody gains by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MemberKey(u64);

impl MemberKey {
    pub(crate) fn new(group: &str, member: &str) -> Self {
        Self(hash(&(group, member)))
    }
}

/// The members of one connection.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    members: HashMap<MemberKey, Renewal>,
}

#[derive(Debug)]
struct Renewal {
    due: Millis,
    seen: Millis,
    /// Partitions of the member's that this renewal has done.
    done: usize,
    /// The retention time, in milliseconds, that the client asks for with its commits.
    retention_ms: Option<i64>,
}

impl Renewals {
    /// Whether a renewal is due for a member who is seen now; if so, it begins: the next one is due in
    /// `interval_ms`. The first one comes at some time within a minute (or the interval, if that is shorter),
    /// so that members that start together do not renew together.
    pub(crate) fn begin(&mut self, member: MemberKey, now: Millis, interval_ms: Millis) -> bool {
        if !self.members.contains_key(&member) && self.members.len() >= limits::RENEWED_MEMBERS_MAX {
            self.forget_oldest();
        }
        // The time makes the delay another one on each connection: otherwise a member whose connections never
        // live as long as its delay would never be served.
        let first = now + hash(&(member, now)) % interval_ms.clamp(1, limits::RENEW_FIRST_MS_MAX);
        let new = Renewal { due: first, seen: now, done: 0, retention_ms: None };
        let renewal = self.members.entry(member).or_insert(new);
        renewal.seen = now;
        if now < renewal.due {
            return false;
        }
        renewal.due = now + interval_ms;
        true
    }

    /// How many partitions the renewal has done before.
    pub(crate) fn done(&self, member: MemberKey) -> usize {
        self.members.get(&member).map_or(0, |renewal| renewal.done)
    }

    /// The renewal goes on behind so many partitions at the next Heartbeat; 0: it has done all of them.
    pub(crate) fn go_on(&mut self, member: MemberKey, done: usize) {
        if let Some(renewal) = self.members.get_mut(&member) {
            renewal.done = done;
            if done > 0 {
                renewal.due = renewal.seen;
            }
        }
    }

    /// The renewal could not be done now.
    pub(crate) fn retry(&mut self, member: MemberKey, now: Millis) {
        if let Some(renewal) = self.members.get_mut(&member) {
            renewal.due = renewal.due.min(now + limits::RENEW_FIRST_MS_MAX);
        }
    }

    /// Notes the retention time of a commit, in milliseconds, for renewals that replace it.
    pub(crate) fn keep_for(&mut self, member: MemberKey, retention_ms: i64) {
        if let Some(renewal) = self.members.get_mut(&member) {
            renewal.retention_ms = Some(retention_ms);
        }
    }

    /// What [`Self::keep_for`] noted last.
    pub(crate) fn retention_ms(&self, member: MemberKey) -> Option<i64> {
        self.members.get(&member).and_then(|renewal| renewal.retention_ms)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.members.iter().min_by_key(|(_, renewal)| renewal.seen).map(|(key, _)| *key);
        oldest.and_then(|key| self.members.remove(&key));
    }
}

/// The same for everybody at all times.
fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: Millis = 3_600_000;

    fn key(member: &str) -> MemberKey {
        MemberKey::new("g", member)
    }

    /// When renewals begin for a member that is seen every second.
    fn begun(renewals: &mut Renewals, member: &str, seconds: Millis) -> Vec<Millis> {
        (0..seconds).filter(|second| renewals.begin(key(member), second * 1_000, HOUR_MS)).collect()
    }

    #[test]
    fn members_renew_within_a_minute_and_then_hourly_each_at_a_time_of_its_own() {
        let firsts: Vec<Millis> = (0..500)
            .map(|member| {
                let begun = begun(&mut Renewals::default(), &format!("member-{member}"), 7_300);
                assert!(begun.len() == 3 && begun[0] <= 60, "{begun:?}");
                assert!(begun.windows(2).all(|pair| pair[1] - pair[0] == 3_600));
                begun[0]
            })
            .collect();
        let at_once = (0..=60).map(|second| firsts.iter().filter(|first| **first == second).count()).max();
        assert!(at_once.unwrap() < 30, "{at_once:?} of 500 in one second");
    }

    #[test]
    fn a_long_renewal_goes_on_at_once_and_one_that_failed_is_tried_again() {
        let mut renewals = Renewals::default();
        let first = begun(&mut renewals, "m", 61)[0] * 1_000;
        assert!(!renewals.begin(key("m"), first + 100_000, HOUR_MS));
        renewals.go_on(key("m"), 1_000);
        assert_eq!(renewals.done(key("m")), 1_000);
        assert!(renewals.begin(key("m"), first + 103_000, HOUR_MS));
        renewals.go_on(key("m"), 0);
        assert!(!renewals.begin(key("m"), first + 106_000, HOUR_MS));
        renewals.retry(key("m"), first + 106_000);
        assert!(!renewals.begin(key("m"), first + 106_000 + limits::RENEW_FIRST_MS_MAX - 1, HOUR_MS));
        assert!(renewals.begin(key("m"), first + 106_000 + limits::RENEW_FIRST_MS_MAX, HOUR_MS));
    }

    #[test]
    fn members_are_remembered_up_to_a_bound() {
        let mut renewals = Renewals::default();
        for member in 0..10 * limits::RENEWED_MEMBERS_MAX {
            let other = key(&member.to_string());
            renewals.begin(other, member as Millis, HOUR_MS);
            renewals.keep_for(other, 7);
            renewals.begin(key("m"), member as Millis, HOUR_MS);
            assert!(renewals.members.len() <= limits::RENEWED_MEMBERS_MAX);
        }
        assert!(renewals.members.contains_key(&key("m")), "the one that is always seen stays");
        assert_eq!([renewals.retention_ms(key("999")), renewals.retention_ms(key("0"))], [Some(7), None]);
        renewals.keep_for(key("unknown"), 7);
        assert_eq!(renewals.retention_ms(key("unknown")), None);
    }
}
