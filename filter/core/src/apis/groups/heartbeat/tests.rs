//! Heartbeats, and the renewals that they bring along: offsets in shadows are written again as they are.

use std::collections::BTreeSet;
use std::rc::Rc;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::limits;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{
    ask, counted, framed, read_answer, request, see_topics, shared, take_frames, text, topic, Seen, MAPPED,
};
use crate::Shared;

const MINUTE_MS: u64 = 60_000;
const HEARTBEAT: i16 = 12;

/// A member of `busy` on a connection, and the coordinator behind it.
struct Member {
    shared: Rc<Shared>,
    proxy: Proxy,
    store: Store,
    /// What the broker says to the client's Heartbeats.
    verdict: i16,
    /// How many bytes come at a time.
    cut: usize,
}

impl Member {
    fn new(config: &str, store: Store) -> Self {
        let shared = shared(config);
        let proxy = Proxy::new(&shared, Feeding::Passing, None);
        Self { shared, proxy, store, verdict: 0, cut: usize::MAX }
    }

    /// Sends a Heartbeat. Gives what went up, by API key.
    fn beat(&mut self, version: i16) -> Vec<i16> {
        let message = HeartbeatRequest::default()
            .with_group_id(GroupId(text("busy")))
            .with_generation_id(5)
            .with_member_id(text("member"));
        let message = if version >= 3 { message.with_group_instance_id(Some(text("instance"))) } else { message };
        request(version, 9, &message).chunks(self.cut).for_each(|bytes| self.proxy.client(bytes));
        let mut keys = vec![];
        while !self.proxy.up.is_empty() {
            let up: Vec<Seen> = take_frames(&mut self.proxy.up).iter().map(Seen::parse).collect();
            for seen in up {
                keys.push(seen.key);
                let answer = if seen.key == HEARTBEAT {
                    assert_eq!((seen.version, &seen.message::<HeartbeatRequest>()), (version, &message));
                    seen.answer(&HeartbeatResponse::default().with_error_code(self.verdict))
                } else {
                    self.store.answer(&seen)
                };
                answer.chunks(self.cut).for_each(|bytes| self.proxy.broker(bytes));
            }
        }
        let answers = take_frames(&mut self.proxy.down);
        assert_eq!((answers.len(), self.proxy.closed), (1, false), "{:?}", self.proxy.warnings);
        let (id, answer) = read_answer::<HeartbeatResponse>(&answers[0], version);
        assert_eq!((id, answer.error_code), (9, self.verdict), "the broker's own answer");
        assert!(self.proxy.is_idle());
        keys
    }

    /// As `beat`, at a time when a renewal is due for certain.
    fn beat_later(&mut self, version: i16) -> Vec<i16> {
        self.beat(version);
        self.proxy.now += 61 * MINUTE_MS;
        self.beat(version)
    }
}

/// What `busy` has committed: all of `t` and `l`. Its member owns 0, 3 and 5 of `t`, which are lanes 0, 1 and
/// 2.
fn store() -> Store {
    let mut store = committed("busy");
    store.retention_ms.clear();
    store
}

#[test]
fn a_renewal_writes_the_members_lanes_as_they_are() {
    for (version, cut) in (0..=4).flat_map(|version| [1, 5, usize::MAX].map(|cut| (version, cut))) {
        let mut member = Member { cut, ..Member::new(MAPPED, store()) };
        let before = member.store.offsets.clone();
        let mut written = vec![];
        assert_eq!(member.beat(version), [HEARTBEAT], "v{version}: not at once");
        member.proxy.now += MINUTE_MS;
        assert_eq!(member.beat(version), [15, 9, HEARTBEAT, 8, 8], "v{version}: a description comes first");
        assert_eq!(member.store.offsets, before);
        written.extend(member.store.retention_ms.iter().copied());
        assert_eq!(written, [-1], "as long as the broker keeps any");
        member.proxy.now += 59 * MINUTE_MS;
        assert_eq!(member.beat(version), [HEARTBEAT]);
        member.proxy.now += MINUTE_MS;
        assert_eq!(member.beat(version).len(), 5, "an hour after the first");
    }
}

