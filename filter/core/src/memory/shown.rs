//! Which gauges say what is configured: who puts another configuration in force sets those right that it does
//! not have. They live in the host and outlive the filter's instances.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::limits::SHOWN_IDENTITIES_MAX;

/// The full names of the gauges that each identity's configuration in force has set, for all identities of
/// one `stat_prefix`: their gauges have the same names. Who changed last stands last.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown(Vec<(String, Vec<String>)>);

impl Shown {
    /// From shared memory. What cannot be read counts as no gauge.
    pub(crate) fn read(stored: &[u8]) -> Self {
        serde_json::from_slice(stored).unwrap_or_default()
    }

    /// From now on `identity` shows `names`. Gives those that it has shown, and that nobody shows any more.
    pub(crate) fn show(&mut self, identity: &str, names: &[String]) -> Vec<String> {
        let former = self.0.iter().position(|(other, _)| other == identity).map(|at| self.0.remove(at).1);
        self.0.push((identity.to_owned(), names.to_vec()));
        let surplus = self.0.len().saturating_sub(SHOWN_IDENTITIES_MAX);
        self.0.drain(..surplus);
        let shown: HashSet<&String> = self.0.iter().flat_map(|(_, names)| names).collect();
        former.unwrap_or_default().into_iter().filter(|name| !shown.contains(name)).collect()
    }

    /// For shared memory.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_another_identity_shows_stays() {
        let mut shown = Shown::default();
        assert!(shown.show("a", &names(&["t", "u", "hash1"])).is_empty());
        assert!(shown.show("b", &names(&["t", "hash1"])).is_empty());
        let mut shown = Shown::read(&shown.write());
        assert_eq!(shown.show("a", &names(&["hash2"])), ["u"]);
        assert_eq!(shown.show("b", &names(&["hash2"])), ["t", "hash1"]);
        assert!(shown.show("b", &names(&["hash2"])).is_empty());
    }

    #[test]
    fn identities_are_bounded() {
        let mut shown = Shown::default();
        for n in 0..2 * SHOWN_IDENTITIES_MAX {
            assert!(shown.show(&n.to_string(), &names(&["t"])).is_empty());
        }
        assert_eq!(shown.0.len(), SHOWN_IDENTITIES_MAX);
    }
}
