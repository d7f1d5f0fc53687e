//! What a worker knows of the mapped topics on the cluster, from Metadata answers that passed: how many
//! partitions they have, and which topic of their name they are (KIP-516). A name may come back as another
//! topic; an id never does.

use std::cell::RefCell;
use std::collections::HashMap;

use kafka_protocol::messages::metadata_response::MetadataResponseTopic;

use crate::limits;
use crate::time::Millis;

/// A topic's id (KIP-516), 16 bytes. All zeros on the wire stands for "not known".
pub(crate) type TopicId = [u8; 16];

/// One topic, as the last Metadata answer that named it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    /// None: the answer's version has no ids.
    pub(crate) id: Option<TopicId>,
    /// Partitions on the cluster.
    pub(crate) partitions: usize,
    /// When the answer came.
    pub(crate) seen: Millis,
}

/// The facts of one worker, at most [`limits::TOPIC_FACTS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Facts {
    topics: RefCell<HashMap<String, Fact>>,
}

impl Facts {
    /// Takes note of a topic in a broker's answer. A topic with an error is no longer known.
    pub(crate) fn note(&self, topic: &MetadataResponseTopic, now: Millis) {
        let Some(name) = topic.name.as_ref().map(|name| name.0.as_str()) else { return };
        let mut topics = self.topics.borrow_mut();
        if topic.error_code != 0 {
            topics.remove(name);
            return;
        }
        let id = Some(*topic.topic_id.as_bytes()).filter(|id| *id != TopicId::default());
        let fact = Fact { id, partitions: topic.partitions.len(), seen: now };
        if let Some(known) = topics.get_mut(name) {
            *known = fact;
        } else {
            if topics.len() >= limits::TOPIC_FACTS_MAX {
                topics.clear();
            }
            topics.insert(name.to_owned(), fact);
        }
    }

    /// What is known of `topic`, however long ago.
    pub(crate) fn of(&self, topic: &str) -> Option<Fact> {
        self.topics.borrow().get(topic).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::topic;
    use kafka_protocol::messages::metadata_response::MetadataResponsePartition;

    fn answer(name: &str, partitions: usize, id: u8) -> MetadataResponseTopic {
        MetadataResponseTopic::default()
            .with_name(Some(topic(name)))
            .with_topic_id(uuid::Uuid::from_bytes([id; 16]))
            .with_partitions(vec![MetadataResponsePartition::default(); partitions])
    }

    #[test]
    fn the_last_answer_counts() {
        let facts = Facts::default();
        facts.note(&answer("t", 4, 1), 10);
        assert_eq!(facts.of("t"), Some(Fact { id: Some([1; 16]), partitions: 4, seen: 10 }));
        facts.note(&answer("t", 3, 0), 11);
        assert_eq!(facts.of("t"), Some(Fact { id: None, partitions: 3, seen: 11 }));
        facts.note(&answer("t", 3, 0).with_error_code(3), 12);
        assert_eq!(facts.of("t"), None);
    }
}
