//! OffsetFetch: one request up, for the group and for the shadows that hold what is asked for; one answer
//! down, in which group and shadows are one group again.
//!
//! "All topics" (a null list) asks every lane that any mapping has, since nobody else knows where offsets
//! were committed. For many groups the lanes are asked for piece by piece.

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
use crate::error::{BrokerFault, Fault};
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Misplaced, Place};
use crate::exchange::rounds;
use crate::limits;
use crate::remapper::{Lane, PhysicalPartition};

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
    if asked.iter().any(|group| lanes::is_shadow(&group.group_id)) {
        lanes::warn_of_shadow(cx);
    }
    let (version, require_stable) = (request.version, message.require_stable);
    let mut fetch = Fetch { version, require_stable, throttle_time_ms: 0, groups: vec![], wanted: VecDeque::new() };
    for group in asked {
        fetch.add(cx, group);
    }
    let Some((upstream, asked)) = fetch.next_piece()? else { return Plan::answer(&fetch.answer(cx), version) };
    let barrier = !fetch.wanted.is_empty();
    Ok(Plan::Send { requests: vec![upstream], pending: Box::new(AwaitsPiece { fetch, asked }), barrier })
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
    topics: Vec<OffsetFetchRequestTopics>,
    /// None: all topics were asked for.
    named: Option<Named>,
    found: Vec<(TopicName, OffsetFetchResponsePartitions)>,
}

/// What is to be asked for one group of the client's.
struct Wanted {
    /// The group's place among the client's.
    group: usize,
    lanes: Range<u32>,
    /// None: all topics.
    topics: Option<Vec<OffsetFetchRequestTopics>>,
}

/// The groups that one request asks the broker for: which group of the client's each stands for, and which
/// lane of it.
type Holders = HashMap<GroupId, VecDeque<(usize, Lane)>>;

/// What was found so far, and what is still to be asked.
struct Fetch {
    version: i16,
    require_stable: bool,
    throttle_time_ms: i32,
    groups: Vec<Group>,
    wanted: VecDeque<Wanted>,
}

impl Fetch {
    /// The form for several groups is asked for whatever form the client's request has.
    fn upstream_version(&self) -> i16 {
        self.version.max(GROUPS)
    }

    fn add(&mut self, cx: &mut Context<'_>, asked: OffsetFetchRequestGroup) {
        let mut group = Group::new(&asked);
        let at = self.groups.len();
        match &asked.topics {
            _ if lanes::is_shadow(&asked.group_id) => group.error_code = ResponseError::InvalidGroupId.code(),
            Some(topics) => {
                let (places, named) = sort(cx, &mut group, topics);
                group.named = Some(named);
                let wanted = |(lane, topics): (Lane, _)| {
                    let lanes = lane.0..lane.0.saturating_add(1);
                    Wanted { group: at, lanes, topics: Some(topics) }
                };
                self.wanted.extend(places.into_iter().map(wanted));
            }
            None if cx.shared.topics.lanes_max() > limits::LANES_LISTED_MAX => {
                cx.warn(format!("group {}: the offsets of all topics lie in too many lanes to list", group.id.0));
                group.error_code = ResponseError::UnknownServerError.code();
            }
            None => {
                let lanes = 0..cx.shared.topics.lanes_max().max(1);
                self.wanted.push_back(Wanted { group: at, lanes, topics: None });
            }
        }
        self.groups.push(group);
    }

    /// The next request upstream. Never one for no group at all, which some brokers never answer.
    fn next_piece(&mut self) -> Result<Option<(Upstream, Holders)>, Fault> {
        let mut piece = Piece::default();
        let (mut groups, mut asked) = (vec![], Holders::new());
        while let Some(wanted) = self.wanted.front_mut().filter(|_| !piece.is_full()) {
            let group =
                self.groups.get_mut(wanted.group).ok_or(Fault::bug("a question of OffsetFetch without its group"))?;
            let Some(lane) = wanted.lanes.next().map(Lane) else {
                self.wanted.pop_front();
                continue;
            };
            // What is wanted of named topics has one lane.
            let topics = wanted.topics.take();
            let Some(holder) = lanes::holder(&group.id, lane) else {
                group.error_code = ResponseError::InvalidGroupId.code();
                continue;
            };
            piece.add(&holder);
            asked.entry(holder.clone()).or_default().push_back((wanted.group, lane));
            let mut upstream = OffsetFetchRequestGroup::default().with_group_id(holder).with_topics(topics);
            upstream.member_epoch = -1;
            if lane.0 == 0 {
                (upstream.member_id, upstream.member_epoch) = (group.member.clone(), group.member_epoch);
            }
            groups.push(upstream);
        }
        while self.wanted.front().is_some_and(|wanted| wanted.lanes.is_empty()) {
            self.wanted.pop_front();
        }
        if groups.is_empty() {
            return Ok(None);
        }
        let message = OffsetFetchRequest::default().with_groups(groups).with_require_stable(self.require_stable);
        Ok(Some((Upstream::new(self.upstream_version(), &message)?, asked)))
    }

