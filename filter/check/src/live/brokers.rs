//! Settings of brokers, and versions of requests, that the filter depends on.

use std::collections::BTreeMap;

use kafka_partition_remapper_core::config::Config;
use kafka_protocol::messages::ApiKey;

use super::Checker;
use crate::report::{grouped, named, Level, Report, Section};

const AUTO_CREATE: &str = "auto.create.topics.enable";
const PARTITIONS: &str = "num.partitions";
const RETENTION: &str = "offsets.retention.minutes";

/// What the filter asks of brokers itself, beside what clients ask for.
const NEEDED: [(ApiKey, i16, &str); 4] = [
    (ApiKey::OffsetCommit, 4, "to keep offsets of lanes above 0 alive"),
    (ApiKey::OffsetFetch, 8, "to read the offsets of all lanes at once"),
    (ApiKey::Heartbeat, 3, "to let brokers judge who commits"),
    (ApiKey::DescribeGroups, 4, "to see who commits"),
];

/// Brokers by what they have in common.
type Sharing = BTreeMap<(String, String), Vec<String>>;

pub(super) fn check(checker: &mut Checker<'_>) {
    let (mut creation, mut retention): (Sharing, BTreeMap<String, Vec<String>>) = Default::default();
    for broker in checker.cluster.brokers() {
        checker.progress.step(format!("reading settings of broker {broker}"));
        versions(checker, broker);
        let keys = [AUTO_CREATE, PARTITIONS, RETENTION];
        match super::settings::of_broker(&mut checker.cluster, broker, &keys) {
            Ok(settings) => {
                let value = |key: &str| settings.get(key).cloned().unwrap_or_default();
                let id = broker.to_string();
                creation.entry((value(AUTO_CREATE), value(PARTITIONS))).or_default().push(id.clone());
                retention.entry(value(RETENTION)).or_default().push(id);
            }
            Err(trouble) => checker.report.add(Section::Brokers, Level::Unknown, trouble.what),
        }
    }
    creation.iter().for_each(|((enabled, partitions), brokers)| {
        auto_creation(&mut checker.report, enabled, partitions, &named(brokers));
    });
    if checker.lanes_max() > 1 {
        for (minutes, brokers) in &retention {
            expiry(&mut checker.report, checker.config, minutes, &named(brokers));
        }
    }
}

fn versions(checker: &mut Checker<'_>, broker: i32) {
    let has_shadows = checker.lanes_max() > 1;
    // That it cannot be reached is told where its settings are asked for.
    let Ok(connection) = checker.cluster.connection(broker) else { return };
    let lacking = NEEDED.iter().filter(|(key, version, _)| has_shadows && !connection.offers(*key as i16, *version));
    let lacking: Vec<String> = lacking.map(|(key, version, why)| format!("{key:?} {version}, {why}")).collect();
    if !lacking.is_empty() {
        let text = format!("broker {broker} does not offer what the filter needs: {}", lacking.join("; "));
        checker.report.add(Section::Brokers, Level::Problem, text);
    }
}

fn auto_creation(report: &mut Report, enabled: &str, partitions: &str, brokers: &str) {
    match enabled {
        "true" => report.add(
            Section::Brokers,
            Level::Note,
            format!(
                "{AUTO_CREATE}=true on {brokers}: a mapped topic that does not exist is made with {PARTITIONS}={partitions} when \
                 a client asks for it around Envoy; where its mapping says another number, the filter then refuses it. Make \
                 mapped topics beforehand"
            ),
        ),
        "false" => report.add(Section::Brokers, Level::Fine, format!("{AUTO_CREATE}=false on {brokers}")),
        _ => report.add(Section::Brokers, Level::Unknown, format!("{brokers} do not tell {AUTO_CREATE}")),
    }
}

/// Shadow groups have no members, so their offsets are kept alive by the filter.
fn expiry(report: &mut Report, config: &Config, minutes: &str, brokers: &str) {
    let renew = config.shadow_renew_ms;
    let is = format!("{RETENTION}={minutes} on {brokers}");
    if let Some(ms) = config.shadow_retention_ms {
        let text =
            format!("{is}; offsets of lanes above 0 are kept by shadow_groups.retention_ms={} instead", grouped(ms));
        return report.add(Section::Brokers, Level::Fine, text);
    }
    let Some(ms) = minutes.parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60_000)) else {
        return report.add(Section::Brokers, Level::Unknown, format!("{brokers} do not tell {RETENTION}"));
    };
    let renewal = format!("{is}, and shadow_groups.renew_ms is {}", grouped(i64::try_from(renew).unwrap_or(i64::MAX)));
    if renew >= ms {
        let text = format!("{renewal}: offsets of lanes above 0 expire before they are renewed; lower renew_ms");
        report.add(Section::Brokers, Level::Problem, text);
    } else if renew > ms / 2 {
        let text = format!("{renewal}: one renewal that fails, and offsets of lanes above 0 expire; lower renew_ms");
        report.add(Section::Brokers, Level::Note, text);
    } else {
        report.add(Section::Brokers, Level::Fine, renewal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_must_come_before_offsets_expire() {
        for (renew, minutes, retention, code, word) in [
            (3_600_000, "10080", "", 0, "renew_ms is 3,600,000"),
            (3_600_000, "60", "", 1, "lower renew_ms"),
            (3_600_000, "119", "", 0, "one renewal that fails"),
            (3_600_000, "60", r#", "retention_ms": 86400000"#, 0, "instead"),
            (3_600_000, "", "", 2, "do not tell"),
        ] {
            let text = format!(r#"{{"shadow_groups": {{"renew_ms": {renew}{retention}}}}}"#);
            let config = Config::parse(&text, &|_| None).unwrap();
            let mut report = Report::default();
            expiry(&mut report, &config, minutes, "1");
            assert_eq!(report.exit_code(), code, "{minutes}");
            assert!(report.text("").contains(word), "{}", report.text(""));
        }
    }
}
