//! What the tests of this folder have in common: what brokers answer to the filter's own question, and topics
//! of very many partitions.

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ignorant, read_answer, request, take_frames, Seen};
use kafka_protocol::protocol::Request;

pub(super) const UNKNOWN: i16 = 3;
/// `offset_range` of topic `l`.
pub(super) const RANGE: i64 = 1 << 20;

/// A mapped topic, `many`, of 100,000 virtual partitions on 50,000 physical ones.
pub(super) const MANY: &str = r#"{"mapping": {"topics": [
    {"name": "many", "virtual_partitions": 100000, "physical_partitions": 50000}
]}}"#;

/// As [`crate::testing::ask`], of a worker that knows nothing of the cluster: all topics have `partitions`
/// on it, but `gone`, of which the broker tells nothing.
pub(super) fn ask_ignorant<R: Request>(
    config: &str,
    version: i16,
    message: &R,
    partitions: usize,
    mut respond: impl FnMut(&Seen) -> Vec<u8>,
) -> (Vec<Seen>, R::Response, Vec<String>) {
    let mut proxy = Proxy::new(&ignorant(config), Feeding::Passing, None);
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

fn metadata(seen: &Seen, partitions: usize) -> Vec<u8> {
    let asked = seen.message::<MetadataRequest>().topics.unwrap();
    let topics = asked.into_iter().map(|asked| {
        let is_gone = asked.name.as_ref().is_some_and(|name| name.0.as_str() == "gone");
        let partitions = if is_gone { 0 } else { partitions };
        MetadataResponseTopic::default()
            .with_name(asked.name)
            .with_error_code(if is_gone { UNKNOWN } else { 0 })
            .with_partitions(vec![MetadataResponsePartition::default(); partitions])
    });
    seen.answer(&MetadataResponse::default().with_topics(topics.collect()))
}
