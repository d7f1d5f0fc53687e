//! Settings of topics that name partitions.

use kafka_protocol::ResponseError;

/// Which replicas a reassignment may move slowly: physical partitions with brokers, as in `0:1,3:2`; `*` for
/// all; or none.
const THROTTLED_REPLICAS: [&str; 2] =
    ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Refuses a setting of a mapped topic that [`names_partitions`].
pub(crate) const ERROR: ResponseError = ResponseError::InvalidConfig;

/// Whether `value` of a topic's setting `name` names physical partitions: a client that knows virtual ones
/// alone means others.
pub(crate) fn names_partitions(name: &str, value: &str) -> bool {
    THROTTLED_REPLICAS.contains(&name) && !["", "*"].contains(&value.trim())
}

/// Why such a setting of `topic` is refused.
pub(crate) fn words(topic: &str, setting: &str) -> String {
    format!(
        "topic {topic} is mapped by the partition remapper, and {setting} names physical partitions, which clients do \
         not see: say * for all replicas, or set it on the brokers"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_are_named_one_by_one_name_partitions() {
        for name in THROTTLED_REPLICAS {
            for (value, names) in
                [("", false), (" ", false), ("*", false), (" * ", false), ("0:1", true), ("0:1,1:2", true), (",", true)]
            {
                assert_eq!(names_partitions(name, value), names, "{value}");
            }
        }
        assert!(!names_partitions("retention.ms", "0:1"));
    }
}
