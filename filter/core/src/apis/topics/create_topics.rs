//! CreateTopics: a client asks for V partitions, and gets a topic with P of them.
//!
//! Of a mapped topic V partitions may be asked for, or the broker's default (KIP-464), which here is V as
//! well; the broker is asked for P. Another count is refused, as are assignments of replicas and settings
//! that name partitions one by one. What is refused goes up all the same, apart from the rest and only to be
//! validated: a broker says of a topic that exists, or that the client may not create, just that, and clients
//! go by it. Where the broker would have created the topic, the client gets the filter's words.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::remapper::PartitionRemapper;
use crate::topics::replica_list;

/// A count of partitions that stands for the broker's default, or was not told.
const DEFAULT_COUNT: i32 = -1;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: CreateTopicsRequest = request.decode()?;
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut asked = HashMap::new();
    for (topic, at) in message.topics.iter().zip(0..) {
        let mapping = cx.shared.topics.remapper(&topic.name.0);
        let first = Asked { at, mapping, is_repeated: false, refusal: None };
        asked.entry(topic.name.clone()).and_modify(|asked: &mut Asked| asked.is_repeated = true).or_insert(first);
    }
    let (mut wanted, mut refused) = (vec![], vec![]);
    for mut topic in std::mem::take(&mut message.topics) {
        let Some(asked) = asked.get_mut(&topic.name) else { continue };
        if let Some(mapping) = &asked.mapping {
            // A broker creates no topic that a request names twice, and says so.
            asked.refusal = if asked.is_repeated { None } else { Refusal::of(&topic, mapping) };
            topic.num_partitions = mapping.physical_partitions();
            topic.assignments.clear();
        }
        if asked.refusal.is_some() { &mut refused } else { &mut wanted }.push(topic);
    }
    let version = request.version;
    let validate_only = message.validate_only;
    let mut requests = vec![];
    if !wanted.is_empty() {
        requests.push(Upstream::new(version, &message.clone().with_topics(wanted))?);
    }
    if !refused.is_empty() {
        requests.push(Upstream::new(version, &message.with_topics(refused).with_validate_only(true))?);
    }
    let answer = CreateTopicsResponse::default();
    let pending = Box::new(Waiting { version, validate_only, asked, due: requests.len(), answer });
    Ok(Plan::Send { requests, pending, barrier: false })
}

/// A topic that the client named.
struct Asked {
    /// Where in the request, at first.
    at: usize,
    mapping: Option<Rc<PartitionRemapper>>,
    is_repeated: bool,
    /// The broker is asked to validate the topic only.
    refusal: Option<Refusal>,
}

/// Why a mapped topic is not created.
enum Refusal {
    /// So many partitions were asked for.
    Count(i32),
    Assignments,
    /// A setting that names replicas of partitions, which brokers would take for physical ones.
    Setting(StrBytes),
}

impl Refusal {
    fn of(topic: &CreatableTopic, mapping: &PartitionRemapper) -> Option<Self> {
        if !topic.assignments.is_empty() {
            return Some(Self::Assignments);
        }
        if ![DEFAULT_COUNT, mapping.virtual_partitions()].contains(&topic.num_partitions) {
            return Some(Self::Count(topic.num_partitions));
        }
        let mut settings = topic.configs.iter().filter(|setting| replica_list::is_setting(&setting.name));
        let setting = settings.find(|setting| setting.value.as_deref().is_some_and(replica_list::names_partitions));
        setting.map(|setting| Self::Setting(setting.name.clone()))
    }

    fn error(&self) -> ResponseError {
        match self {
            Self::Count(_) => ResponseError::InvalidPartitions,
            Self::Assignments => ResponseError::InvalidReplicaAssignment,
            Self::Setting(_) => ResponseError::InvalidConfig,
        }
    }

    fn words(&self, topic: &str, mapping: &PartitionRemapper) -> String {
        let (v, p) = (mapping.virtual_partitions(), mapping.physical_partitions());
        let mapped = format!(
            "topic {topic} is mapped by the partition remapper: clients see {v} virtual partitions on {p} physical ones"
        );
        match self {
            Self::Count(count) => format!(
                "{mapped}, and {count} were asked for: ask for {v} or for the default (-1), or change \
                 virtual_partitions in the configuration of the partition remapper"
            ),
            Self::Assignments => format!(
                "{mapped}, so replicas cannot be assigned to them one by one: ask for {v} partitions or for the \
                 default (-1), with a replication factor"
            ),
            Self::Setting(name) => format!(
                "{mapped}, and {name} names replicas: create the topic without it, or with * for all replicas, and set \
                 it then"
            ),
        }
    }
}

/// Waits for what the broker says of the topics, those that are refused last.
struct Waiting {
    version: i16,
    /// The client asked for no more than that.
    validate_only: bool,
    asked: HashMap<TopicName, Asked>,
    /// Answers that are due.
    due: usize,
    /// What has come.
    answer: CreateTopicsResponse,
}

impl Pending for Waiting {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let found: CreateTopicsResponse = read_answer(&body, self.version)?;
        self.answer.throttle_time_ms = self.answer.throttle_time_ms.max(found.throttle_time_ms);
        self.answer.topics.extend(found.topics);
        self.due = self.due.saturating_sub(1);
        if self.due > 0 {
            return Ok(Next::Wait(self));
        }
        let Self { version, validate_only, asked, mut answer, .. } = *self;
        // Topics that nobody asked for are no client's.
        answer.topics.retain(|topic| asked.contains_key(&topic.name));
        let at = |topic: &CreatableTopicResult| asked.get(&topic.name).map(|asked| asked.at);
        answer.topics.sort_by_key(at);
        let (mut created, mut refused) = (HashSet::new(), 0);
        for topic in &mut answer.topics {
            if let Some(asked) = asked.get(&topic.name) {
                let is_refused = asked.rewrite(topic, refused < limits::REFUSAL_WORDS_MAX);
                if let Some(words) = topic.error_message.as_deref().filter(|_| is_refused && refused == 0) {
                    cx.warn_refused(words);
                }
                refused += usize::from(is_refused);
            }
            if topic.error_code == 0 && !validate_only && cx.is_mapped(&topic.name) {
                created.insert(topic.name.clone());
            }
            cx.note(topic.error_code);
        }
        // A topic of this name that was known is another one.
        cx.shared.forget_topics(&created, cx.now);
        Next::answer(&answer, version)
    }
}

impl Asked {
    /// Makes the client's result of the broker's. True: it was refused here, `with_words` or without.
    fn rewrite(&self, topic: &mut CreatableTopicResult, with_words: bool) -> bool {
        let Some(mapping) = self.mapping.as_deref().filter(|_| topic.error_code == 0) else { return false };
        let Some(refusal) = &self.refusal else {
            // A client that may not see the topic's settings is not told their number either.
            if topic.num_partitions != DEFAULT_COUNT {
                topic.num_partitions = mapping.virtual_partitions();
            }
            return false;
        };
        let name = topic.name.clone();
        let words = with_words.then(|| StrBytes::from_string(refusal.words(&name.0, mapping)));
        *topic = CreatableTopicResult::default()
            .with_name(name)
            .with_error_code(refusal.error().code())
            .with_error_message(words);
        true
    }
}

#[cfg(test)]
mod tests;
