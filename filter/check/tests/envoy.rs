//! `kafka-remapper-check check` with files of Envoy's: all that are shipped pass, and each mistake is found.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRETS: [(&str, &str); 3] = [("ALICE_PASSWORD", "a"), ("BOB_PASSWORD", "b"), ("GATEWAY_PASSWORD", "hunter2")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

struct Outcome {
    code: Option<i32>,
    output: String,
    problem: String,
}

fn check(file: &Path, secrets: &[(&str, &str)], options: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-remapper-check"));
    for (name, _) in SECRETS {
        command.env_remove(name);
    }
    let output = command.arg("check").arg(file).args(options).envs(secrets.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), output: text(output.stdout), problem: text(output.stderr) }
}

/// A file that is gone with the value.
struct Temporary(PathBuf);

impl Temporary {
    fn new(text: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("kafka-remapper-check-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("envoy.yaml"), text).unwrap();
        Self(directory)
    }

    fn file(&self) -> PathBuf {
        self.0.join("envoy.yaml")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shipped(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// A shipped file with each of these texts replaced, which it must have.
#[track_caller]
fn changed(name: &str, changes: &[(&str, &str)]) -> Temporary {
    let mut text = shipped(name);
    for (old, new) in changes {
        assert!(text.contains(old), "{name} has no {old:?}");
        text = text.replace(old, new);
    }
    Temporary::new(&text)
}

/// The lines below a title.
fn section<'a>(report: &'a str, title: &str) -> Vec<&'a str> {
    let lines = report.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| !line.is_empty()).map(str::trim).collect()
}

/// One problem is found, in these words.
#[track_caller]
fn found(name: &str, changes: &[(&str, &str)], words: &[&str]) {
    let file = changed(name, changes);
    let outcome = check(&file.file(), &SECRETS, &[]);
    let problems = section(&outcome.output, "Problems");
    assert_eq!(outcome.code, Some(1), "{}{}", outcome.output, outcome.problem);
    assert!(problems.iter().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} in {problems:#?}");
    let named = format!("{}:", file.file().display());
    assert!(problems.iter().all(|line| line.starts_with(&named)), "{problems:#?}");
}

/// A note is made, in these words, and no problem found.
#[track_caller]
fn noted(name: &str, changes: &[(&str, &str)], words: &[&str]) {
    let outcome = check(&changed(name, changes).file(), &SECRETS, &[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.output, outcome.problem);
    let lines = section(&outcome.output, "Envoy's configuration around the filter");
    let notes: Vec<&&str> = lines.iter().filter(|line| line.starts_with("note: ")).collect();
    assert!(notes.iter().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} in {notes:#?}");
}

/// Files below a directory that hold a filter of ours.
fn with_filters(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            with_filters(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            let text = fs::read_to_string(&path).unwrap();
            let is_ours = text.contains("filters.network.wasm.v3.Wasm") && text.contains("kafka_partition_remapper");
            files.extend(is_ours.then_some(path));
        }
    }
}

/// Where the entry of a chain begins that is the filter.
fn line_of_the_filter(text: &str) -> usize {
    let is_named =
        |(_, line): &(usize, &str)| line.trim_start().trim_start_matches("- ") == "name: kafka_partition_remapper";
    let (above, line) = text.lines().enumerate().find(is_named).unwrap();
    // With an anchor the name stands in the entry's second line.
    above + usize::from(line.trim_start().starts_with("- "))
}

#[test]
fn everything_that_is_shipped_passes() {
    let mut files = vec![];
    ["envoy", "examples"].iter().for_each(|directory| with_filters(&root().join(directory), &mut files));
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        let outcome = check(&file, &SECRETS, &[]);
        // An example may have secrets of its own, which are not set here: then something cannot be told.
        let code = outcome.code.unwrap();
        let is_well = code == 0 || (code == 2 && outcome.output.contains("is not set here"));
        assert!(is_well, "{}: {code}\n{}{}", file.display(), outcome.output, outcome.problem);
        assert!(outcome.output.starts_with(&format!("{} is ", file.display())), "{}", outcome.output);
    }
}

#[test]
fn it_says_what_it_took() {
    let outcome = check(&root().join("envoy/routed.yaml"), &[], &[]);
    let line = line_of_the_filter(&shipped("envoy/routed.yaml"));
    let head = format!(
        "{0} is a bootstrap of Envoy with 4 listeners, and 4 filters of this kind\n\n{0}:{line}: filter \
         kafka_partition_remapper of listener kafka-bootstrap, kafka-0, kafka-1, kafka-2\n\ntopic or pattern",
        root().join("envoy/routed.yaml").display()
    );
    assert!(outcome.output.starts_with(&head), "{}", outcome.output);
    assert!(outcome.output.contains("ports 9100 to 9102 stand for brokers 0 to 2"), "{}", outcome.output);
    let json = Temporary::new("{}");
    assert!(check(&json.file(), &[], &[])
        .output
        .starts_with("the filter accepts this configuration (it is the filter's"));
    for (text, problem) in [
        ("a: 1", "it is neither the filter's own configuration, as JSON, nor a file of Envoy's"),
        ("mapping: {}", "this is the filter's own configuration as YAML, and the filter reads JSON"),
        ("a: [", "it is no YAML: line "),
        (
            "static_resources: {}",
            "is a bootstrap of Envoy with 0 listeners, and 0 filters of this kind: none is this one",
        ),
    ] {
        let outcome = check(&Temporary::new(text).file(), &[], &[]);
        assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""), "{text}");
        assert!(outcome.problem.contains(problem), "{text}: {}", outcome.problem);
    }
}

