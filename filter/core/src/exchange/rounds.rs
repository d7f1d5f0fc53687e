//! Requests that name siblings, split into rounds in which no physical partition repeats.
//!
//! Kafka takes each partition once per request: a repeated one silently overrides the earlier. So siblings are asked for
//! in rounds, sent back to back, and their answers merged. Siblings with the same question share one place. Whose an answer
//! is, is looked up by hash: a request may name as many partitions as its bytes hold.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use kafka_protocol::messages::TopicName;

use crate::error::Fault;
use crate::exchange::located::Place;
use crate::remapper::PhysicalPartition;

/// Finds, place by place, the first round in which a key has not been named.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    taken: HashMap<K, usize>,
}

impl<K: Hash + Eq> Turns<K> {
    pub(crate) fn new() -> Self {
        Self { taken: HashMap::new() }
    }

    /// The round, from 0, of this naming of `key`.
    pub(crate) fn next(&mut self, key: K) -> usize {
        let taken = self.taken.entry(key).or_insert(0);
        *taken += 1;
        *taken - 1
    }
}

/// Who waits for the answer at each place of one request. A place that the request names several times has as many
/// answers, in the order of its names.
#[derive(Debug)]
pub(crate) struct Awaited<T> {
    waiting: HashMap<Place, VecDeque<T>>,
}

impl<T> Awaited<T> {
    pub(crate) fn new(waiting: impl IntoIterator<Item = (Place, T)>) -> Self {
        let mut places: HashMap<Place, VecDeque<T>> = HashMap::new();
        for (place, waits) in waiting {
            places.entry(place).or_default().push_back(waits);
        }
        Self { waiting: places }
    }

    /// Who waits for this answer of the broker's.
    ///
    /// # Errors
    /// [`Fault::Answer`] when nobody does.
    pub(crate) fn take(&mut self, api: &'static str, place: Place) -> Result<T, Fault> {
        let nobody = Fault::Answer { api, what: "it names a partition that was not asked for" };
        let Entry::Occupied(mut place) = self.waiting.entry(place) else { return Err(nobody) };
        let waits = place.get_mut().pop_front().ok_or(nobody)?;
        if place.get().is_empty() {
            place.remove();
        }
        Ok(waits)
    }

    /// To be called behind the last answer.
    ///
    /// # Errors
    /// [`Fault::Answer`] when somebody still waits.
    pub(crate) fn finish(self, api: &'static str) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        Err(Fault::Answer { api, what: "a partition is missing" })
    }
}

/// One round: a question per place, and who asked it.
#[derive(Debug)]
pub(crate) struct Round<Q, A> {
    places: HashMap<Place, usize>,
    pub(crate) questions: Vec<(Place, Q)>,
    askers: Vec<Vec<A>>,
}

impl<Q, A> Round<Q, A> {
    fn new() -> Self {
        Self { places: HashMap::new(), questions: vec![], askers: vec![] }
    }

    /// Asks at a place where nobody asks in this round. Gives the question's slot.
    fn put(&mut self, place: Place, question: Q, asker: A) -> usize {
        let slot = self.questions.len();
        self.places.insert(place.clone(), slot);
        self.questions.push((place, question));
        self.askers.push(vec![asker]);
        slot
    }

    /// Takes who asked at `place`; empty when nobody did, or when they were taken before.
    pub(crate) fn take_askers(&mut self, place: &Place) -> Vec<A> {
        let askers = self.places.get(place).and_then(|slot| self.askers.get_mut(*slot));
        askers.map(std::mem::take).unwrap_or_default()
    }

    /// Whether somebody has not been answered.
    pub(crate) fn is_open(&self) -> bool {
        self.askers.iter().any(|askers| !askers.is_empty())
    }

    /// The questions by topic, in the order in which the topics were first named.
    pub(crate) fn by_topic(&self) -> Vec<(TopicName, Vec<(PhysicalPartition, Q)>)>
    where
        Q: Copy,
    {
        group(self.questions.iter().map(|(place, question)| (place.topic.clone(), (place.partition, *question))))
    }
}

/// All questions of one request, in rounds. A question costs the same however many were asked before.
#[derive(Debug)]
pub(crate) struct Rounds<Q, A> {
    rounds: Vec<Round<Q, A>>,
    turns: Turns<Place>,
    /// The round of each question, and its slot there.
    asked: HashMap<(Place, Q), (usize, usize)>,
}

impl<Q: Hash + Eq + Copy, A> Rounds<Q, A> {
    pub(crate) fn new() -> Self {
        Self { rounds: vec![], turns: Turns::new(), asked: HashMap::new() }
    }

