//! Settings of topics and brokers, as DescribeConfigs tells them.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::protocol::StrBytes;

use crate::limits::TOPICS_ASKED_MAX;
use crate::net::cluster::Cluster;
use crate::net::{error_name, Trouble};

const VERSION: i16 = 4;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Values by the settings' names.
pub(super) type Settings = BTreeMap<String, String>;

/// Each topic's settings of these names, or why they are not told.
pub(super) fn of_topics(
    cluster: &mut Cluster,
    topics: &[String],
    keys: &[&'static str],
) -> BTreeMap<String, Result<Settings, String>> {
    let mut found = BTreeMap::new();
    for topics in topics.chunks(TOPICS_ASKED_MAX) {
        let request = |_| request(topics.iter().map(|topic| (TOPIC, topic.as_str())), keys);
        match cluster.ask_any(VERSION, request) {
            Ok(answer) => found.extend(answer.results.into_iter().map(told)),
            Err(trouble) => found.extend(topics.iter().map(|topic| (topic.clone(), Err(trouble.what.clone())))),
        }
    }
    found
}

/// A broker's own: another one would not know them.
pub(super) fn of_broker(cluster: &mut Cluster, broker: i32, keys: &[&'static str]) -> Result<Settings, Trouble> {
    let name = broker.to_string();
    let request = |_| request([(BROKER, name.as_str())].into_iter(), keys);
    let answer = cluster.ask(broker, VERSION, request)?;
    let (_, settings) = answer.results.into_iter().next().map(told).ok_or_else(|| Trouble::new("no answer"))?;
    settings.map_err(|problem| Trouble::new(format!("broker {broker} does not tell its settings: {problem}")))
}

fn request<'a>(resources: impl Iterator<Item = (i8, &'a str)>, keys: &[&'static str]) -> DescribeConfigsRequest {
    let keys: Vec<StrBytes> = keys.iter().copied().map(StrBytes::from_static_str).collect();
    let resources = resources.map(|(kind, name)| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name.to_owned()))
            .with_configuration_keys(Some(keys.clone()))
    });
    DescribeConfigsRequest::default().with_resources(resources.collect())
}

fn told(result: DescribeConfigsResult) -> (String, Result<Settings, String>) {
    let name = result.resource_name.to_string();
    if let Some(error) = error_name(result.error_code) {
        return (name, Err(error));
    }
    let value = |value: Option<StrBytes>| value.map(|value| value.to_string()).unwrap_or_default();
    let settings = result.configs.into_iter().map(|config| (config.name.to_string(), value(config.value)));
    (name, Ok(settings.collect()))
}
