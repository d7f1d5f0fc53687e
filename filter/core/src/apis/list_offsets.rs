//! ListOffsets (KIP-79, KIP-734): the physical partition's offsets, under the virtual partition's number.
//!
//! Earliest, latest and maximum timestamp are those of the physical partition. A lookup by timestamp gives the first offset
//! of any sibling at or after it: a lower bound, which is what a seek needs.

use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::remapper::{Lane, PartitionRemapper, VirtualPartition};
use crate::rope::Rope;
use crate::rounds::{self, Round, Rounds};
use crate::shape;
use crate::stats::Stat;

/// Leader epoch and timestamp: what makes two siblings' questions equal.
type Question = (i32, i64);

/// Who asked, and how the offset is told to them.
struct Asker {
    partition: i32,
    lane: Option<(Rc<PartitionRemapper>, Lane)>,
}

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: ListOffsetsRequest = request.decode(&shape::requests::LIST_OFFSETS)?;
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass { answered: true });
    }
    let mut rounds: Rounds<Question, Asker> = Rounds::new();
    let mut answers =
        Answers { version: request.version, rounds: vec![], next: 0, throttle_time_ms: 0, answered: vec![] };
    for topic in &message.topics {
        let remapper = cx.shared.topics.remapper(&topic.name.0);
        for asked in &topic.partitions {
            let question = (asked.current_leader_epoch, asked.timestamp);
            let partition = asked.partition_index;
            let Some(remapper) = remapper.as_ref() else {
                rounds.ask((topic.name.clone(), partition), question, Asker { partition, lane: None });
                continue;
            };
            match remapper.virtual_to_physical(VirtualPartition(partition)) {
                Ok((p, lane)) => {
                    cx.count(Stat::RemappedPartitions { api: "ListOffsets" }, 1);
                    let lane = Some((Rc::clone(remapper), lane));
                    rounds.ask((topic.name.clone(), p.0), question, Asker { partition, lane });
                }
                Err(_) => answers.refuse(cx, &topic.name, partition, ResponseError::UnknownTopicOrPartition),
            }
        }
    }
    answers.rounds = rounds.into_rounds();
    if answers.rounds.is_empty() {
        return Ok(Plan::Answer(answers.merge()?));
    }
    let requests = answers.rounds.iter().map(|round| upstream(&message, round, request.version));
    let requests = requests.collect::<Result<_, _>>()?;
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: false })
}

fn upstream(message: &ListOffsetsRequest, round: &Round<Question, Asker>, version: i16) -> Result<Upstream, Fault> {
    let topics = round.by_topic().into_iter().map(|(name, questions)| {
        let partitions = questions.into_iter().map(|(partition, &(leader_epoch, timestamp))| {
            ListOffsetsPartition::default()
                .with_partition_index(partition)
                .with_current_leader_epoch(leader_epoch)
                .with_timestamp(timestamp)
        });
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    Upstream::new(2, version, &message.clone().with_topics(topics.collect()))
}

struct Answers {
    version: i16,
    rounds: Vec<Round<Question, Asker>>,
    /// The round whose answer comes next.
    next: usize,
    throttle_time_ms: i32,
    answered: Vec<(TopicName, ListOffsetsPartitionResponse)>,
}

impl Answers {
    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error: ResponseError) {
        cx.note(error.code());
        let refused =
            ListOffsetsPartitionResponse::default().with_partition_index(partition).with_error_code(error.code());
        self.answered.push((topic.clone(), refused));
    }

    fn tell(&mut self, cx: &mut Context<'_>, topic: &TopicName, asker: Asker, found: &ListOffsetsPartitionResponse) {
        let mut told = found.clone().with_partition_index(asker.partition);
        if let Some((remapper, lane)) = asker.lane {
            match remapper.physical_to_virtual_offset(lane, told.offset) {
                Ok(offset) => told.offset = offset,
                Err(error) => {
                    cx.warn(format!("topic {}: {error}", topic.0));
                    return self.refuse(cx, topic, asker.partition, ResponseError::UnknownServerError);
                }
            }
        }
        cx.note(told.error_code);
        self.answered.push((topic.clone(), told));
    }

    fn merge(&mut self) -> Result<Rope, Fault> {
        let topics = rounds::group(std::mem::take(&mut self.answered))
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopicResponse::default().with_name(name).with_partitions(partitions));
        let answer =
            ListOffsetsResponse::default().with_throttle_time_ms(self.throttle_time_ms).with_topics(topics.collect());
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

impl Pending for Answers {
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        const API: &str = "ListOffsets";
        let answer: ListOffsetsResponse = shape::decode(&shape::responses::LIST_OFFSETS, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: API, what: "it is malformed" })?;
        self.throttle_time_ms = self.throttle_time_ms.max(answer.throttle_time_ms);
        for topic in &answer.topics {
            for found in &topic.partitions {
                let place = (topic.name.clone(), found.partition_index);
                let askers = self.rounds.get_mut(self.next).map(|round| round.take_askers(&place)).unwrap_or_default();
                for asker in askers {
                    self.tell(cx, &topic.name, asker, found);
                }
            }
        }
        if self.rounds.get(self.next).is_none_or(Round::is_open) {
            return Err(Fault::Answer { api: API, what: "a partition is missing" });
        }
        self.next += 1;
        if self.next < self.rounds.len() {
            return Ok(Next::Wait);
        }
        Ok(Next::Answer(self.merge()?))
    }
}
