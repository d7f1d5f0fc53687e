//! `schema`: the JSON Schema of the configuration, as `envoy/filter-config.schema.json` has it.

use kafka_partition_remapper_core::config;

use crate::Failure;

pub(crate) fn run(arguments: &[String]) -> Result<String, Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("schema needs nothing else".to_owned()));
    }
    let text = serde_json::to_string_pretty(&config::schema());
    text.map(|text| text + "\n").map_err(|error| Failure::Refused(error.to_string()))
}
