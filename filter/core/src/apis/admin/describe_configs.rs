//! DescribeConfigs: settings whose values name brokers' addresses, or physical partitions.
//!
//! Of a broker's settings, those that hold addresses of brokers and controllers are told as Kafka tells
//! passwords, as sensitive ones without a value: whoever connects there goes around the filter. With
//! `advertise.unchanged` clients know these addresses anyway. Of a mapped topic's settings, lists of replicas
//! are told in virtual partitions.

use bytes::Bytes;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::brokers::Advertise;
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request};
use crate::limits;
use crate::remapper::PartitionRemapper;
use crate::topics::replica_list;

/// `ConfigResource.Type` of Kafka.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Settings of brokers whose values hold addresses of brokers or controllers (Kafka's `SocketServerConfigs`,
/// `QuorumConfig`), those of brokers with ZooKeeper included.
const ADDRESSES: [&str; 9] = [
    "listeners",
    "advertised.listeners",
    "controller.quorum.voters",
    "controller.quorum.bootstrap.servers",
    "zookeeper.connect",
    "host.name",
    "port",
    "advertised.host.name",
    "advertised.port",
];

/// The end of the names by which plugins of brokers are told where brokers are.
const BOOTSTRAP: &str = "bootstrap.servers";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let hides_addresses = cx.shared.config.advertise != Advertise::Unchanged;
    if !hides_addresses && !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DescribeConfigsRequest = request.decode()?;
    let is_concerned = message.resources.iter().any(|resource| match resource.resource_type {
        BROKER => hides_addresses,
        // Whichever settings are named: an empty list of them is all of them to a broker.
        TOPIC => cx.is_mapped(&TopicName(resource.resource_name.clone())),
        _ => false,
    });
    let read = || Passing::Read(Box::new(Answer { version: request.version, hides_addresses }));
    Ok(Plan::Pass(if is_concerned { read() } else { Passing::Untouched }))
}

struct Answer {
    version: i16,
    hides_addresses: bool,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: DescribeConfigsResponse = read_answer(&body, self.version)?;
        let mut room = limits::REPLICA_LISTS_BYTES_MAX;
        for result in &mut answer.results {
            cx.note(result.error_code);
            if result.resource_type == BROKER && self.hides_addresses {
                result.configs.iter_mut().filter(|config| holds_addresses(&config.name)).for_each(hide);
            }
            if result.resource_type == TOPIC {
                let Some(mapping) = cx.shared.topics.remapper(&result.resource_name) else { continue };
                let lists = result.configs.iter_mut().filter(|config| replica_list::is_setting(&config.name));
                lists.for_each(|config| renumber(config, &mapping, &mut room));
            }
        }
        Next::answer(&answer, self.version)
    }
}

fn holds_addresses(name: &str) -> bool {
    ADDRESSES.contains(&name) || name.ends_with(BOOTSTRAP)
}

/// As Kafka tells what is sensitive.
fn hide(config: &mut DescribeConfigsResourceResult) {
    config.is_sensitive = true;
    config.value = None;
    config.synonyms.iter_mut().for_each(|synonym| synonym.value = None);
}

/// A list of replicas in virtual partitions; hidden where it cannot be told. `room`: bytes that such lists
/// may still have in this answer; none is translated when they are used up.
fn renumber(config: &mut DescribeConfigsResourceResult, mapping: &PartitionRemapper, room: &mut usize) {
    let synonyms = config.synonyms.iter_mut().map(|synonym| &mut synonym.value);
    let values = std::iter::once(&mut config.value).chain(synonyms).flatten();
    for value in values.filter(|value| replica_list::names_partitions(value)) {
        let Some(list) = replica_list::to_virtual(value, mapping, room) else { return hide(config) };
        *value = StrBytes::from_string(list);
    }
}

#[cfg(test)]
mod tests;
