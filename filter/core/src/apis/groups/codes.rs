//! Error codes by partition: what the group and its shadows say of the partitions of one request, gathered
//! into one answer.

use kafka_protocol::messages::TopicName;

use crate::error::Fault;
use crate::exchange::handler::Context;
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::remapper::{PhysicalPartition, VirtualPartition};

/// What the client will be answered, as far as the broker has said.
pub(crate) struct Codes {
    /// Of the client's request.
    pub(crate) version: i16,
    /// The longest that any answer of the broker's asks for, ms.
    pub(crate) throttle_time_ms: i32,
    codes: Vec<(TopicName, (VirtualPartition, i16))>,
}

impl Codes {
    pub(crate) fn new(version: i16) -> Self {
        Self { version, throttle_time_ms: 0, codes: vec![] }
    }

    pub(crate) fn put(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error_code: i16) {
        cx.note(error_code);
        self.codes.push((topic.clone(), (VirtualPartition(partition), error_code)));
    }

    /// The same code for all of these partitions.
    pub(crate) fn put_all(&mut self, cx: &mut Context<'_>, partitions: Vec<Located>, error_code: i16) {
        for located in partitions {
            self.put(cx, &located.place.topic, located.partition.0, error_code);
        }
    }

    /// Takes the broker's codes for the partitions that one request `asked` for. Gives them by topic.
    ///
    /// # Errors
    /// [`Fault::Broker`] when these are not the partitions that were asked for.
    pub(crate) fn take(
        &mut self,
        cx: &mut Context<'_>,
        asked: Vec<Located>,
        answered: impl IntoIterator<Item = (TopicName, PhysicalPartition, i16)>,
    ) -> Result<Vec<(TopicName, i16)>, Fault> {
        let mut awaited = Awaited::new(asked.into_iter().map(|located| (located.place.clone(), located)));
        let mut found = vec![];
        for (topic, partition, error_code) in answered {
            let located = awaited.take(cx.api.name, Place { topic: topic.clone(), partition })?;
            // The request's own name for the topic: the answer's would keep the answer's frame in memory.
            self.put(cx, &located.place.topic, located.partition.0, error_code);
            found.push((topic, error_code));
        }
        awaited.finish(cx.api.name)?;
        Ok(found)
    }

    /// The codes by topic, each as `partition` writes it.
    pub(crate) fn by_topic<P>(&self, partition: impl Fn(i32, i16) -> P) -> Vec<(TopicName, Vec<P>)> {
        rounds::group(self.codes.iter().map(|(topic, (at, code))| (topic.clone(), partition(at.0, *code))))
    }
}