#[test]
fn what_a_client_sends_behind_its_heartbeat_comes_behind_the_renewal() {
    let mut member = Member::new(MAPPED, store());
    member.beat(3);
    member.proxy.now += MINUTE_MS;
    see_topics(&member.shared, member.proxy.now);
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(GroupId(text("busy")))
        .with_generation_id(5)
        .with_member_id(text("member"));
    let newer = commit("busy", 5, &[("t", 3, 900)]);
    member.proxy.client(&[request(3, 1, &heartbeat), request(7, 2, &newer)].concat());
    let mut ids = vec![];
    while !member.proxy.up.is_empty() {
        for seen in take_frames(&mut member.proxy.up).iter().map(Seen::parse) {
            ids.push(seen.correlation_id);
            member.proxy.broker(&member.store.answer(&seen));
        }
    }
    assert_eq!(ids, [1, 1, 1, 1, 1, 2, 2, 2]);
    let slot = (shadow::name("busy", Lane(1)), "t".to_owned(), 1);
    assert_eq!(member.store.offsets[&slot], 900);
}

#[test]
fn only_what_was_committed_is_renewed() {
    let mut member = Member::new(MAPPED, store());
    member.store.offsets.retain(|(group, ..), _| *group != shadow::name("busy", Lane(2)));
    assert_eq!(member.beat_later(4), [15, 9, HEARTBEAT, 8]);
    member.store.offsets.clear();
    member.proxy.now += 61 * MINUTE_MS;
    assert_eq!(member.beat(4), [15, 9, HEARTBEAT]);
    assert!(member.store.offsets.is_empty());
}

#[test]
fn whoever_is_no_member_renews_nothing() {
    for verdict in [ILLEGAL_GENERATION, UNKNOWN_MEMBER, 27] {
        let mut member = Member::new(MAPPED, store());
        member.verdict = verdict;
        assert_eq!(member.beat_later(3), [15, 9, HEARTBEAT]);
        member.verdict = 0;
        assert_eq!(member.beat(3), [HEARTBEAT], "not again at once");
        member.proxy.now += MINUTE_MS;
        assert_eq!(member.beat(3), [15, 9, HEARTBEAT, 8, 8], "but soon");
    }
    for state in ["PreparingRebalance", "CompletingRebalance", "Empty", "Dead"] {
        let mut member = Member::new(MAPPED, Store { state, ..store() });
        assert_eq!(member.beat_later(3), [15, HEARTBEAT], "{state}");
    }
    let mut member = Member::new(MAPPED, Store { describe_error: LOADING, ..store() });
    assert_eq!(member.beat_later(3), [15, HEARTBEAT]);
}

#[test]
fn answers_that_cannot_be_used_do_not_harm_the_heartbeat() {
    for broken in [15, 9, 8] {
        let mut member = Member::new(MAPPED, store());
        member.beat(4);
        member.proxy.now += MINUTE_MS;
        let message = HeartbeatRequest::default().with_group_id(GroupId(text("busy"))).with_member_id(text("member"));
        member.proxy.client(&request(4, 9, &message));
        while !member.proxy.up.is_empty() {
            for seen in take_frames(&mut member.proxy.up).iter().map(Seen::parse) {
                let answer = match seen.key {
                    key if key == broken => framed(&[&seen.correlation_id.to_be_bytes()[..], &[0; 3]].concat()),
                    HEARTBEAT => seen.answer(&HeartbeatResponse::default()),
                    _ => member.store.answer(&seen),
                };
                member.proxy.broker(&answer);
            }
        }
        assert!(!member.proxy.closed && take_frames(&mut member.proxy.down).len() == 1, "{broken}");
        let failed = counted(&member.shared).get("shadow_commits_failed_total").copied();
        assert_eq!(failed, if broken == 8 { Some(2) } else { None }, "a commit to each of two shadows");
    }
}

