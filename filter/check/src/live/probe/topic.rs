//! The topic that is probed: one that exists, or one that is made for it and taken away.

use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

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
        let answer = checker.cluster.ask_any(CREATE_VERSION, request)?;
        let told = answer.topics.first().ok_or_else(|| Trouble::new("no answer to the topic's creation"))?;
        if let Some(error) = error_name(told.error_code) {
            let words = told.error_message.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
            let text = format!("a topic for the probe cannot be made: {error}{words}; name one by --probe-topic");
            return Err(Trouble::new(text));
        }
        let end = Instant::now() + Duration::from_millis(READY_MS);
        loop {
            match leader_of(checker, &name) {
                Ok(leader) => return Ok(Self { name, leader, is_own: true }),
                Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
                Err(trouble) => {
                    Self { name, leader: -1, is_own: true }.remove(checker)?;
                    return Err(trouble);
                }
            }
        }
    }

    pub(super) fn remove(&self, checker: &mut Checker<'_>) -> Result<(), Trouble> {
        if !self.is_own {
            return Ok(());
        }
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
        match answer.responses.first().and_then(|told| error_name(told.error_code)) {
            Some(error) => {
                Err(Trouble::new(format!("{}: the probe's own topic cannot be deleted: {error}", self.name)))
            }
            None => Ok(()),
        }
    }
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
