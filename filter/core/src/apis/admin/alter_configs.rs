//! AlterConfigs and IncrementalAlterConfigs: settings of mapped topics that list replicas.
//!
//! Clients name virtual partitions there, and the broker is told physical ones, each once: throttling a
//! virtual partition's replica throttles that of its siblings too, and taking it from the list takes theirs.
//! A topic whose list names something else is refused, and the request's other topics go on.

use bytes::Bytes;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::topics::replica_list;

/// `ConfigResource.Type` of Kafka.
const TOPIC: i8 = 2;

/// `AlterConfigOp.OpType` of Kafka: takes a setting away, whatever value comes with it.
const DELETE: i8 = 1;

const ERROR: ResponseError = ResponseError::InvalidConfig;

/// A setting's name and value.
type Setting<'m> = (&'m StrBytes, &'m mut Option<StrBytes>);

/// Why a topic is refused. None: words were said often enough.
type Refusal = Option<StrBytes>;

pub(crate) fn alter(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: AlterConfigsRequest = request.decode()?;
    let mut lists = Lists::default();
    for resource in message.resources.iter().filter(|resource| resource.resource_type == TOPIC) {
        lists.find(cx, &resource.resource_name, resource.configs.iter().map(|config| (&config.name, &config.value)));
    }
    if let Some(plan) = lists.plan(cx)? {
        return Ok(plan);
    }
    let mut refused = vec![];
    message.resources.retain_mut(|resource| {
        let settings = resource.configs.iter_mut().map(|config| (&config.name, &mut config.value));
        let Err(words) = lists.renumber(cx, (resource.resource_type, &resource.resource_name), settings) else {
            return true;
        };
        let refusal = AlterConfigsResourceResponse::default().with_error_code(ERROR.code()).with_error_message(words);
        refused.push(refusal.with_resource_type(TOPIC).with_resource_name(resource.resource_name.clone()));
        false
    });
    if let Some(words) = refused.first().and_then(|refusal| refusal.error_message.as_deref()) {
        cx.warn_refused(words);
    }
    if message.resources.is_empty() {
        return Plan::answer(&AlterConfigsResponse::default().with_responses(refused), request.version);
    }
    let pending = Box::new(Answer { version: request.version, refused });
    Ok(Plan::Send { requests: vec![Upstream::new(request.version, &message)?], pending, barrier: false })
}

struct Answer {
    version: i16,
    refused: Vec<AlterConfigsResourceResponse>,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: AlterConfigsResponse = read_answer(&body, self.version)?;
        answer.responses.iter().for_each(|response| cx.note(response.error_code));
        answer.responses.extend(self.refused);
        Next::answer(&answer, self.version)
    }
}

/// As [`alter`]. What an operation does to the list it does to the brokers' list.
pub(crate) fn alter_incrementally(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: IncrementalAlterConfigsRequest = request.decode()?;
    let mut lists = Lists::default();
    for resource in message.resources.iter().filter(|resource| resource.resource_type == TOPIC) {
        let configs = resource.configs.iter().filter(|config| config.config_operation != DELETE);
        lists.find(cx, &resource.resource_name, configs.map(|config| (&config.name, &config.value)));
    }
    if let Some(plan) = lists.plan(cx)? {
        return Ok(plan);
    }
    let mut refused = vec![];
    message.resources.retain_mut(|resource| {
        let configs = resource.configs.iter_mut().filter(|config| config.config_operation != DELETE);
        let settings = configs.map(|config| (&config.name, &mut config.value));
        let Err(words) = lists.renumber(cx, (resource.resource_type, &resource.resource_name), settings) else {
            return true;
        };
        let refusal = IncrementalResponse::default().with_error_code(ERROR.code()).with_error_message(words);
        refused.push(refusal.with_resource_type(TOPIC).with_resource_name(resource.resource_name.clone()));
        false
    });
    if let Some(words) = refused.first().and_then(|refusal| refusal.error_message.as_deref()) {
        cx.warn_refused(words);
    }
    if message.resources.is_empty() {
        return Plan::answer(&IncrementalAlterConfigsResponse::default().with_responses(refused), request.version);
    }
    let pending = Box::new(IncrementalAnswer { version: request.version, refused });
    Ok(Plan::Send { requests: vec![Upstream::new(request.version, &message)?], pending, barrier: false })
}

struct IncrementalAnswer {
    version: i16,
    refused: Vec<IncrementalResponse>,
}

impl Pending for IncrementalAnswer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: IncrementalAlterConfigsResponse = read_answer(&body, self.version)?;
        answer.responses.iter().for_each(|response| cx.note(response.error_code));
        answer.responses.extend(self.refused);
        Next::answer(&answer, self.version)
    }
}

fn is_list(name: &str, value: Option<&StrBytes>) -> bool {
    replica_list::is_setting(name) && value.is_some_and(|value| replica_list::names_partitions(value))
}

/// The mapped topics of a request whose settings list replicas.
#[derive(Default)]
struct Lists {
    topics: Vec<TopicName>,
    refused: usize,
}

impl Lists {
    fn find<'m>(
        &mut self,
        cx: &Context<'_>,
        topic: &StrBytes,
        mut settings: impl Iterator<Item = (&'m StrBytes, &'m Option<StrBytes>)>,
    ) {
        let topic = TopicName(topic.clone());
        if settings.any(|(name, value)| is_list(name, value.as_ref())) && cx.is_mapped(&topic) {
            self.topics.push(topic);
        }
    }

    /// The plan of a request that goes on as it is, or has to wait until it is known whether the topics fit.
    fn plan(&self, cx: &mut Context<'_>) -> Result<Option<Plan>, Fault> {
        if self.topics.is_empty() {
            return Ok(Some(Plan::Pass(Passing::Untouched)));
        }
        cx.ask_first(&self.topics)
    }

    /// Writes the lists of a resource in physical partitions.
    fn renumber<'m>(
        &mut self,
        cx: &mut Context<'_>,
        (kind, name): (i8, &StrBytes),
        settings: impl Iterator<Item = Setting<'m>>,
    ) -> Result<(), Refusal> {
        let topic = TopicName(name.clone());
        if kind != TOPIC || !cx.is_mapped(&topic) {
            return Ok(());
        }
        let topic = cx.topic(&topic);
        for (setting, value) in settings.filter(|(name, value)| is_list(name, value.as_ref())) {
            let Some(list) = value else { continue };
            let place = |partition| Some(cx.locate(&topic, partition).ok()?.place.partition);
            let physical = replica_list::to_physical(list, place).map_err(|entry| {
                format!(
                    "{setting} of topic {name:.249}, which the partition remapper maps, has {entry:.40}: it takes virtual \
                     partitions of the topic with brokers, as in 0:1,3:2, while the topic fits its mapping, or *"
                )
            });
            match physical {
                Ok(physical) => *list = StrBytes::from_string(physical),
                Err(words) => return Err(self.refuse(cx, words)),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, cx: &mut Context<'_>, words: String) -> Refusal {
        cx.note(ERROR.code());
        self.refused += 1;
        (self.refused <= limits::REFUSAL_WORDS_MAX).then(|| StrBytes::from_string(words))
    }
}

#[cfg(test)]
mod tests;
