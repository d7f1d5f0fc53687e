//! Requests that say who may do what, or set brokers up: ACLs, users, quotas, and configurations of anything
//! but topics.
//!
//! The requests come here only where brokers would do all of that in a name that the client shares with
//! others, and the configuration does not allow it: what such a name may do, any client could do, also take
//! the rights of all others. Each request is answered in its own format, entry by entry where it has entries,
//! with words where the answer has room for them.

use kafka_protocol::messages::alter_client_quotas_response::{EntityData as AlteredEntity, EntryData as AlteredQuota};
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_protocol::ResponseError;

use crate::apis::admin::alter_configs;
use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};
use crate::limits;

const ERROR: ResponseError = ResponseError::ClusterAuthorizationFailed;

const WORDS: &str =
    "brokers would do it in a name that clients of the partition remapper share; it takes SASL at the broker \
     itself, an identity in upstream.sasl.per_principal that nobody else has, or upstream.shared_administration";

/// `ConfigResource.Type` of Kafka.
const TOPIC: i8 = 2;

/// Said in every answer once, and not in each entry of a long one.
fn words(entry: usize) -> Option<StrBytes> {
    (entry < limits::REFUSAL_WORDS_MAX).then(|| StrBytes::from_static_str(WORDS))
}

pub(crate) fn describe_acls(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    refuse(cx, request, &DescribeAclsResponse::default().with_error_code(ERROR.code()).with_error_message(words(0)))
}

pub(crate) fn create_acls(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: CreateAclsRequest = request.decode()?;
    let result = |entry| AclCreationResult::default().with_error_code(ERROR.code()).with_error_message(words(entry));
    let results = (0..message.creations.len()).map(result).collect();
    refuse(cx, request, &CreateAclsResponse::default().with_results(results))
}

pub(crate) fn delete_acls(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: DeleteAclsRequest = request.decode()?;
    let result =
        |entry| DeleteAclsFilterResult::default().with_error_code(ERROR.code()).with_error_message(words(entry));
    let results = (0..message.filters.len()).map(result).collect();
    refuse(cx, request, &DeleteAclsResponse::default().with_filter_results(results))
}

/// Topics' configurations are theirs who may alter the topic: these are [altered](alter_configs::alter). One
/// entry for anything else, and none is altered: which part of a request was done is hard to tell for whoever
/// sent it.
pub(crate) fn alter_configs(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: AlterConfigsRequest = request.decode()?;
    if message.resources.iter().all(|resource| resource.resource_type == TOPIC) {
        return alter_configs::alter(cx, request);
    }
    let response = |(entry, resource): (usize, alter_configs_request::AlterConfigsResource)| {
        AlterConfigsResourceResponse::default()
            .with_error_code(ERROR.code())
            .with_error_message(words(entry))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    };
    let responses = message.resources.into_iter().enumerate().map(response).collect();
    refuse(cx, request, &AlterConfigsResponse::default().with_responses(responses))
}

/// As [`alter_configs()`].
pub(crate) fn incremental_alter_configs(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: IncrementalAlterConfigsRequest = request.decode()?;
    if message.resources.iter().all(|resource| resource.resource_type == TOPIC) {
        return alter_configs::alter_incrementally(cx, request);
    }
    let response = |(entry, resource): (usize, incremental_alter_configs_request::AlterConfigsResource)| {
        IncrementalResponse::default()
            .with_error_code(ERROR.code())
            .with_error_message(words(entry))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    };
    let responses = message.resources.into_iter().enumerate().map(response).collect();
    refuse(cx, request, &IncrementalAlterConfigsResponse::default().with_responses(responses))
}

pub(crate) fn describe_client_quotas(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let answer = DescribeClientQuotasResponse::default().with_error_code(ERROR.code()).with_error_message(words(0));
    refuse(cx, request, &answer.with_entries(None))
}

pub(crate) fn alter_client_quotas(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: AlterClientQuotasRequest = request.decode()?;
    let entity = |entity: alter_client_quotas_request::EntityData| {
        AlteredEntity::default().with_entity_type(entity.entity_type).with_entity_name(entity.entity_name)
    };
    let result = |(at, entry): (usize, alter_client_quotas_request::EntryData)| {
        let entities = entry.entity.into_iter().map(entity).collect();
        AlteredQuota::default().with_error_code(ERROR.code()).with_error_message(words(at)).with_entity(entities)
    };
    let entries = message.entries.into_iter().enumerate().map(result).collect();
    refuse(cx, request, &AlterClientQuotasResponse::default().with_entries(entries))
}

pub(crate) fn describe_scram_credentials(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let answer = DescribeUserScramCredentialsResponse::default().with_error_code(ERROR.code());
    refuse(cx, request, &answer.with_error_message(words(0)))
}

pub(crate) fn alter_scram_credentials(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: AlterUserScramCredentialsRequest = request.decode()?;
    let users = message.deletions.into_iter().map(|deletion| deletion.name);
    let users = users.chain(message.upsertions.into_iter().map(|upsertion| upsertion.name));
    let result = |(entry, user)| {
        let result = AlterUserScramCredentialsResult::default().with_user(user);
        result.with_error_code(ERROR.code()).with_error_message(words(entry))
    };
    let results = users.enumerate().map(result).collect();
    refuse(cx, request, &AlterUserScramCredentialsResponse::default().with_results(results))
}

fn refuse<M: Encodable>(cx: &mut Context<'_>, request: &Request, answer: &M) -> Result<Plan, Fault> {
    cx.note(ERROR.code());
    cx.warn_refused(WORDS);
    Plan::answer(answer, request.version)
}

#[cfg(test)]
mod tests;
