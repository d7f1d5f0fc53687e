//! The line of the log with which a configuration begins: what was loaded, and what it maps.

use super::command::Commands;
use crate::config::Config;
use crate::fingerprint::{Fingerprint, VERSION};
use crate::limits::GREETING_TOPICS_MAX;
use crate::memory::ProcessMemory;
use crate::remapper::PartitionRemapper;
use crate::text;

/// Says once in a process that a configuration begins, or another version of the filter with it, and again
/// when one comes back. In Envoy it is the main thread's sandbox that says it, before any worker's.
pub(crate) fn greet(config: &Config, fingerprint: Fingerprint, memory: &ProcessMemory, commands: &Commands) {
    greet_as(VERSION, config, fingerprint, memory, commands);
}

fn greet_as(version: &str, config: &Config, fingerprint: Fingerprint, memory: &ProcessMemory, commands: &Commands) {
    let mark = u64::from_be_bytes(fingerprint.with_version(version).to_bytes());
    let former = memory.change(&memory.greeted(), |greeted: &mut u64| std::mem::replace(greeted, mark));
    // Two workers may both write at once: then a line too many is better than none.
    if former != Ok(mark) {
        commands.inform(line(version, config, fingerprint));
    }
}

fn line(version: &str, config: &Config, fingerprint: Fingerprint) -> String {
    let entries = config.mapping.topics.iter();
    let mut parts: Vec<String> = entries
        .take(GREETING_TOPICS_MAX)
        .map(|topic| {
            format!("{} {}", text::shown(topic.matches.to_string().as_bytes()), shown(topic.remapper.as_ref()))
        })
        .collect();
    let more = config.mapping.topics.len().saturating_sub(GREETING_TOPICS_MAX);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    let others = if parts.is_empty() { "every topic" } else { "any other topic" };
    parts.push(format!("{others} {}", shown(config.mapping.default.as_ref())));
    let mapping = parts.join(", ");
    format!("kafka partition remapper {version}, configuration {fingerprint}: {mapping}")
}

/// V on P.
fn shown(remapper: Option<&PartitionRemapper>) -> String {
    let Some(remapper) = remapper else { return "not mapped".to_owned() };
    format!("{} on {}", remapper.virtual_partitions(), remapper.physical_partitions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NAME_CHARS_SHOWN;
    use crate::testing::memory::Process;
    use crate::testing::troubleshooting::assert_line_explained;
    use crate::worker::command::{Command, Level};

    fn lines(process: &Process, config: &str) -> Vec<String> {
        lines_of(VERSION, process, config)
    }

    fn lines_of(version: &str, process: &Process, config: &str) -> Vec<String> {
        let (memory, commands) = (ProcessMemory::new(Box::new(process.clone()), "k", "", ""), Commands::new("k"));
        let parsed = Config::parse(config, &|_| None).unwrap();
        greet_as(version, &parsed, Fingerprint::of(config), &memory, &commands);
        let taken = std::iter::from_fn(|| commands.pop());
        let line = |command| match command {
            Command::Log(Level::Info, line) => {
                assert_line_explained(&line);
                line
            }
            other => panic!("{other:?}"),
        };
        taken.map(line).collect()
    }

    #[test]
    fn each_configuration_is_told_once_and_when_it_comes_back() {
        let config = r#"{"stat_prefix": "k", "mapping": {"topics": [
            {"name": "orders", "virtual_partitions": 100, "physical_partitions": 10},
            {"regex": "a\\..*|\n", "virtual_partitions": 4, "physical_partitions": 2},
            {"name": "audit", "passthrough": true}
        ]}}"#;
        let process = Process::default();
        let told = lines(&process, config);
        let expected = format!(
            "[k] kafka partition remapper {}, configuration {}: orders 100 on 10, regex a\\..*|\\n 4 on 2, audit \
             not mapped, any other topic not mapped",
            VERSION,
            Fingerprint::of(config),
        );
        assert_eq!(told, [expected]);
        assert!(lines(&process, config).is_empty(), "another worker");
        let other = r#"{"stat_prefix": "k", "mapping": {"virtual_partitions": 4, "physical_partitions": 2}}"#;
        assert!(lines(&process, other)[0].ends_with(": every topic 4 on 2"));
        assert_eq!(lines(&process, config).len(), 1, "it came back");
    }

    #[test]
    fn another_version_with_the_same_configuration_is_told() {
        let (process, config) = (Process::default(), r#"{"stat_prefix": "k"}"#);
        for (version, told) in [("1.0.0", 1), ("1.0.1", 1), ("1.0.1", 0), ("1.0.0", 1)] {
            let lines = lines_of(version, &process, config);
            assert_eq!(lines.len(), told, "{version}");
            assert!(lines.iter().all(|line| line.contains(&format!("remapper {version}, configuration"))));
        }
    }

    #[test]
    fn long_mappings_end() {
        let entry = |n: usize| {
            let name = "a".repeat(NAME_CHARS_SHOWN);
            format!(r#"{{"name": "{name}{n}", "virtual_partitions": 2, "physical_partitions": 1}}"#)
        };
        let entries: Vec<String> = (0..GREETING_TOPICS_MAX + 3).map(entry).collect();
        let config = format!(r#"{{"mapping": {{"topics": [{}]}}}}"#, entries.join(","));
        let told = lines(&Process::default(), &config).remove(0);
        assert!(told.ends_with("… 2 on 1, and 3 more, any other topic not mapped"), "{told}");
        assert!(told.len() < (NAME_CHARS_SHOWN + 20) * GREETING_TOPICS_MAX + 200);
    }
}
