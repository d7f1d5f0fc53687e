//! Requests that name siblings, split into rounds in which no physical partition repeats.
//!
//! Kafka takes each partition once per request: a repeated one silently overrides the earlier. So siblings
//! are asked for in rounds, sent back to back, and their answers merged. Siblings with the same question
//! share one place. Whose an answer is, is looked up by hash: a request may name as many partitions as its
//! bytes hold.

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

/// Who waits for the answer at each place of one request: the one way to tell whose an answer is. A place
/// that the request names several times has as many answers, in the order of its names.
#[derive(Debug)]
pub(crate) struct Awaited<T> {
    waiting: HashMap<Place, VecDeque<T>>,
    /// How many have no answer yet.
    left: usize,
}

fn not_asked_for(api: &'static str) -> Fault {
    Fault::answer(api, "it names a partition that was not asked for")
}

impl<T> Awaited<T> {
    pub(crate) fn new(waiting: impl IntoIterator<Item = (Place, T)>) -> Self {
        let mut places: HashMap<Place, VecDeque<T>> = HashMap::new();
        let mut left = 0;
        for (place, waits) in waiting {
            left += 1;
            // Most places are named once: room for more is made when there are more.
            places.entry(place).or_insert_with(|| VecDeque::with_capacity(1)).push_back(waits);
        }
        Self { waiting: places, left }
    }

    /// Who waits for this answer of the broker's.
    ///
    /// # Errors
    /// [`Fault::Broker`] when nobody does, or nobody any more.
    pub(crate) fn take(&mut self, api: &'static str, place: Place) -> Result<T, Fault> {
        self.take_unless_answered(api, place)?.ok_or(not_asked_for(api))
    }

    /// As [`Self::take`], but None when nobody waits any more.
    ///
    /// # Errors
    /// [`Fault::Broker`] when nobody ever did.
    pub(crate) fn take_unless_answered(&mut self, api: &'static str, place: Place) -> Result<Option<T>, Fault> {
        let waits = self.waiting.get_mut(&place).ok_or(not_asked_for(api))?.pop_front();
        self.left -= usize::from(waits.is_some());
        Ok(waits)
    }

    /// To be called behind the last answer.
    ///
    /// # Errors
    /// [`Fault::Broker`] when somebody still waits.
    pub(crate) fn finish(self, api: &'static str) -> Result<(), Fault> {
        if self.left == 0 {
            return Ok(());
        }
        Err(Fault::answer(api, "a partition is missing"))
    }
}

/// One round: a question per place, and who asked it.
#[derive(Debug)]
pub(crate) struct Round<Q, A> {
    questions: Vec<(Place, Q, Vec<A>)>,
}

impl<Q: Copy, A> Round<Q, A> {
    /// The questions by topic, in the order in which the topics were first named.
    pub(crate) fn by_topic(&self) -> Vec<(TopicName, Vec<(PhysicalPartition, Q)>)> {
        let questions = self.questions.iter();
        group(questions.map(|(place, question, _)| (place.topic.clone(), (place.partition, *question))))
    }

    /// Who asked at each place.
    pub(crate) fn awaited(self) -> Awaited<Vec<A>> {
        Awaited::new(self.questions.into_iter().map(|(place, _, askers)| (place, askers)))
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

    /// Asks `question` at `place` for `asker`: where the question is asked already, else in the first round
    /// in which the place is free.
    pub(crate) fn ask(&mut self, place: Place, question: Q, asker: A) {
        match self.asked.entry((place.clone(), question)) {
            Entry::Occupied(asked) => {
                let (round, slot) = *asked.get();
                let round = self.rounds.get_mut(round);
                if let Some((_, _, askers)) = round.and_then(|round| round.questions.get_mut(slot)) {
                    askers.push(asker);
                }
            }
            Entry::Vacant(vacant) => {
                let at = self.turns.next(place.clone());
                if at == self.rounds.len() {
                    self.rounds.push(Round { questions: vec![] });
                }
                if let Some(Round { questions }) = self.rounds.get_mut(at) {
                    vacant.insert((at, questions.len()));
                    questions.push((place, question, vec![asker]));
                }
            }
        }
    }

    pub(crate) fn into_rounds(self) -> VecDeque<Round<Q, A>> {
        self.rounds.into()
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
        let rounds = rounds.into_rounds();
        let of = |round: &Round<char, i32>| {
            let questions = round.by_topic().into_iter().flat_map(|(topic, questions)| {
                questions.into_iter().map(move |(partition, q)| (topic.0.to_string(), partition.0, q))
            });
            questions.collect::<Vec<_>>()
        };
        let question = |topic_name: &str, partition, q| (topic_name.to_owned(), partition, q);
        let first = vec![question("t", 0, 'a'), question("t", 1, 'a'), question("u", 0, 'b')];
        assert_eq!(rounds.iter().map(of).collect::<Vec<_>>(), [first, vec![question("t", 0, 'b')]]);
        let mut awaited: Vec<_> = rounds.into_iter().map(Round::awaited).collect();
        assert_eq!(awaited[0].take("Any", place("t", 0)), Ok(vec![0, 8]));
        assert!(awaited[0].take("Any", place("t", 0)).is_err(), "an answer counts once");
        assert_eq!(awaited[1].take("Any", place("t", 0)), Ok(vec![4]));
        assert_eq!(awaited.into_iter().map(|round| round.finish("Any").is_ok()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn questions_without_number_take_linear_time() {
        let mut rounds = Rounds::new();
        for question in 0..200_000 {
            rounds.ask(place("t", 0), question, question);
        }
        let rounds = rounds.into_rounds();
        assert_eq!(rounds.len(), 200_000);
        assert!(rounds.iter().enumerate().all(|(at, round)| round.questions == [(place("t", 0), at, vec![at])]));
    }

    #[test]
    fn answers_find_who_waits_for_them() {
        let mut awaited = Awaited::new([(place("t", 0), 'a'), (place("t", 1), 'b'), (place("t", 0), 'c')]);
        assert_eq!(["t", "t"].map(|name| awaited.take("Any", place(name, 0)).unwrap()), ['a', 'c']);
        for (name, partition) in [("t", 0), ("t", 2), ("u", 1)] {
            let nobody = Fault::answer("Any", "it names a partition that was not asked for");
            assert_eq!(awaited.take("Any", place(name, partition)), Err(nobody));
        }
        assert_eq!(awaited.take("Any", place("t", 1)), Ok('b'));
        assert_eq!(awaited.finish("Any"), Ok(()));
        let open = Awaited::new([(place("t", 0), 'a')]).finish("Any");
        assert_eq!(open, Err(Fault::answer("Any", "a partition is missing")));
    }

    #[test]
    fn turns_count_each_key_for_itself() {
        let mut turns = Turns::new();
        assert_eq!(["a", "b", "a", "a"].map(|key| turns.next(key)), [0, 0, 1, 2]);
    }
}
