//! What the APIs of this folder share: partitions that a request names, gathered by the physical partition
//! that they lie on, and words about them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use crate::exchange::handler::Context;
use crate::exchange::located::{Located, Misplaced, Place};
use crate::limits;
use crate::remapper::Lane;

/// One physical partition of a mapped topic, and what a request says of the virtual ones on it.
#[derive(Debug)]
pub(super) struct Siblings<T> {
    pub(super) place: Place,
    /// In the order of their lanes; one that is named again stands again. Never empty.
    said: Vec<(Located, T)>,
}

impl<T> Siblings<T> {
    /// Those that the request names, each once.
    pub(super) fn named(&self) -> impl Iterator<Item = &Located> {
        let mut last = None;
        self.said
            .iter()
            .map(|(located, _)| located)
            .filter(move |located| last.replace(located.lane) != Some(located.lane))
    }

    /// All that the request says, and of which sibling.
    pub(super) fn said(&self) -> impl Iterator<Item = &(Located, T)> {
        self.said.iter()
    }

    /// The numbers of the siblings that the request does not name.
    pub(super) fn missing(&self) -> impl Iterator<Item = i32> + '_ {
        let mapping = self.said.first().and_then(|(located, _)| located.mapping());
        let mut named = self.named().map(|located| located.lane).peekable();
        let lanes = (0..mapping.map_or(0, |mapping| mapping.lanes())).map(Lane);
        let missing = lanes.filter(move |lane| named.next_if_eq(lane).is_none());
        missing.filter_map(move |lane| Some(mapping?.physical_to_virtual(self.place.partition, lane).ok()?.0))
    }

    /// As an exchange remembers them: who waits for the broker's word on the place.
    pub(super) fn into_askers(self) -> (Place, Vec<Located>) {
        let Self { place, mut said } = self;
        said.dedup_by_key(|(located, _)| located.lane);
        (place, said.into_iter().map(|(located, _)| located).collect())
    }
}

/// Partitions of mapped topics that a request names.
#[derive(Debug)]
pub(super) struct Gathered<T> {
    /// In the order in which the request first names one of each.
    pub(super) places: Vec<Siblings<T>>,
    /// Those that have no place, each once.
    pub(super) misplaced: Vec<(TopicName, i32, Misplaced)>,
}

/// Finds the partitions of mapped topics on the cluster. To be called behind [`Context::ask_first`] or
/// [`Context::ask_for_certain`].
pub(super) fn gather<T>(
    cx: &Context<'_>,
    topics: impl IntoIterator<Item = (TopicName, impl IntoIterator<Item = (i32, T)>)>,
) -> Gathered<T> {
    let mut gathered = Gathered { places: vec![], misplaced: vec![] };
    let (mut at, mut misplaced) = (HashMap::new(), HashSet::new());
    for (name, partitions) in topics {
        let topic = cx.topic(&name);
        for (partition, said) in partitions {
            let located = match cx.locate(&topic, partition) {
                Ok(located) => located,
                Err(why) => {
                    if misplaced.insert((name.clone(), partition)) {
                        gathered.misplaced.push((name.clone(), partition, why));
                    }
                    continue;
                }
            };
            match at.entry(located.place.clone()) {
                Entry::Vacant(vacant) => {
                    let place = vacant.key().clone();
                    vacant.insert(gathered.places.len());
                    gathered.places.push(Siblings { place, said: vec![(located, said)] });
                }
                Entry::Occupied(known) => {
                    if let Some(siblings) = gathered.places.get_mut(*known.get()) {
                        siblings.said.push((located, said));
                    }
                }
            }
        }
    }
    for place in &mut gathered.places {
        place.said.sort_by_key(|(located, _)| located.lane);
    }
    gathered
}

/// The first of these numbers, and whether there are more: `2, 4 and more`.
pub(super) fn list(numbers: impl Iterator<Item = i32>) -> String {
    let mut numbers = numbers.peekable();
    let first: Vec<String> =
        numbers.by_ref().take(limits::SIBLINGS_NAMED_MAX).map(|number| number.to_string()).collect();
    let more = if numbers.peek().is_some() { " and more" } else { "" };
    first.join(", ") + more
}

/// A broker's words on a physical partition, where they cannot name it: where its number is not among them.
pub(super) fn words(words: Option<StrBytes>, place: &Place) -> Option<StrBytes> {
    let number = place.partition.0.to_string();
    words.filter(|words| !words.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number))
}
