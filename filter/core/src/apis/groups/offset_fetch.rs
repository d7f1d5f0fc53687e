//! OffsetFetch: one request up, for the group and for the shadows that hold what is asked for; one answer down, in which they
//! are one group again.
//!
//! "All topics" (a null list) asks every lane that any mapping has, since nobody else knows where offsets were committed.
//! For many groups these are asked for piece by piece.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes::{self, Piece};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::Place;
use crate::exchange::rounds;
use crate::limits;
use crate::own::topics::Misplaced;
use crate::remapper::{Lane, PhysicalPartition};
use crate::wire::rope::Rope;

const API: &str = "OffsetFetch";
/// The first version that asks for several groups (KIP-709).
const GROUPS: i16 = 8;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: OffsetFetchRequest = request.decode()?;
    let asked = asked_groups(&message, request.version);
    if !asked.iter().any(|group| concerns_lanes(cx, group)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let named = asked.iter().flat_map(|group| group.topics.iter().flatten()).map(|topic| &topic.name);
    if let Some(plan) = cx.ask_first(named)? {
        return Ok(plan);
    }
    let mut answers = Answers {
        version: request.version,
        upstream_version: request.version.max(GROUPS),
        require_stable: message.require_stable,
        throttle_time_ms: 0,
        groups: vec![],
        questions: VecDeque::new(),
        holders: HashMap::new(),
    };
    for group in asked {
        answers.ask(cx, group);
    }
    let Some(upstream) = answers.next_piece()? else { return Ok(Plan::Answer(answers.merge(cx)?)) };
    let barrier = !answers.questions.is_empty();
    Ok(Plan::Send { requests: vec![upstream], pending: Box::new(answers), barrier })
}

/// What is asked for, in the form of the versions for several groups.
fn asked_groups(message: &OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= GROUPS {
        return message.groups.clone();
    }
    let topic = |topic: &OffsetFetchRequestTopic| {
        OffsetFetchRequestTopics::default()
            .with_name(topic.name.clone())
            .with_partition_indexes(topic.partition_indexes.clone())
    };
    let topics = message.topics.as_ref().map(|topics| topics.iter().map(topic).collect());
    vec![OffsetFetchRequestGroup::default().with_group_id(message.group_id.clone()).with_topics(topics)]
}

fn concerns_lanes(cx: &Context<'_>, group: &OffsetFetchRequestGroup) -> bool {
    let mapped = |topics: &Vec<OffsetFetchRequestTopics>| topics.iter().any(|topic| cx.is_mapped(&topic.name));
    lanes::is_shadow(&group.group_id) || group.topics.as_ref().is_none_or(mapped)
}

/// One group of the client's request.
struct Group {
    id: GroupId,
    /// As whom the client asks (KIP-848); -1 for nobody.
    member: Option<StrBytes>,
    member_epoch: i32,
    error_code: i16,
    /// The client's own list, where the error of a group stands at each partition.
    asked: Vec<OffsetFetchRequestTopics>,
    /// Who asked for a place; None: all topics were asked for.
    named: Option<Named>,
    answered: Vec<(TopicName, OffsetFetchResponsePartitions)>,
}

/// What is to be asked for one group of the client's.
struct Question {
    /// The group's place among the client's.
    group: usize,
    lanes: Range<u32>,
    /// None: all topics.
    topics: Option<Vec<OffsetFetchRequestTopics>>,
}

struct Answers {
    version: i16,
    upstream_version: i16,
    require_stable: bool,
    throttle_time_ms: i32,
    groups: Vec<Group>,
    /// What has not been asked yet.
    questions: VecDeque<Question>,
    /// The groups asked upstream at present: which group of the client's, and which lane of it.
    holders: HashMap<GroupId, VecDeque<(usize, Lane)>>,
}

impl Answers {
    fn ask(&mut self, cx: &mut Context<'_>, asked: OffsetFetchRequestGroup) {
        let mut group = Group::new(&asked);
        let at = self.groups.len();
        match &asked.topics {
            _ if lanes::is_shadow(&asked.group_id) => group.error_code = ResponseError::InvalidGroupId.code(),
            Some(topics) => {
                let (places, named) = sort(cx, &mut group, topics);
                group.named = Some(named);
                let question = |(lane, topics): (Lane, _)| {
                    let lanes = lane.0..lane.0.saturating_add(1);
                    Question { group: at, lanes, topics: Some(topics) }
                };
                self.questions.extend(places.into_iter().map(question));
            }
            None if cx.shared.topics.lanes_max() > limits::LANES_LISTED_MAX => {
                cx.warn(format!("group {}: the offsets of all topics lie in too many lanes to list", group.id.0));
                group.error_code = ResponseError::UnknownServerError.code();
            }
            None => {
                let lanes = 0..cx.shared.topics.lanes_max().max(1);
                self.questions.push_back(Question { group: at, lanes, topics: None });
            }
        }
        self.groups.push(group);
    }

