//! What a worker knows of the mapped topics on the cluster, from Metadata answers that passed: how many
//! partitions they have, and which topic of their name they are (KIP-516). A name may come back as another
//! topic; an id never does.
//!
//! The workers of a process tell each other (`memory/facts.rs`). A look there is a call of the host, so a
//! worker looks once in [`limits::TOPIC_LOOK_MS`] for each topic that is in use: a topic that was deleted
//! through one worker is forgotten by all within that time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::ResponseError;

use crate::limits;
use crate::memory::facts::{Fact, Slot, TopicId};
use crate::memory::ProcessMemory;
use crate::time::Millis;

/// The facts of one worker, at most [`limits::TOPIC_FACTS_MAX`].
#[derive(Default)]
pub(crate) struct Facts {
    /// None: there are no other workers.
    memory: Option<Rc<ProcessMemory>>,
    topics: RefCell<HashMap<String, Known>>,
}

/// What a worker knows of one topic.
#[derive(Clone, Copy)]
struct Known {
    fact: Fact,
    /// When was last looked at what other workers know.
    looked: Millis,
    /// When what they know was seen.
    told: Millis,
}

impl Facts {
    pub(crate) fn new(memory: Rc<ProcessMemory>) -> Self {
        Self { memory: Some(memory), topics: RefCell::default() }
    }

    /// Takes note of a topic in a broker's answer. True: it is another one than the topic of that name which
    /// was known, or may be.
    pub(crate) fn note(&self, topic: &MetadataResponseTopic, now: Millis) -> bool {
        let Some(name) = topic.name.as_ref().map(|name| name.0.as_str()) else { return false };
        let known = self.known(name, now);
        if topic.error_code == ResponseError::UnknownTopicOrPartition.code() {
            // Of names that nobody knew nothing is kept: clients may ask for any.
            known.iter().for_each(|_| self.forget(name, now));
            return known.is_some();
        }
        // Any other error says nothing of the topic.
        if topic.error_code != 0 {
            return false;
        }
        let partitions = topic.partitions.len();
        let told_id = Some(*topic.topic_id.as_bytes()).filter(|id| *id != TopicId::default());
        let is_other = known.is_some_and(|Known { fact, .. }| match (fact.id, told_id) {
            (Some(known), Some(told)) => known != told,
            _ => fact.partitions != partitions,
        });
        // An answer without ids, for an old client, is no reason to forget one, nor to believe in it for
        // longer: the topic may be another one with as many partitions.
        let keeps_id = |fact: &Fact| fact.id.is_some() && now.abs_diff(fact.seen) < limits::TOPIC_FACT_MS_MAX;
        let kept = known.map(|known| known.fact).filter(|fact| !is_other && told_id.is_none() && keeps_id(fact));
        let fact = kept.unwrap_or(Fact { id: told_id, partitions, seen: now });
        let is_news = known.is_none_or(|Known { fact: old, told, .. }| {
            (old.id, old.partitions) != (fact.id, fact.partitions)
                || now.abs_diff(told) >= limits::TOPIC_FACT_MS_MAX / 2
        });
        let told = if is_news { now } else { known.map_or(now, |known| known.told) };
        self.insert(name, Known { fact, looked: now, told });
        if is_news {
            self.tell(name, Some(fact), now);
        }
        is_other
    }

    /// What is known of `topic`, however long ago.
    pub(crate) fn of(&self, topic: &str, now: Millis) -> Option<Fact> {
        self.known(topic, now).map(|known| known.fact)
    }

    /// The topic is gone, or is not what it was known to be.
    pub(crate) fn forget(&self, topic: &str, now: Millis) {
        self.topics.borrow_mut().remove(topic);
        self.tell(topic, None, now);
    }

    fn known(&self, topic: &str, now: Millis) -> Option<Known> {
        let known = self.topics.borrow().get(topic).copied();
        if known.is_some_and(|known| now.abs_diff(known.looked) < limits::TOPIC_LOOK_MS) {
            return known;
        }
        let stored = self.memory.as_ref().and_then(|memory| memory.get(&memory.topic(topic)));
        let is_newer =
            |stored: &Slot| stored.topic == topic && known.is_none_or(|known| known.fact.seen <= stored.seen);
        let known = match stored.filter(is_newer) {
            Some(Slot { fact: Some(fact), seen, .. }) => Some(Known { fact, looked: now, told: seen }),
            Some(Slot { fact: None, .. }) => None,
            None => known.map(|known| Known { looked: now, ..known }),
        };
        match known {
            Some(known) => self.insert(topic, known),
            None => drop(self.topics.borrow_mut().remove(topic)),
        }
        known
    }

    fn insert(&self, topic: &str, known: Known) {
        let mut topics = self.topics.borrow_mut();
        if let Some(place) = topics.get_mut(topic) {
            *place = known;
            return;
        }
        if topics.len() >= limits::TOPIC_FACTS_MAX {
            topics.clear();
        }
        topics.insert(topic.to_owned(), known);
    }

    fn tell(&self, topic: &str, fact: Option<Fact>, seen: Millis) {
        // No topic has a longer name: whoever names one means to fill the memory.
        if let Some(memory) = self.memory.as_ref().filter(|_| topic.len() <= limits::TOPIC_NAME_BYTES_MAX) {
            memory.put(&memory.topic(topic), &Slot { topic: topic.to_owned(), fact, seen });
        }
    }
}

#[cfg(test)]
mod tests;