#[test]
fn configurations_in_all_their_wrappings() {
    let text = shipped("envoy/dynamic.yaml");
    let begin = text.find("            configuration:\n").unwrap();
    let end = text.find("            vm_config:\n").unwrap();
    let with = |configuration: &str| {
        let file = Temporary::new(&format!("{}{configuration}\n{}", &text[..begin], &text[end..]));
        check(&file.file(), &[], &[])
    };
    let whole = r#"{"stat_prefix": "s", "mapping": {"topics": [{"name": "orders", "virtual_partitions": 6,
              "physical_partitions": 2, "offset_range": 1099511627776}]}, "advertise": {"ports": {"host": "k", "base": 9100}},
              "route": {"dynamic": {"bootstrap": ["b:9092"]}}}"#;
    for wrapped in [
        format!(
            "            configuration: {{'@type': type.googleapis.com/google.protobuf.StringValue, value: '{whole}'}}"
        ),
        format!("            configuration: {{'@type': type.googleapis.com/google.protobuf.Struct, value: {whole}}}"),
    ] {
        let outcome = with(&wrapped);
        assert_eq!(outcome.code, Some(0), "{wrapped}\n{}{}", outcome.output, outcome.problem);
        assert!(outcome.output.contains("\norders            6  2  3"), "{}", outcome.output);
    }
    let outcome = with("            configuration: {value: x}");
    assert!(outcome.output.contains("config.configuration: has no @type: Envoy refuses it"), "{}", outcome.output);
    let outcome = with("            configuration: {'@type': type.googleapis.com/a.b, value: x}");
    assert!(outcome.output.contains("config.configuration: is of the type a.b"), "{}", outcome.output);
}

