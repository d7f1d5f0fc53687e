//! What the tests of this folder have in common: topics of very many partitions, and what brokers answer to
//! the filter's own question.

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{ApiVersionsResponse, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::Request;

use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ignorant, read_answer, request, shared, take_frames, Seen};

pub(super) const UNKNOWN: i16 = 3;
/// `offset_range` of topic `l`.
pub(super) const RANGE: i64 = 1 << 20;

/// A mapped topic, `many`, of 100,000 virtual partitions on 50,000 physical ones.
pub(super) const MANY: &str = r#"{"mapping": {"topics": [
    {"name": "many", "virtual_partitions": 100000, "physical_partitions": 50000}
]}}"#;

/// As [`crate::testing::ask`], of a worker that knows nothing of the cluster: all topics have `partitions`
/// on it, but `l`, of which the broker tells nothing. Gives what was warned of as well.
pub(super) fn ask_ignorant<R: Request>(
    version: i16,
    message: &R,
    partitions: usize,
    mut respond: impl FnMut(&Seen) -> Vec<u8>,
) -> (Vec<Seen>, R::Response, Vec<String>) {
    let mut proxy = Proxy::new(&ignorant(crate::testing::MAPPED), Feeding::Passing, None);
    proxy.client(&request(version, 77, message));
    let mut seen = vec![];
    while !proxy.up.is_empty() {
        for up in take_frames(&mut proxy.up).iter().map(Seen::parse) {
            let is_question = up.key == MetadataRequest::KEY;
            let answered = if is_question { metadata(&up, partitions) } else { respond(&up) };
            seen.push(up);
            proxy.broker(&answered);
        }
    }
    assert!(!proxy.closed && proxy.is_idle(), "v{version}: {:?}", proxy.warnings);
    let answers = take_frames(&mut proxy.down);
    assert_eq!(answers.len(), 1, "v{version}");
    (seen, read_answer(&answers[0], version).1, proxy.warnings.clone())
}

/// As [`crate::testing::ask`]: the filter's own questions about topics are answered as `config` has it, and
/// left out.
pub(super) fn ask<R: Request>(
    config: &str,
    version: i16,
    message: &R,
    mut respond: impl FnMut(&Seen) -> Vec<u8>,
) -> (Vec<Seen>, R::Response) {
    let shared = shared(config);
    let (mut seen, answer) = crate::testing::ask(config, version, message, |up| {
        if up.key != MetadataRequest::KEY {
            return respond(up);
        }
        let topics = up.message::<MetadataRequest>().topics.unwrap().into_iter().map(|asked| {
            let mapping = asked.name.as_ref().and_then(|name| shared.topics.remapper(&name.0)).unwrap();
            let partitions = usize::try_from(mapping.physical_partitions()).unwrap();
            let partitions = vec![MetadataResponsePartition::default(); partitions];
            MetadataResponseTopic::default().with_name(asked.name).with_partitions(partitions)
        });
        up.answer(&MetadataResponse::default().with_topics(topics.collect()))
    });
    seen.retain(|up| up.key != MetadataRequest::KEY);
    (seen, answer)
}

/// As [`crate::testing::ask_alone`], beside the filter's own questions about topics.
pub(super) fn ask_alone<R: Request>(config: &str, version: i16, message: &R) -> R::Response {
    let (seen, answer) = ask(config, version, message, |up| up.answer(&ApiVersionsResponse::default()));
    assert_eq!(seen.iter().map(|up| up.key).collect::<Vec<_>>(), [18]);
    answer
}

fn metadata(seen: &Seen, partitions: usize) -> Vec<u8> {
    let asked = seen.message::<MetadataRequest>().topics.unwrap();
    let topics = asked.into_iter().map(|asked| {
        let is_gone = asked.name.as_ref().is_some_and(|name| name.0.as_str() == "l");
        MetadataResponseTopic::default()
            .with_name(asked.name)
            .with_error_code(if is_gone { UNKNOWN } else { 0 })
            .with_partitions(vec![MetadataResponsePartition::default(); if is_gone { 0 } else { partitions }])
    });
    seen.answer(&MetadataResponse::default().with_topics(topics.collect()))
}

/// A request that names no mapped topic, and the answer to it, are the same on both sides, wherever they are
/// cut.
pub(super) fn passes<R: Request>(config: &str, version: i16, message: &R, respond: impl Fn(&Seen) -> Vec<u8>) {
    let mut asked = request(version, 77, message);
    let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
    asked.chunks(1).for_each(|byte| proxy.client(byte));
    assert_eq!(proxy.up, asked);
    let answered = respond(&Seen::parse(&take_frames(&mut asked)[0]));
    answered.chunks(1).for_each(|byte| proxy.broker(byte));
    assert_eq!(proxy.down, answered);
    assert!(proxy.is_idle() && !proxy.closed);
}