#[test]
fn retention_is_what_the_configuration_or_the_client_says() {
    let configured = MAPPED.replacen('{', r#"{"shadow_groups": {"retention_ms": 86400000},"#, 1);
    for (config, asked, wanted) in [(MAPPED, -1, -1), (MAPPED, 5_000, 5_000), (&configured, -1, 86_400_000)] {
        let mut member = Member::new(config, store());
        member.beat(3);
        let message = commit("busy", 5, &COMMITS).with_retention_time_ms(asked);
        member.proxy.client(&request(4, 9, &message));
        while !member.proxy.up.is_empty() {
            let up = take_frames(&mut member.proxy.up);
            up.iter().for_each(|frame| member.proxy.broker(&member.store.answer(&Seen::parse(frame))));
        }
        take_frames(&mut member.proxy.down);
        assert_eq!(member.store.retention_ms, BTreeSet::from([wanted]), "in the commit");
        member.store.retention_ms.clear();
        member.proxy.now += MINUTE_MS;
        assert_eq!(member.beat(3).len(), 5);
        assert_eq!(member.store.retention_ms, BTreeSet::from([wanted]), "in the renewal");
    }
}

#[test]
fn a_member_of_many_partitions_renews_them_over_several_heartbeats() {
    let count = 2 * limits::RENEWED_PARTITIONS_MAX as i32 + 500;
    let config = format!(
        r#"{{"mapping": {{"topics": [{{"name": "t", "virtual_partitions": {}, "physical_partitions": {count}}}]}}}}"#,
        2 * count
    );
    let lane_1: Vec<i32> = (count..2 * count).collect();
    let mut proxy = Proxy::new(&shared(&config), Feeding::Passing, None);
    let message = HeartbeatRequest::default().with_group_id(GroupId(text("busy"))).with_member_id(text("member"));
    let mut written = vec![];
    for _ in 0..5 {
        proxy.client(&request(4, 9, &message));
        while !proxy.up.is_empty() {
            for seen in take_frames(&mut proxy.up).iter().map(Seen::parse) {
                let answer = match seen.key {
                    15 => {
                        let member = DescribedGroupMember::default().with_member_id(text("member"));
                        let member = member.with_member_assignment(assignment(&[("t", &lane_1)]));
                        let group = DescribedGroup::default().with_group_state(text("Stable"));
                        let group = group.with_protocol_type(text("consumer")).with_members(vec![member]);
                        seen.answer(&DescribeGroupsResponse::default().with_groups(vec![group]))
                    }
                    9 => fetched(&seen),
                    8 => {
                        let commits: OffsetCommitRequest = seen.message();
                        let parts = commits.topics[0].partitions.iter().map(|part| part.partition_index);
                        written.extend(parts);
                        seen.answer(&OffsetCommitResponse::default())
                    }
                    _ => seen.answer(&HeartbeatResponse::default()),
                };
                proxy.broker(&answer);
            }
        }
        assert_eq!(take_frames(&mut proxy.down).len(), 1);
        proxy.now += MINUTE_MS;
    }
    assert_eq!(written, (0..count).collect::<Vec<i32>>(), "each once, and then no more");
}

/// All that is asked for has an offset.
fn fetched(seen: &Seen) -> Vec<u8> {
    let asked: OffsetFetchRequest = seen.message();
    let partitions = asked.groups[0].topics.as_ref().unwrap()[0].partition_indexes.iter();
    assert!(partitions.len() <= limits::RENEWED_PARTITIONS_MAX);
    let found = partitions.map(|partition| {
        OffsetFetchResponsePartitions::default().with_partition_index(*partition).with_committed_offset(7)
    });
    let topics = vec![OffsetFetchResponseTopics::default().with_name(topic("t")).with_partitions(found.collect())];
    let group = OffsetFetchResponseGroup::default().with_group_id(asked.groups[0].group_id.clone()).with_topics(topics);
    seen.answer(&OffsetFetchResponse::default().with_groups(vec![group]))
}

#[test]
fn heartbeats_go_by_where_nothing_is_mapped_and_where_they_cannot_be_read() {
    let answer = HeartbeatResponse::default().with_error_code(7);
    let message = HeartbeatRequest::default().with_group_id(GroupId(text("g")));
    for config in ["", MAPPED] {
        let (seen, told) = ask(config, 4, &message, |seen| seen.answer(&answer));
        assert_eq!((seen.len(), told.error_code, seen[0].message::<HeartbeatRequest>()), (1, 7, message.clone()));
    }
    let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Handed, None);
    let mut cut = request(4, 9, &message);
    cut.truncate(cut.len() - 3);
    let length = (cut.len() as i32 - 4).to_be_bytes();
    cut[..4].copy_from_slice(&length);
    proxy.client(&cut);
    assert_eq!((proxy.up, proxy.closed), (cut, false));
}