#[test]
fn what_other_programs_wrap_around_it() {
    let indented: String = shipped("envoy/dynamic.yaml").lines().map(|line| format!("    {line}\n")).collect();
    let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: envoy}}\ndata:\n  envoy.yaml: |\n{indented}");
    let outcome = check(&Temporary::new(&map).file(), &[], &[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.output, outcome.problem);
    // Its line in the manifest: five more than in the file.
    let line = line_of_the_filter(&shipped("envoy/dynamic.yaml")) + 5;
    let told = format!("envoy.yaml:{line}: filter kafka_partition_remapper of listener kafka\n");
    assert!(outcome.output.contains(&told), "{}", outcome.output);
    let filter = shipped("envoy/dynamic-live-filter.yaml");
    let at = filter.find("- \"@type\"").unwrap();
    let value: String = filter[at..].lines().map(|line| format!("        {}\n", line.get(2..).unwrap_or(""))).collect();
    let patch = format!("kind: EnvoyFilter\nspec:\n  configPatches:\n  - patch:\n      value:\n{value}");
    let outcome = check(&Temporary::new(&patch).file(), &[], &[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.output, outcome.problem);
    assert!(outcome.output.contains("with 0 listeners, and 1 filter of this kind"), "{}", outcome.output);
}

#[test]
fn a_filter_in_a_file_of_its_own_is_followed() {
    let file = changed("envoy/dynamic-live.yaml", &[]);
    let outcome = check(&file.file(), &[], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(outcome.problem.contains("none is this one. What it refers to could not be read"), "{}", outcome.problem);
    let filter = shipped("envoy/dynamic-live-filter.yaml").replace("\"base\": 9100", "\"base\": 9200");
    fs::write(file.0.join("dynamic-live-filter.yaml"), filter).unwrap();
    let outcome = check(&file.file(), &[], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(outcome.output.contains("advertise.ports.base: is 9200: clients are told"), "{}", outcome.output);
    fs::write(file.0.join("listeners.yaml"), "resources:\n- name: l\n  filter_chains: []\n").unwrap();
    let lds = "dynamic_resources:\n  lds_config: {path_config_source: {path: /etc/envoy/listeners.yaml}}\n";
    fs::write(file.file(), lds).unwrap();
    let outcome = check(&file.file(), &[], &[]);
    assert!(outcome.problem.contains("with 1 listener, and 0 filters"), "{}", outcome.problem);
}

#[test]
fn what_envoy_does_when_the_filter_fails() {
    let policy = "failure_policy: FAIL_RELOAD";
    found("envoy/dynamic.yaml", &[(policy, "failure_policy: FAIL_OPEN")], &["config.failure_policy: FAIL_OPEN", "Set"]);
    found("envoy/dynamic.yaml", &[(policy, "fail_open: true")], &["config.fail_open: true", "FAIL_RELOAD"]);
    noted("envoy/dynamic.yaml", &[(policy, "root_id: r")], &["config.failure_policy", "not started anew"]);
}

#[test]
fn variables_that_envoy_passes_on() {
    found(
        "envoy/secured.yaml",
        &[("[ALICE_PASSWORD, BOB_PASSWORD, GATEWAY_PASSWORD]", "[ALICE_PASSWORD, BOB_PASSWORD]")],
        &["host_env_keys: does not list GATEWAY_PASSWORD, which upstream.sasl.password names", "Add GATEWAY_PASSWORD"],
    );
    let outcome = check(&root().join("envoy/secured.yaml"), &SECRETS[..1], &[]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    let unknown = section(&outcome.output, "Could not be told");
    assert_eq!(unknown.len(), 2, "{unknown:#?}");
    assert!(unknown[1].ends_with("host_env_keys: GATEWAY_PASSWORD is not set here, so its value was not looked at"));
    assert!(!outcome.output.contains("hunter2"));
    // It would log in at brokers with a password that it does not have.
    let outcome = check(&root().join("envoy/secured.yaml"), &SECRETS[..1], &["--bootstrap", "127.0.0.1:1"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.problem.contains("GATEWAY_PASSWORD is not set here. Set it, or name a login"),
        "{}",
        outcome.problem
    );
    noted("envoy/secured.yaml", &[("GATEWAY_PASSWORD]", "GATEWAY_PASSWORD, MORE]")], &["lists MORE, which"]);
    let keys = "host_env_keys: [ALICE_PASSWORD, BOB_PASSWORD, GATEWAY_PASSWORD]";
    let values = "key_values: {ALICE_PASSWORD: a, BOB_PASSWORD: b, GATEWAY_PASSWORD: c}";
    noted("envoy/secured.yaml", &[(keys, values)], &["key_values: BOB_PASSWORD is a secret that stands in this file"]);
}

#[test]
fn configurations_that_the_filter_refuses() {
    found(
        "envoy/dynamic.yaml",
        &[("\"physical_partitions\": 10", "\"physical_partitions\": 7")],
        &["the filter refuses this configuration: mapping.topics[0].virtual_partitions: 100 is not a multiple"],
    );
}

#[test]
fn ports_that_nobody_listens_at() {
    found(
        "envoy/dynamic.yaml",
        &[("\"base\": 9100", "\"base\": 9200")],
        &["listener kafka", "advertise.ports.base: is 9200", "port_value 9201 for broker 1"],
    );
    noted("envoy/dynamic.yaml", &[("port_value: 9105", "port_value: 9110")], &["no listener has port 9105"]);
    let table = r#""table": {"1": "kafka.example.com:9101", "2": "kafka.example.com:9300", "3": "other:9101"}"#;
    let ports = r#""ports": {"host": "kafka.example.com", "base": 9100}"#;
    found(
        "envoy/dynamic.yaml",
        &[(ports, table)],
        &["advertise.table.2: is kafka.example.com:9300, and no listener has"],
    );
    found("envoy/dynamic.yaml", &[(ports, table)], &["advertise.table.3: has the port 9101 of broker 1"]);
    noted(
        "envoy/dynamic.yaml",
        &[("address: 0.0.0.0", "address: 127.0.0.1")],
        &["advertise: clients are told kafka.example"],
    );
}

#[test]
fn filters_in_the_wrong_order() {
    let text = shipped("envoy/routed.yaml");
    // The first listener's chain: tcp_proxy before the filter.
    let at = text.find("      - name: envoy.filters.network.tcp_proxy").unwrap();
    let end = text[at..].find("\n\n").unwrap() + at + 1;
    let (proxy, first) = (&text[at..end], text.find("      - &remapper").unwrap());
    let file = Temporary::new(&format!("{}{proxy}{}{}", &text[..first], &text[first..at], &text[end..]));
    let outcome = check(&file.file(), &[], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    let words = ["listener kafka-bootstrap", "tcp_proxy (line ", "stands before this filter"];
    let problems = section(&outcome.output, "Problems");
    assert!(problems.iter().any(|line| words.iter().all(|word| line.contains(word))), "{problems:#?}");
    let twice = [("      - *remapper", "      - *remapper\n      - *remapper")];
    found("envoy/routed.yaml", &twice, &["listener kafka-0", "is this filter a second time in one chain"]);
    let none = [("tcp_proxy.v3.TcpProxy", "echo.v3.Echo")];
    found("envoy/dynamic.yaml", &none, &["no tcp_proxy stands behind this filter"]);
}

#[test]
fn who_chooses_the_broker() {
    let (filter, cluster) = ("sni_dynamic_forward_proxy.v3.FilterConfig", "dynamic_forward_proxy.v3.ClusterConfig");
    found(
        "envoy/dynamic.yaml",
        &[(filter, "echo.v3.Echo")],
        &["route.dynamic: the filter chooses the broker, and no sni"],
    );
    found(
        "envoy/dynamic.yaml",
        &[(cluster, "redis.RedisClusterConfig")],
        &["cluster kafka is no dynamic_forward_proxy"],
    );
    noted(
        "envoy/dynamic.yaml",
        &[("          cluster: kafka", "          cluster: k")],
        &["cluster k is not in this file"],
    );
    let text = shipped("envoy/dynamic.yaml");
    let route = text.find("                  \"route\"").unwrap();
    let end = text[route..].find("\n                }\n").unwrap() + route;
    let file =
        Temporary::new(&format!("{}                  \"route\": {{\"envoy\": {{}}}}{}", &text[..route], &text[end..]));
    let outcome = check(&file.file(), &[], &[]);
    let problems = section(&outcome.output, "Problems");
    for words in [
        "connects to the name that a client's TLS handshake asks for",
        "cluster kafka needs a broker's name, and with route.envoy the filter chooses none",
        "stand for different brokers, and all lead to this one cluster",
    ] {
        assert!(problems.iter().any(|line| line.contains(words)), "{words} in {problems:#?}");
    }
    noted(
        "envoy/routed.yaml",
        &[("upstream_connect_mode: ON_DOWNSTREAM_DATA", "")],
        &["upstream_connect_mode is not ON"],
    );
}

#[test]
fn brokers_by_server_name() {
    let inspector = "listener.tls_inspector.v3.TlsInspector";
    found(
        "envoy/secured.yaml",
        &[(inspector, "listener.proxy_protocol.v3.ProxyProtocol")],
        &["tls_inspector in listener"],
    );
    found(
        "envoy/secured.yaml",
        &[("DownstreamTlsContext", "Raw")],
        &["no transport_socket with a DownstreamTlsContext"],
    );
    let matched =
        |names: &str| format!("filter_chains:\n    - filter_chain_match: {{server_names: [{names}]}}\n      trans");
    let chains = "filter_chains:\n    # Clients have this long for the TLS handshake, so that connections which stop within it do not \
                  fill the\n    # limit below. (Until the login they have limits.authentication_ms, 30 s.)\n    - trans";
    found(
        "envoy/secured.yaml",
        &[(chains, &matched("\"*.other.com\""))],
        &["server_names has *.other.com, which fits no"],
    );
    noted(
        "envoy/secured.yaml",
        &[(chains, &matched("\"*.kafka.example.com\"")), ("0.0.0.0, port_value: 9093", "0.0.0.0, port_value: 19093")],
        &["advertise.sni.port: is 9093, and the listener has 19093"],
    );
}

/// dynamic.yaml with its listener a second time, changed.
#[track_caller]
fn twice(changes: &[(&str, &str)]) -> Outcome {
    let text = shipped("envoy/dynamic.yaml");
    let (begin, end) = (text.find("  - name: kafka\n").unwrap(), text.find("\n  clusters:").unwrap());
    let mut second = text[begin..end].replace("- name: kafka\n", "- name: other\n").replace("&dns_cache", "");
    for (old, new) in changes {
        assert!(second.contains(old), "{old}");
        second = second.replace(old, new);
    }
    check(&Temporary::new(&format!("{}\n{second}{}", &text[..end], &text[end..])).file(), &[], &[])
}

#[test]
fn two_filters_of_one_file() {
    let problem = |outcome: Outcome, words: &str| {
        assert_eq!(outcome.code, Some(1), "{}", outcome.output);
        let problems = section(&outcome.output, "Problems");
        assert!(problems.iter().any(|line| line.contains(words)), "{words} in {problems:#?}");
    };
    assert_eq!(twice(&[]).code, Some(0));
    let grown = ("\"virtual_partitions\": 100", "\"virtual_partitions\": 50");
    problem(
        twice(&[grown]),
        "mapping: orders is 100 on 10 (modulo, identity) here and 50 on 10 (modulo, identity) there",
    );
    let bootstrap = r#""bootstrap": ["kafka-0:9092", "kafka-1:9092", "kafka-2:9092"]"#;
    let elsewhere = (bootstrap, r#""bootstrap": ["else:9092"]"#);
    problem(twice(&[elsewhere]), "stat_prefix: \"orders\" is that of two filters with other brokers");
    // Another cluster has other topics.
    let prefix = ("\"stat_prefix\": \"orders\"", "\"stat_prefix\": \"other\"");
    assert_eq!(twice(&[elsewhere, prefix, grown]).code, Some(0));
    let unmapped = twice(&[("\"name\": \"orders\"", "\"name\": \"others\"")]);
    assert_eq!(unmapped.code, Some(0), "{}", unmapped.output);
    assert!(unmapped.output.contains("note: "), "{}", unmapped.output);
    let same = twice(&[("\"host\": \"kafka.example.com\"", "\"host\": \"inside.example.com\"")]);
    assert_eq!(same.code, Some(0), "{}", same.output);
    assert!(same.output.contains("is that of two filters with other configurations: each takes"), "{}", same.output);
}

#[test]
fn one_of_several_filters() {
    let file = root().join("envoy/dynamic.yaml");
    assert_eq!(check(&file, &[], &["--stat-prefix", "orders"]).code, Some(0));
    let outcome = check(&file, &[], &["--stat-prefix", "none"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.problem.ends_with(": none that can be read has the stat_prefix none\n"), "{}", outcome.problem);
    let grown = check(&file, &[], &["--grow-to", "orders=200"]);
    assert!(grown.output.contains("orders: from 100 to 200: allowed while Envoy runs"), "{}", grown.output);
}

#[test]
fn labels_that_stay_in_names() {
    noted(
        "envoy/dynamic.yaml",
        &[("tag_name: api", "tag_name: apis")],
        &["stats_tags: has no tag api", "envoy/dynamic.yaml"],
    );
    noted(
        "envoy/dynamic.yaml",
        &[("(\\.api\\.([^.]+))", "(\\.api)")],
        &["another regex than envoy/dynamic.yaml for the tag api"],
    );
}
