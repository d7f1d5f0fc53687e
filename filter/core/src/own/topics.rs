//! Where virtual partitions live on the cluster, told only of topics that are known to fit their mapping.
//!
//! With another number of partitions than the mapping says, every place would be a guess, and records written
//! there would belong to somebody else once the configuration is right again. So a request that names a
//! mapped topic of which the worker knows nothing has to wait ([`Plan::After`]) until the filter has asked
//! Metadata in its own name. A topic that does not exist, or that the caller may not see, is left to the
//! broker: it refuses the request by itself.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::error::{Blame, Fault};
use crate::exchange::handler::{read_answer, Context, Next, Pending, Plan, Question, Upstream};
use crate::exchange::located::{Located, Misplaced, Topic};
use crate::exchange::session::{Asked, Told};
use crate::limits;
use crate::memory::facts::Fact;
use crate::own::brokers;
use crate::remapper::PartitionRemapper;
use crate::stats::Stat;
use crate::wire::rope::Rope;

/// The oldest version that can ask without leave to create a topic, and what is asked where nothing is known
/// of the broker.
const VERSION: i16 = 4;
/// The first version whose answers hold topic ids (KIP-516).
const TOPIC_IDS: i16 = 10;

/// The first version of Produce that names topics by their ids (KIP-516; Kafka 4.1): a broker stores nothing
/// in a topic that was made again.
pub(crate) const PRODUCE_BY_ID: i16 = 13;

/// What is known of topics that an answer names.
pub(crate) enum About {
    /// Not enough. The question is for [`Question::before`].
    Ask(Question),
    /// These are mapped, and fit their mappings.
    Known(HashSet<TopicName>),
}

impl Question {
    /// Asks, and then hands `answer` to `pending` again: of a barrier only.
    pub(crate) fn before(self, answer: Bytes, pending: Box<dyn Pending>) -> Next {
        let Self { request, pending: question } = self;
        Next::Send(vec![request], Box::new(AwaitsTopics { question, answer, pending }))
    }
}

/// Waits for what the broker says of topics that another answer names.
struct AwaitsTopics {
    question: Box<dyn Pending>,
    /// The body of the other answer, and who waits for it.
    answer: Bytes,
    pending: Box<dyn Pending>,
}

impl Pending for AwaitsTopics {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { question, answer, pending } = *self;
        question.response(cx, body)?;
        pending.response(cx, answer)
    }
}

/// What is known of a mapped topic.
enum Fit {
    Fits,
    Misfit { partitions: usize },
    Unclear,
    Unknown,
    Absent(ResponseError),
}

