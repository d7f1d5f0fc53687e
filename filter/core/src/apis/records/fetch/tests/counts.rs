//! What is counted of Fetch by topic.

use super::*;
use crate::testing::counted;

#[test]
fn each_topic_counts_what_brokers_sent_and_what_clients_got() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0), ("l", 1, 0), ("t", 2, 0)]));
    let set = [lane(0, 0, &["a"]), lane(1, 1, &["b"]), lane(2, 2, &["c"]), lane(4, 3, &["e"])];
    let other = [lane(0, 0, &["l"])];
    let bytes = |entries: &[Bytes]| entries.iter().map(Bytes::len).sum::<usize>() as u64;
    client.last(&round, vec![("t", data(0, &set)), ("l", data(1, &other))]);
    let counted = counted(&client.shared);
    let expected = [
        ("broker_requests_total.broker.unknown", 1),
        ("topic_requests_total.api.Fetch.topic.t", 1),
        ("topic_requests_total.api.Fetch.topic.l", 1),
        ("topic_fetch_bytes_upstream_total.topic.t", bytes(&set)),
        ("topic_fetch_bytes_upstream_total.topic.l", bytes(&other)),
        ("topic_bytes_sent_total.topic.t", bytes(&set[..2])),
        ("topic_bytes_sent_total.topic.l", bytes(&other)),
        ("topic_unknown_lane_batches_total.topic.t", 1),
    ];
    let expected: BTreeMap<String, u64> = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert_eq!(counted, expected);
}
