//! Brokers' words that dump a request: no API lets them through where clients do not know brokers' addresses.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use std::ops::RangeInclusive;

use super::TABLE;
use crate::apis::admin::testing::opened;
use crate::exchange::words::Worded;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, text, Seen};

/// As Kafka 4.3 prints it, forwarded to the controller.
const DUMP: &str = "Request Request(processor=1, connectionId=127.0.0.1:26072-127.0.0.1:54962-1-426, \
     session=Session(User:broker,/127.0.0.1), listenerName=ListenerName(CONTROLLER), securityProtocol=PLAINTEXT, \
     buffer=null, envelope=Optional[Request(processor=2, connectionId=10.0.0.5:9092-10.0.0.9:40004-0-7)]) needs ALTER \
     permission.";

const WORDS: &str = "Request needs ALTER permission, says 10.0.0.9";

/// Clients may administer, and know brokers by the addresses that these give themselves.
const UNCHANGED: &str = r#"{"upstream": {"shared_administration": true}}"#;

macro_rules! answers {
    ($($request:ident, $versions:expr, $answer:expr;)*) => {
        [$(check::<$request>($versions, |words| {
            let mut answer = $answer;
            let places = answer.words();
            assert!(!places.is_empty());
            places.into_iter().for_each(|place| *place = Some(text(words)));
            answer
        })),*]
    };
}

/// Many of anything.
fn two<T: Clone + Default>() -> Vec<T> {
    vec![T::default(); 2]
}

/// One line for each API of which the table says so, in the versions that have words.
#[test]
fn no_words_dump_a_request() {
    use kafka_protocol::messages::{
        alter_partition_reassignments_response as alter_reassignments, delete_acls_response as delete_acls,
        describe_producers_response as producers, elect_leaders_response as elect,
    };
    let mut tested = answers! {
        FindCoordinatorRequest, 1..=3, FindCoordinatorResponse::default();
        FindCoordinatorRequest, 4..=6, FindCoordinatorResponse::default().with_coordinators(two());
        DescribeGroupsRequest, 6..=6, DescribeGroupsResponse::default().with_groups(two());
        CreateTopicsRequest, 2..=7, CreateTopicsResponse::default().with_topics(two());
        DeleteTopicsRequest, 5..=6, DeleteTopicsResponse::default().with_responses(two());
        DescribeAclsRequest, 1..=3, DescribeAclsResponse::default();
        CreateAclsRequest, 1..=3, CreateAclsResponse::default().with_results(two());
        DeleteAclsRequest, 1..=3, DeleteAclsResponse::default().with_filter_results(vec![
            delete_acls::DeleteAclsFilterResult::default().with_matching_acls(two()); 2
        ]);
        AlterConfigsRequest, 0..=2, AlterConfigsResponse::default().with_responses(two());
        CreatePartitionsRequest, 0..=3, CreatePartitionsResponse::default().with_results(two());
        ElectLeadersRequest, 0..=2, ElectLeadersResponse::default().with_replica_election_results(vec![
            elect::ReplicaElectionResult::default().with_partition_result(two()); 2
        ]);
        IncrementalAlterConfigsRequest, 0..=1, IncrementalAlterConfigsResponse::default().with_responses(two());
        AlterPartitionReassignmentsRequest, 0..=1, AlterPartitionReassignmentsResponse::default().with_responses(vec![
            alter_reassignments::ReassignableTopicResponse::default().with_partitions(two()); 2
        ]);
        ListPartitionReassignmentsRequest, 0..=0, ListPartitionReassignmentsResponse::default();
        DescribeClientQuotasRequest, 0..=1, DescribeClientQuotasResponse::default();
        AlterClientQuotasRequest, 0..=1, AlterClientQuotasResponse::default().with_entries(two());
        DescribeUserScramCredentialsRequest, 0..=0, DescribeUserScramCredentialsResponse::default().with_results(two());
        AlterUserScramCredentialsRequest, 0..=0, AlterUserScramCredentialsResponse::default().with_results(two());
        DescribeClusterRequest, 0..=2, DescribeClusterResponse::default();
        DescribeProducersRequest, 0..=0, DescribeProducersResponse::default().with_topics(vec![
            producers::TopicResponse::default().with_partitions(two()); 2
        ]);
    }
    .to_vec();
    tested.dedup();
    let worded = TABLE.lines.iter().filter(|line| line.without_dumps.is_some()).map(|line| line.api.key);
    assert_eq!(tested, worded.collect::<Vec<_>>(), "a line for each, by its key");
}

fn check<R: Request + Default>(versions: RangeInclusive<i16>, answer: impl Fn(&str) -> R::Response) -> i16
where
    R::Response: Worded,
{
    // Fields that a version does not have are empty.
    let told = |config: &str, version, words: &str| -> Vec<StrBytes> {
        let found = answer(words);
        let (_, mut told) = ask(config, version, &R::default(), |seen| seen.answer(&found));
        told.words().into_iter().flat_map(|words| words.clone()).filter(|words| !words.is_empty()).collect()
    };
    for version in versions {
        let name = TABLE.name(R::KEY);
        assert!(told(&opened(), version, DUMP).is_empty(), "{name} v{version}");
        let shown = told(&opened(), version, WORDS);
        assert!(!shown.is_empty() && shown.iter().all(|words| &**words == WORDS), "{name} v{version}");
        let known = told(UNCHANGED, version, DUMP);
        assert!(known.len() == shown.len() && known.iter().all(|words| &**words == DUMP), "{name} v{version}");
    }
    R::KEY
}

/// What holds no dump passes byte for byte, wherever it is cut, and the client hears the rest of what does.
#[test]
fn the_rest_of_an_answer_stays() {
    let message = DescribeAclsRequest::default();
    let resource = describe_acls_response::DescribeAclsResource::default().with_resource_name(text(DUMP));
    let found =
        DescribeAclsResponse::default().with_throttle_time_ms(7).with_error_code(31).with_resources(vec![resource]);
    for (words, expected) in [(None, None), (Some(WORDS), Some(WORDS)), (Some(DUMP), None)] {
        let (found, expected) = (found.clone(), found.clone().with_error_message(expected.map(text)));
        let found = found.with_error_message(words.map(text));
        let mut proxy = Proxy::new(&shared(&opened()), Feeding::Passing, None);
        proxy.client(&request(3, 77, &message));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        seen.answer(&found).chunks(1).for_each(|byte| proxy.broker(byte));
        assert_eq!(proxy.down, seen.answer(&expected), "{words:?}");
        assert!(proxy.is_idle() && !proxy.closed);
    }
}
