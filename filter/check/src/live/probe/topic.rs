//! The topic that is probed: one that exists, or one that is made for it and taken away.

use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::limits::READY_MS;
use crate::live::Checker;
use crate::net::cluster::{leader, METADATA_VERSION};
use crate::net::login::random;
use crate::net::{error_name, Trouble};
use crate::report::{Level, Section};

const CREATE_VERSION: i16 = 5;
/// From this version on a topic is named by a struct.
const DELETE_BY_STATE_VERSION: i16 = 6;
const TIMEOUT_MS: i32 = 15_000;

pub(super) struct Topic {
    pub(super) name: String,
    /// Of partition 0.
    pub(super) leader: i32,
    is_own: bool,
}

impl Topic {
    pub(super) fn of(checker: &mut Checker<'_>, name: &str) -> Result<Self, Trouble> {
        let leader = leader_of(checker, name)?;
        let text = format!("{name}: what the probe wrote into partition 0 stays there");
        checker.report.add(Section::Probe, Level::Note, text);
        Ok(Self { name: name.to_owned(), leader, is_own: false })
    }

    pub(super) fn make(checker: &mut Checker<'_>) -> Result<Self, Trouble> {
        let suffix: String = random::<6>().map_err(Trouble::new)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("kafka-remapper-check-{suffix}");
        let request = |_| {
            let topic = CreatableTopic::default()
                .with_name(topic_name(&name))
                .with_num_partitions(1)
                .with_replication_factor(-1);
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS)
        };
        let answer = checker.cluster.ask_any(CREATE_VERSION, request);
        let mut topic = Self { name, leader: -1, is_own: true };
        let made = match answer {
            Ok(answer) => made(&answer),
            // Whether the topic was made is not known then.
            Err(trouble) => Err((trouble.is_lost, trouble)),
        };
        let ready = made.and_then(|()| topic.wait(checker).map_err(|trouble| (true, trouble)));
        match ready {
            Ok(leader) => {
                topic.leader = leader;
                Ok(topic)
            }
            Err((may_exist, trouble)) => {
                if may_exist {
                    topic.remove(checker);
                }
                Err(trouble)
            }
        }
    }

    /// Who leads the topic, as soon as somebody does.
    fn wait(&self, checker: &mut Checker<'_>) -> Result<i32, Trouble> {
        let end = Instant::now() + Duration::from_millis(READY_MS);
        loop {
            match leader_of(checker, &self.name) {
                // A right that is missing stays so.
                Err(trouble) if Instant::now() < end && !trouble.what.ends_with("AuthorizationFailed") => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                told => return told,
            }
        }
    }

    /// Deletes the topic if it is the tool's own. One that stays is a problem with a name: nobody else knows
    /// what it is.
    pub(super) fn remove(&self, checker: &mut Checker<'_>) {
        if !self.is_own {
            return;
        }
        if let Err(trouble) = self.delete(checker) {
            let (name, bootstrap) = (&self.name, &checker.bootstrap);
            let text = format!(
                "{name}: the probe's own topic cannot be deleted: {trouble}. kafka-topics.sh --bootstrap-server {bootstrap} \
                 --delete --topic {name}"
            );
            checker.report.add(Section::Probe, Level::Problem, text);
        }
    }

    fn delete(&self, checker: &mut Checker<'_>) -> Result<(), Trouble> {
        let name = topic_name(&self.name);
        let request = |version| {
            let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
            if version >= DELETE_BY_STATE_VERSION {
                request.with_topics(vec![DeleteTopicState::default().with_name(Some(name.clone()))])
            } else {
                request.with_topic_names(vec![name.clone()])
            }
        };
        let answer = checker.cluster.ask_any(DELETE_BY_STATE_VERSION, request)?;
        let told = answer.responses.first().ok_or_else(|| Trouble::new("no answer to the topic's deletion"))?;
        // It was not made after all, or the same request was asked twice, by a connection that was lost.
        let is_gone = told.error_code == ResponseError::UnknownTopicOrPartition.code();
        match error_name(told.error_code).filter(|_| !is_gone) {
            Some(error) => Err(Trouble::new(error)),
            None => Ok(()),
        }
    }
}

/// Why the topic was not made, and whether it may be there all the same.
fn made(answer: &CreateTopicsResponse) -> Result<(), (bool, Trouble)> {
    let told = answer.topics.first().ok_or_else(|| (true, Trouble::new("no answer to the topic's creation")))?;
    let is = |error: ResponseError| told.error_code == error.code();
    // Nobody else's topic has a name so random: the request was asked twice, by a connection that was lost.
    if is(ResponseError::TopicAlreadyExists) {
        return Ok(());
    }
    let Some(error) = error_name(told.error_code) else { return Ok(()) };
    let words = told
        .error_message
        .as_ref()
        .filter(|words| !words.is_empty())
        .map(|words| format!(": {words}"))
        .unwrap_or_default();
    let text = format!("a topic for the probe cannot be made: {error}{words}; name one by --probe-topic");
    Err((is(ResponseError::RequestTimedOut), Trouble::new(text)))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Who leads partition 0, once it says that it does.
fn leader_of(checker: &mut Checker<'_>, name: &str) -> Result<i32, Trouble> {
    let request = |_| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
    };
    let answer = checker.cluster.ask_any(METADATA_VERSION, request)?;
    checker.cluster.learn(&answer);
    let told = answer.topics.first().ok_or_else(|| Trouble::new(format!("{name}: no answer")))?;
    if let Some(error) = error_name(told.error_code) {
        return Err(Trouble::new(format!("{name}: {error}")));
    }
    if told.is_internal {
        return Err(Trouble::new(format!("{name}: is a topic of the brokers' own, where nothing is written")));
    }
    let first = told.partitions.iter().find(|partition| partition.partition_index == 0);
    let leader = first.and_then(|partition| leader(partition.leader_id));
    let leader = leader.ok_or_else(|| Trouble::new(format!("{name}: partition 0 has no leader")))?;
    // A leader stands in the metadata a little before it knows that it leads.
    crate::live::lanes::fetch(&mut checker.cluster, name, 0, leader, 0, 1).or_else(|trouble| {
        let is_there = trouble.what == "OffsetOutOfRange";
        is_there.then(bytes::Bytes::new).ok_or_else(|| Trouble::new(format!("{name}: {trouble}")))
    })?;
    Ok(leader)
}