    /// Asks `question` at `place` for `asker`: where it is asked already, else in the first round where the place is free.
    pub(crate) fn ask(&mut self, place: Place, question: Q, asker: A) {
        match self.asked.entry((place.clone(), question)) {
            Entry::Occupied(asked) => {
                let (round, slot) = *asked.get();
                if let Some(askers) = self.rounds.get_mut(round).and_then(|round| round.askers.get_mut(slot)) {
                    askers.push(asker);
                }
            }
            Entry::Vacant(vacant) => {
                let at = self.turns.next(place.clone());
                if at == self.rounds.len() {
                    self.rounds.push(Round::new());
                }
                if let Some(round) = self.rounds.get_mut(at) {
                    vacant.insert((at, round.put(place, question, asker)));
                }
            }
        }
    }

    pub(crate) fn into_rounds(self) -> Vec<Round<Q, A>> {
        self.rounds
    }
}

/// Items by topic, topics in the order in which they first come.
pub(crate) fn group<T>(items: impl IntoIterator<Item = (TopicName, T)>) -> Vec<(TopicName, Vec<T>)> {
    let mut index: HashMap<TopicName, usize> = HashMap::new();
    let mut groups: Vec<(TopicName, Vec<T>)> = vec![];
    for (topic, item) in items {
        let at = *index.entry(topic.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, group)) => group.push(item),
            None => groups.push((topic, vec![item])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::protocol::StrBytes;

    fn place(name: &'static str, partition: i32) -> Place {
        Place { topic: TopicName(StrBytes::from_static_str(name)), partition: PhysicalPartition(partition) }
    }

    #[test]
    fn a_place_comes_once_a_round_and_equal_questions_share_it() {
        let mut rounds = Rounds::new();
        for (topic_name, partition, question, asker) in
            [("t", 0, 'a', 0), ("t", 0, 'b', 4), ("t", 1, 'a', 1), ("t", 0, 'a', 8), ("u", 0, 'b', 9)]
        {
            rounds.ask(place(topic_name, partition), question, asker);
        }
        let mut rounds = rounds.into_rounds();
        let shown: Vec<Vec<(&str, i32, char)>> = rounds
            .iter()
            .map(|round| {
                round.questions.iter().map(|(place, q)| (place.topic.0.as_str(), place.partition.0, *q)).collect()
            })
            .collect();
        assert_eq!(shown, [vec![("t", 0, 'a'), ("t", 1, 'a'), ("u", 0, 'b')], vec![("t", 0, 'b')]]);
        assert_eq!(rounds[0].take_askers(&place("t", 0)), [0, 8]);
        assert_eq!(rounds[0].take_askers(&place("t", 0)), [0; 0], "an answer counts once");
        assert!(rounds[0].is_open() && rounds[1].is_open());
        assert_eq!(rounds[1].take_askers(&place("t", 0)), [4]);
        assert!(!rounds[1].is_open());
    }

    #[test]
    fn questions_without_number_take_linear_time() {
        let mut rounds = Rounds::new();
        for question in 0..200_000 {
            rounds.ask(place("t", 0), question, question);
        }
        let rounds = rounds.into_rounds();
        assert_eq!(rounds.len(), 200_000);
        assert!(rounds.iter().enumerate().all(|(at, round)| round.questions == [(place("t", 0), at)]));
    }

    #[test]
    fn answers_find_who_waits_for_them() {
        let mut awaited = Awaited::new([(place("t", 0), 'a'), (place("t", 1), 'b'), (place("t", 0), 'c')]);
        assert_eq!(["t", "t"].map(|name| awaited.take("Any", place(name, 0)).unwrap()), ['a', 'c']);
        for (name, partition) in [("t", 0), ("t", 2), ("u", 1)] {
            let nobody = Fault::Answer { api: "Any", what: "it names a partition that was not asked for" };
            assert_eq!(awaited.take("Any", place(name, partition)), Err(nobody));
        }
        assert_eq!(awaited.take("Any", place("t", 1)), Ok('b'));
        assert_eq!(awaited.finish("Any"), Ok(()));
        let open = Awaited::new([(place("t", 0), 'a')]).finish("Any");
        assert_eq!(open, Err(Fault::Answer { api: "Any", what: "a partition is missing" }));
    }

    #[test]
    fn turns_count_each_key_for_itself() {
        let mut turns = Turns::new();
        assert_eq!(["a", "b", "a", "a"].map(|key| turns.next(key)), [0, 0, 1, 2]);
    }
}