    fn answer(&mut self, cx: &mut Context<'_>) -> OffsetFetchResponse {
        let mut answer = OffsetFetchResponse::default();
        if self.version >= 3 {
            answer.throttle_time_ms = self.throttle_time_ms;
        }
        for group in &mut self.groups {
            cx.note(group.error_code);
            if group.error_code != 0 {
                group.found.clear();
            }
            if self.version >= GROUPS {
                answer.groups.push(group.answer());
            } else {
                (answer.error_code, answer.topics) = group.answer_alone(self.version);
            }
        }
        answer
    }
}

/// Waits for the answer to one piece of what is asked.
struct AwaitsPiece {
    fetch: Fetch,
    asked: Holders,
}

impl Pending for AwaitsPiece {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { mut fetch, mut asked } = *self;
        let found: OffsetFetchResponse = read_answer(&body, fetch.upstream_version())?;
        fetch.throttle_time_ms = fetch.throttle_time_ms.max(found.throttle_time_ms);
        let fault = |what| Fault::Broker(BrokerFault::Answer { api: cx.api.name, what });
        for answered in found.groups {
            let holder = asked.get_mut(&answered.group_id).and_then(VecDeque::pop_front);
            let (at, lane) = holder.ok_or(fault("it names a group that was not asked for"))?;
            fetch
                .groups
                .get_mut(at)
                .ok_or(Fault::bug("an answer to OffsetFetch without its group"))?
                .take(cx, lane, answered);
        }
        if asked.values().any(|holders| !holders.is_empty()) {
            return Err(fault("a group is missing"));
        }
        match fetch.next_piece()? {
            Some((upstream, asked)) => Ok(Next::Send(vec![upstream], Box::new(Self { fetch, asked }))),
            None => Next::answer(&fetch.answer(cx), fetch.version),
        }
    }
}

type Places = BTreeMap<Lane, Vec<OffsetFetchRequestTopics>>;
/// How often the client named the partition that is a lane of a place.
type Named = HashMap<(Lane, Place), usize>;

/// The places to ask for, by lane, and how often each is named; partitions that do not exist are
/// answered at once.
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
                    group.found.push((topic.name.clone(), nothing(*partition).with_error_code(code)));
                    continue;
                }
            };
            cx.count_remapped(&located);
            let physical = located.place.partition.0;
            let times = named.entry((located.lane, located.place)).or_default();
            if *times == 0 {
                places.entry(located.lane).or_default().push((topic.name.clone(), physical));
            }
            *times += 1;
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
            topics: asked.topics.clone().unwrap_or_default(),
            named: None,
            found: vec![],
        }
    }

    /// Takes what the group that holds `lane` has.
    fn take(&mut self, cx: &mut Context<'_>, lane: Lane, answered: OffsetFetchResponseGroup) {
        if answered.error_code != 0 {
            self.error_code = answered.error_code;
        }
        for OffsetFetchResponseTopics { name, partitions, .. } in answered.topics {
            let topic = cx.topic(&name);
            // Offsets that no mapping leads to: of another mapping, or of lanes of a topic that is mapped no
            // longer.
            let is_misfit = self.named.is_none() && cx.is_misfit(&name);
            for found in partitions {
                let physical = PhysicalPartition(found.partition_index);
                let times = match &mut self.named {
                    Some(named) => {
                        let place = Place { topic: name.clone(), partition: physical };
                        named.remove(&(lane, place)).unwrap_or(0)
                    }
                    None => usize::from(!is_misfit),
                };
                let Some(located) = topic.at(physical, lane) else { continue };
                for _ in 0..times {
                    let found = self.for_client(cx, &located, found.clone());
                    cx.note(found.error_code);
                    self.found.push((name.clone(), found));
                }
            }
        }
    }

    /// What a broker found at the place of a partition, as the client has it.
    fn for_client(
        &self,
        cx: &mut Context<'_>,
        located: &Located,
        found: OffsetFetchResponsePartitions,
    ) -> OffsetFetchResponsePartitions {
        match located.offset_for_client(found.committed_offset) {
            Ok(offset) => found.with_partition_index(located.partition.0).with_committed_offset(offset),
            Err(error) => {
                cx.warn(format!("group {}, topic {}: {error}", self.id.0, located.place.topic.0));
                nothing(located.partition.0).with_error_code(ResponseError::UnknownServerError.code())
            }
        }
    }

    fn answer(&mut self) -> OffsetFetchResponseGroup {
        let topics = rounds::group(std::mem::take(&mut self.found)).into_iter();
        let topic =
            |(name, partitions)| OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions);
        OffsetFetchResponseGroup::default()
            .with_group_id(self.id.clone())
            .with_error_code(self.error_code)
            .with_topics(topics.map(topic).collect())
    }

    /// In the form of the versions for one group. Before version 2 an error of the group stands at every
    /// partition.
    fn answer_alone(&mut self, version: i16) -> (i16, Vec<OffsetFetchResponseTopic>) {
        let error_code = self.error_code;
        if version < 2 && error_code != 0 {
            let refused = |partition: i32| nothing(partition).with_error_code(error_code);
            for topic in std::mem::take(&mut self.topics) {
                let partitions = topic.partition_indexes.into_iter();
                self.found.extend(partitions.map(|partition| (topic.name.clone(), refused(partition))));
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
        let topics = rounds::group(std::mem::take(&mut self.found)).into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions)
        });
        (if version >= 2 { error_code } else { 0 }, topics.collect())
    }
}

#[cfg(test)]
mod tests;