    /// The next request upstream. Never one for no group at all, which some brokers never answer.
    fn next_piece(&mut self) -> Result<Option<Upstream>, Fault> {
        let mut piece = Piece::default();
        let mut asked = vec![];
        while let Some(question) = self.questions.front_mut().filter(|_| !piece.is_full()) {
            let group = self.groups.get_mut(question.group).ok_or(Fault::Exchange)?;
            let Some(lane) = question.lanes.next().map(Lane) else {
                self.questions.pop_front();
                continue;
            };
            // A question for named topics has one lane.
            let topics = question.topics.take();
            let Some(holder) = lanes::holder(&group.id, lane) else {
                group.error_code = ResponseError::InvalidGroupId.code();
                continue;
            };
            piece.add(&holder);
            self.holders.entry(holder.clone()).or_default().push_back((question.group, lane));
            let mut upstream = OffsetFetchRequestGroup::default().with_group_id(holder).with_topics(topics);
            upstream.member_epoch = -1;
            if lane.0 == 0 {
                (upstream.member_id, upstream.member_epoch) = (group.member.clone(), group.member_epoch);
            }
            asked.push(upstream);
        }
        while self.questions.front().is_some_and(|question| question.lanes.is_empty()) {
            self.questions.pop_front();
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let message = OffsetFetchRequest::default().with_groups(asked).with_require_stable(self.require_stable);
        Upstream::new(self.upstream_version, &message).map(Some)
    }

    fn take(&mut self, cx: &mut Context<'_>, found: OffsetFetchResponseGroup) -> Result<(), Fault> {
        let holder = self.holders.get_mut(&found.group_id).and_then(VecDeque::pop_front);
        let (at, lane) = holder.ok_or(Fault::Answer { api: API, what: "it names a group that was not asked for" })?;
        let group = self.groups.get_mut(at).ok_or(Fault::Exchange)?;
        if found.error_code != 0 {
            group.error_code = found.error_code;
        }
        for topic in found.topics {
            for partition in topic.partitions {
                group.take(cx, lane, &topic.name, partition);
            }
        }
        Ok(())
    }

    fn merge(&mut self, cx: &mut Context<'_>) -> Result<Rope, Fault> {
        let mut answer = OffsetFetchResponse::default();
        if self.version >= 3 {
            answer.throttle_time_ms = self.throttle_time_ms;
        }
        for group in &mut self.groups {
            cx.note(group.error_code);
            if group.error_code != 0 {
                group.answered.clear();
            }
            if self.version >= GROUPS {
                answer.groups.push(group.answer());
            } else {
                (answer.error_code, answer.topics) = group.answer_alone(self.version);
            }
        }
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

impl Pending for Answers {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let found: OffsetFetchResponse = read_answer(&body, self.upstream_version)?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        for group in found.groups {
            self.take(cx, group)?;
        }
        if self.holders.values().any(|holders| !holders.is_empty()) {
            return Err(Fault::Answer { api: API, what: "a group is missing" });
        }
        self.holders.clear();
        match self.next_piece()? {
            Some(upstream) => Ok(Next::Send(vec![upstream], self)),
            None => Ok(Next::Answer(self.merge(cx)?)),
        }
    }
}

type Places = BTreeMap<Lane, Vec<OffsetFetchRequestTopics>>;
type Named = HashMap<(Lane, Place), Vec<i32>>;

/// The places to ask for, by lane, and who asked; partitions that do not exist are answered at once.
fn sort(cx: &mut Context<'_>, group: &mut Group, topics: &[OffsetFetchRequestTopics]) -> (Places, Named) {
    let mut named: Named = HashMap::new();
    let mut places: BTreeMap<Lane, Vec<(TopicName, i32)>> = BTreeMap::new();
    // The group itself is always asked: its errors are the group's.
    places.insert(Lane(0), vec![]);
    for topic in topics {
        let at = cx.topic(&topic.name);
        for partition in &topic.partition_indexes {
            let located = match cx.locate(&at, *partition) {
                Ok(located) => located,
                Err(misplaced) => {
                    let misfit = ResponseError::UnknownTopicOrPartition.code();
                    let code = if misplaced == Misplaced::Misfit { misfit } else { 0 };
                    cx.note(code);
                    group.answered.push((topic.name.clone(), nothing(*partition).with_error_code(code)));
                    continue;
                }
            };
            let physical = located.place.partition.0;
            let askers = named.entry((located.lane, located.place)).or_default();
            if askers.is_empty() {
                places.entry(located.lane).or_default().push((topic.name.clone(), physical));
            }
            askers.push(*partition);
        }
    }
    let topic =
        |(name, partitions)| OffsetFetchRequestTopics::default().with_name(name).with_partition_indexes(partitions);
    let by_topic = |places| rounds::group(places).into_iter().map(topic).collect();
    (places.into_iter().map(|(lane, places)| (lane, by_topic(places))).collect(), named)
}

/// What a broker says of a partition without a committed offset, existing or not.
fn nothing(partition: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(Default::default()))
}

impl Group {
    fn new(asked: &OffsetFetchRequestGroup) -> Self {
        Self {
            id: asked.group_id.clone(),
            member: asked.member_id.clone(),
            member_epoch: asked.member_epoch,
            error_code: 0,
            asked: asked.topics.clone().unwrap_or_default(),
            named: None,
            answered: vec![],
        }
    }