impl Context<'_> {
    /// To be called once for each request that names partitions, before [`Self::locate`]. Some: the plan of a
    /// request that has to wait until it is known whether `topics` fit their mappings. Counts and logs those
    /// that do not.
    pub(crate) fn ask_first<'t>(
        &mut self,
        topics: impl IntoIterator<Item = &'t TopicName>,
    ) -> Result<Option<Plan>, Fault> {
        Ok(self.question_about(topics)?.map(Plan::After))
    }

    /// As [`Self::ask_first`], for a request that cannot be undone where a partition's place was wrong. Only
    /// what the broker says for the sake of this very request counts: a topic of which it says nothing, since
    /// nobody can ask or too many are named, does not fit.
    pub(crate) fn ask_for_certain<'t>(
        &mut self,
        topics: impl IntoIterator<Item = &'t TopicName>,
    ) -> Result<Option<Plan>, Fault> {
        self.session.asked.is_certain = true;
        self.ask_first(topics)
    }

    /// As [`Self::ask_first`], for `topics` that an answer names and its request did not.
    pub(crate) fn ask_about<'t>(
        &mut self,
        topics: impl IntoIterator<Item = &'t TopicName> + Clone,
    ) -> Result<About, Fault> {
        if let Some(question) = self.question_about(topics.clone())? {
            return Ok(About::Ask(question));
        }
        let fitting = topics.into_iter().filter(|topic| self.is_known_to_fit(topic)).cloned().collect();
        self.session.asked = Asked::default();
        Ok(About::Known(fitting))
    }

    fn question_about<'t>(
        &mut self,
        topics: impl IntoIterator<Item = &'t TopicName>,
    ) -> Result<Option<Question>, Fault> {
        let mut seen = HashSet::new();
        let (mut lacking, mut misfits) = (vec![], vec![]);
        for topic in topics {
            let Some(remapper) = self.shared.topics.remapper(&topic.0).filter(|_| seen.insert(topic)) else { continue };
            match self.fit(topic, &remapper) {
                Fit::Unknown if lacking.len() < limits::TOPICS_ASKED_MAX => lacking.push(topic.clone()),
                Fit::Misfit { partitions } => misfits.push((topic, partitions, remapper)),
                Fit::Fits | Fit::Unclear | Fit::Unknown | Fit::Absent(_) => {}
            }
        }
        let may_ask = !self.session.client_ended && self.session.asked.questions < limits::TOPIC_QUESTIONS_MAX;
        if may_ask && !lacking.is_empty() {
            self.session.asked.questions += 1;
            return TopicQuestion::question(lacking, self.session.has_topic_ids).map(Some);
        }
        for (topic, partitions, remapper) in misfits {
            self.refuse_misfit(&topic.0, partitions, &remapper);
        }
        Ok(None)
    }

    /// A topic that a request names, to [locate](Self::locate) its partitions.
    pub(crate) fn topic(&self, name: &TopicName) -> Topic {
        let mapping = self.shared.topics.remapper(&name.0);
        let lack = mapping.as_ref().and_then(|mapping| match self.fit(name, mapping) {
            Fit::Fits => None,
            Fit::Absent(error) => Some(Misplaced::Absent(error)),
            Fit::Misfit { .. } | Fit::Unclear | Fit::Unknown => Some(Misplaced::Misfit),
        });
        let label = mapping.as_ref().map(|_| self.shared.topics.label(&name.0));
        Topic::new(name.clone(), mapping, lack).labelled(label)
    }

    /// Where a partition lives that a client names: the one place where a client's partition becomes a
    /// broker's.
    ///
    /// # Errors
    /// [`Misplaced`]: the partition has to be refused, as UNKNOWN_TOPIC_OR_PARTITION where nothing else is
    /// said. Clients then ask Metadata, which says more.
    pub(crate) fn locate(&self, topic: &Topic, partition: i32) -> Result<Located, Misplaced> {
        if let Some(absent @ Misplaced::Absent(_)) = topic.lack {
            return Err(absent);
        }
        let located = topic.place(partition).ok_or(Misplaced::Outside)?;
        topic.lack.map_or(Ok(located), Err)
    }

    /// Counts a partition that goes to the broker under its place: to be called when nothing refuses it any
    /// more.
    pub(crate) fn count_remapped(&mut self, located: &Located) {
        self.count(Stat::RemappedPartitions { api: self.api.name }, usize::from(located.is_mapped()));
    }

    /// Whether `topic` is known not to fit its mapping; nothing is asked.
    pub(crate) fn is_misfit(&self, topic: &TopicName) -> bool {
        let Some(mapping) = self.shared.topics.remapper(&topic.0) else { return false };
        let is_unclear = matches!(self.session.asked.told.get(topic), Some(Told::Unclear));
        // What was told may have been told for a request that waits, and whose answer this is not.
        let fact = self.shared.facts.of(&topic.0, self.now);
        let fact = fact.filter(|fact| self.now.abs_diff(fact.seen) < limits::TOPIC_FACT_MS_MAX);
        is_unclear || fact.is_some_and(|fact| !fits(fact.partitions, &mapping))
    }

    /// The broker contradicts what is known of these topics: it is forgotten.
    pub(crate) fn doubt(&self, topics: HashSet<TopicName>) {
        let is_known = |topic: &TopicName| self.is_mapped(topic) && self.shared.facts.of(&topic.0, self.now).is_some();
        self.shared.forget_topics(&topics.into_iter().filter(is_known).collect(), self.now);
    }

    /// Counts and logs a topic that has another number of `partitions` on the cluster than its mapping says.
    pub(crate) fn refuse_misfit(&mut self, topic: &str, partitions: usize, remapper: &PartitionRemapper) {
        self.count(Stat::TopicMismatch, 1);
        self.shared.tally.add(Stat::TopicRefused { topic: self.shared.topics.label(topic) }, 1);
        self.count(Stat::Errors { blame: Blame::Config }, 1);
        self.warn(format!(
            "topic {topic} has {partitions} partitions on the cluster, the mapping says physical_partitions {}: \
             it is refused until one of the two is changed",
            remapper.physical_partitions()
        ));
    }

    /// Whether `topic` is mapped and was seen to fit its mapping. One of which the broker tells nothing was
    /// not.
    fn is_known_to_fit(&self, topic: &TopicName) -> bool {
        let Some(mapping) = self.shared.topics.remapper(&topic.0) else { return false };
        let is_told = !matches!(self.session.asked.told.get(topic), Some(Told::Absent(_)));
        let is_known = is_told && (!self.session.client_ended || self.shared.facts.of(&topic.0, self.now).is_some());
        is_known && matches!(self.fit(topic, &mapping), Fit::Fits)
    }

    fn fit(&self, topic: &TopicName, remapper: &PartitionRemapper) -> Fit {
        let is_certain = self.session.asked.is_certain;
        let told = match self.session.asked.told.get(topic) {
            // Where nothing may go wrong, it must not be made in the meantime either.
            Some(Told::Absent(error)) if is_certain => return Fit::Absent(*error),
            Some(Told::Absent(_)) => return Fit::Fits,
            Some(Told::Unclear) => return Fit::Unclear,
            Some(Told::Partitions(partitions)) => Some(*partitions),
            None if is_certain => return Fit::Unknown,
            None => None,
        };
        let may_ask = !self.session.client_ended;
        let fact = self.shared.facts.of(&topic.0, self.now);
        // What was told is noted as a fact, so one that differs is newer: the topic was made again meanwhile.
        if let (Some(told), Some(Fact { partitions, .. })) = (told, fact) {
            if told != partitions {
                return Fit::Misfit { partitions };
            }
        }
        // An answer to an old client tells no ids, and where records can be kept from another topic they are.
        let fact = fact.filter(|fact| !may_ask || fact.id.is_some() || !self.session.produces_by_id);
        let fact = fact.filter(|fact| !may_ask || self.now.abs_diff(fact.seen) < limits::TOPIC_FACT_MS_MAX);
        let partitions = told.or(fact.map(|fact| fact.partitions));
        match partitions {
            Some(partitions) if fits(partitions, remapper) => Fit::Fits,
            Some(partitions) => Fit::Misfit { partitions },
            None if may_ask => Fit::Unknown,
            // A question would take the end of the client's stream with it, and the request could not follow.
            None => Fit::Fits,
        }
    }
}

