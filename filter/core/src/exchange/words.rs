//! Brokers' own words in answers, where they are a dump of a request.
//!
//! A broker, or the controller that it asks, tells a client without a right on the cluster which right the
//! request needs, and prints what it holds of the request: `Request Request(processor=1, connectionId=…`. Its
//! own address is in there, and all that the filter has made of the request: whoever connects to that address
//! goes around the filter. Such words are taken out of the answer, and the client shows those of the error
//! code.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Pending};
use crate::stats::Outcome;
use crate::wire::rope::Rope;
use crate::wire::shape::Shaped;

/// What stands in Kafka's dump of a request (its `RequestChannel.Request`), and hardly elsewhere.
const DUMPS: [&[u8]; 2] = [b"connectionId=", b"Request(processor="];

/// The body of an answer of this version, without dumps.
pub(crate) type WithoutDumps = fn(Bytes, i16) -> Result<Bytes, Fault>;

/// An answer with brokers' words in it. Not all that have some: Produce and DescribeConfigs, whose answers
/// are large, are judged by the topic, and SASL before there is a right to ask for.
pub(crate) trait Worded: Shaped + Encodable {
    /// All of them.
    fn words(&mut self) -> Vec<&mut Option<StrBytes>>;
}

macro_rules! worded {
    ($($message:ident: |$answer:ident| $words:expr;)*) => {
        $(impl Worded for $message {
            fn words(&mut self) -> Vec<&mut Option<StrBytes>> {
                let $answer = self;
                $words.collect()
            }
        })*
    };
}

macro_rules! each {
    ($list:expr) => {
        $list.iter_mut().map(|entry| &mut entry.error_message)
    };
}

worded! {
    FindCoordinatorResponse: |answer| [&mut answer.error_message].into_iter().chain(each!(answer.coordinators));
    DescribeGroupsResponse: |answer| each!(answer.groups);
    CreateTopicsResponse: |answer| each!(answer.topics);
    DeleteTopicsResponse: |answer| each!(answer.responses);
    DescribeAclsResponse: |answer| [&mut answer.error_message].into_iter();
    CreateAclsResponse: |answer| each!(answer.results);
    DeleteAclsResponse: |answer| answer.filter_results.iter_mut().flat_map(|result| {
        [&mut result.error_message].into_iter().chain(each!(result.matching_acls))
    });
    AlterConfigsResponse: |answer| each!(answer.responses);
    CreatePartitionsResponse: |answer| each!(answer.results);
    ElectLeadersResponse: |answer| {
        answer.replica_election_results.iter_mut().flat_map(|topic| each!(topic.partition_result))
    };
    IncrementalAlterConfigsResponse: |answer| each!(answer.responses);
    AlterPartitionReassignmentsResponse: |answer| {
        let partitions = answer.responses.iter_mut().flat_map(|topic| each!(topic.partitions));
        [&mut answer.error_message].into_iter().chain(partitions)
    };
    ListPartitionReassignmentsResponse: |answer| [&mut answer.error_message].into_iter();
    DescribeClientQuotasResponse: |answer| [&mut answer.error_message].into_iter();
    AlterClientQuotasResponse: |answer| each!(answer.entries);
    DescribeUserScramCredentialsResponse: |answer| {
        [&mut answer.error_message].into_iter().chain(each!(answer.results))
    };
    AlterUserScramCredentialsResponse: |answer| each!(answer.results);
    DescribeClusterResponse: |answer| [&mut answer.error_message].into_iter();
    DescribeProducersResponse: |answer| answer.topics.iter_mut().flat_map(|topic| each!(topic.partitions));
}

/// `body`, an `M` of this version: the same where no words are a dump. What holds none at all is not decoded.
///
/// # Errors
/// [`Fault::Broker`]: it is no `M`. [`Fault::Bug`]
pub(crate) fn without_dumps<M: Worded>(body: Bytes, version: i16) -> Result<Bytes, Fault> {
    if !holds_dump(&body) {
        return Ok(body);
    }
    let mut answer: M = read_answer(&body, version)?;
    let words = answer.words().into_iter();
    let dumps = words.filter(|words| words.as_ref().is_some_and(|words| holds_dump(words.as_bytes())));
    dumps.for_each(|words| *words = None);
    let mut body = BytesMut::new();
    answer.encode(&mut body, version).map_err(|_| Fault::encoding::<M>())?;
    Ok(body.freeze())
}

fn holds_dump(bytes: &[u8]) -> bool {
    DUMPS.iter().any(|dump| bytes.windows(dump.len()).any(|window| window == *dump))
}

/// An answer of which nobody reads more than whether it holds a dump.
pub(crate) struct Unread;

impl Pending for Unread {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        cx.outcome = Outcome::Passed;
        let mut answer = Rope::new();
        answer.put_bytes(&body);
        Ok(Next::Answer(answer))
    }
}