    fn take(&mut self, cx: &mut Context<'_>, lane: Lane, topic: &TopicName, found: OffsetFetchResponsePartitions) {
        let remapper = cx.shared.topics.remapper(&topic.0);
        let physical = found.partition_index;
        let askers = match (&mut self.named, &remapper) {
            (Some(named), _) => {
                let place = Place { topic: topic.clone(), partition: PhysicalPartition(physical) };
                named.remove(&(lane, place)).unwrap_or_default()
            }
            // Offsets that no mapping leads to: of another mapping, or of lanes of a topic that is mapped no longer.
            (None, Some(remapper)) if cx.is_misfit(topic, remapper) => vec![],
            (None, Some(remapper)) => {
                let v = remapper.physical_to_virtual(PhysicalPartition(physical), lane);
                v.map(|v| v.0).into_iter().collect()
            }
            (None, None) if lane.0 == 0 => vec![physical],
            (None, None) => vec![],
        };
        for partition in askers {
            let mut told = found.clone().with_partition_index(partition);
            if let Some(remapper) = &remapper {
                match remapper.physical_to_virtual_offset(lane, found.committed_offset) {
                    Ok(offset) => told.committed_offset = offset,
                    Err(error) => {
                        cx.warn(format!("group {}, topic {}: {error}", self.id.0, topic.0));
                        told = nothing(partition).with_error_code(ResponseError::UnknownServerError.code());
                    }
                }
            }
            cx.note(told.error_code);
            self.answered.push((topic.clone(), told));
        }
    }

    fn answer(&mut self) -> OffsetFetchResponseGroup {
        let topics = rounds::group(std::mem::take(&mut self.answered)).into_iter();
        let topic =
            |(name, partitions)| OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions);
        OffsetFetchResponseGroup::default()
            .with_group_id(self.id.clone())
            .with_error_code(self.error_code)
            .with_topics(topics.map(topic).collect())
    }

    /// In the form of the versions for one group. Before version 2 an error of the group stands at every partition.
    fn answer_alone(&mut self, version: i16) -> (i16, Vec<OffsetFetchResponseTopic>) {
        let error_code = self.error_code;
        if version < 2 && error_code != 0 {
            let refused = |partition: i32| nothing(partition).with_error_code(error_code);
            for topic in std::mem::take(&mut self.asked) {
                let partitions = topic.partition_indexes.into_iter();
                self.answered.extend(partitions.map(|partition| (topic.name.clone(), refused(partition))));
            }
        }
        let partition = |found: OffsetFetchResponsePartitions| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(found.partition_index)
                .with_committed_offset(found.committed_offset)
                .with_committed_leader_epoch(found.committed_leader_epoch)
                .with_metadata(found.metadata)
                .with_error_code(found.error_code)
        };
        let topics = rounds::group(std::mem::take(&mut self.answered)).into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions)
        });
        (if version >= 2 { error_code } else { 0 }, topics.collect())
    }
}

#[cfg(test)]
mod tests;