/// Whether a topic of so many partitions on the cluster is what its mapping says.
fn fits(partitions: usize, mapping: &PartitionRemapper) -> bool {
    usize::try_from(mapping.physical_partitions()) == Ok(partitions)
}

/// Waits for what the broker says of topics.
struct TopicQuestion {
    version: i16,
    topics: Vec<TopicName>,
}

impl TopicQuestion {
    /// `has_ids`: the broker is known to take versions with topic ids.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    fn question(topics: Vec<TopicName>, has_ids: bool) -> Result<Question, Fault> {
        let version = if has_ids { TOPIC_IDS } else { VERSION };
        let named = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(topic.clone())));
        let message =
            MetadataRequest::default().with_topics(Some(named.collect())).with_allow_auto_topic_creation(false);
        let request = Upstream::new(version, &message)?;
        Ok(Question { request, pending: Box::new(Self { version, topics }) })
    }
}

impl Pending for TopicQuestion {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: MetadataResponse = read_answer(&body, self.version)?;
        brokers::note_addresses(cx, &answer);
        let (mut found, mut moved) = (HashMap::new(), HashSet::new());
        for topic in &answer.topics {
            let is_other = cx.shared.facts.note(topic, cx.now);
            moved.extend(topic.name.iter().filter(|_| is_other).cloned());
            found.extend(topic.name.as_ref().map(|name| (name, Told::of(topic))));
        }
        cx.shared.forget_logs(&moved);
        for topic in self.topics {
            let told = found.get(&topic).copied().unwrap_or(Told::Unclear);
            cx.session.asked.told.insert(topic, told);
        }
        Ok(Next::Answer(Rope::new()))
    }
}

impl Told {
    fn of(topic: &MetadataResponseTopic) -> Self {
        let absent = [
            ResponseError::UnknownTopicOrPartition,
            ResponseError::TopicAuthorizationFailed,
            ResponseError::InvalidTopicException,
        ];
        match topic.error_code {
            0 => Self::Partitions(topic.partitions.len()),
            code => absent.into_iter().find(|error| error.code() == code).map_or(Self::Unclear, Self::Absent),
        }
    }
}

/// Whether the broker takes Produce versions with topic ids, by the highest that it offers.
pub(crate) fn produces_by_id(version_max: i16) -> bool {
    version_max >= PRODUCE_BY_ID
}

/// Whether the broker takes Metadata versions with topic ids, by the range that it offers.
pub(crate) fn has_topic_ids(version_min: i16, version_max: i16) -> bool {
    (version_min..=version_max).contains(&TOPIC_IDS)
}
