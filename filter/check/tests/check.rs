//! `kafka-remapper-check` as it is used: what it prints, and how it ends.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::Write;
use std::process::{Command, Stdio};

use kafka_partition_remapper_core::config::Config;
use serde_json::Value;

struct Outcome {
    code: Option<i32>,
    output: String,
    problem: String,
}

/// Runs the tool with `input` as its standard input.
fn run(arguments: &[&str], input: &str) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kafka-remapper-check"))
        .args(arguments)
        .env("CHECK_PASSWORD", "hunter2")
        .env_remove("CHECK_NOT_SET")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading, and then the pipe is closed.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), output: text(output.stdout), problem: text(output.stderr) }
}

fn check(config: &str) -> Outcome {
    run(&["check", "-"], config)
}

#[track_caller]
fn accepted(config: &str) -> String {
    let outcome = check(config);
    assert_eq!((outcome.code, outcome.problem.as_str()), (Some(0), ""), "{config}");
    outcome.output
}

/// A user that `scram` made.
#[track_caller]
fn made(arguments: &[&str], password: &str) -> Value {
    let outcome = run(&[&["scram"], arguments].concat(), password);
    assert_eq!((outcome.code, outcome.problem.as_str()), (Some(0), ""), "{arguments:?}");
    serde_json::from_str(&outcome.output).unwrap()
}

#[test]
fn an_accepted_configuration_is_shown() {
    let output = accepted(
        r#"{
            "mapping": {
                "virtual_partitions": 100, "physical_partitions": 10,
                "topics": [
                    {"name": "payments", "virtual_partitions": 64, "physical_partitions": 8, "offset_encoding": "lane"},
                    {"regex": "events\\..*|e", "virtual_partitions": 3000, "physical_partitions": 3, "layout": "block"},
                    {"name": "audit", "passthrough": true}
                ]
            },
            "advertise": {"ports": {"host": "kafka.example.com", "base": 9100}},
            "route": {"dynamic": {"bootstrap": ["a:1", "[::1]:2"], "address": "kafka-{id}.kafka:9092"}},
            "sasl": {
                "mechanisms": ["PLAIN", "SCRAM-SHA-512"],
                "users": [{"username": "alice", "password": "${CHECK_PASSWORD}"}, {"username": "bob", "password": "b"}],
                "max_session_s": 3600
            },
            "upstream": {"sasl": {
                "mechanism": "PLAIN", "username": "gateway", "password": "hunter2",
                "per_principal": {
                    "alice": {"username": "a", "password": "hunter2"}, "bob": {"username": "b", "password": "hunter2"}
                },
                "per_principal_only": true
            }, "shared_administration": true}
        }"#,
    );
    let expected = r#"the filter accepts this configuration (it is the filter's own, as JSON)

topic or pattern       V   P     C  layout          offset encoding
payments              64   8     8  modulo          lane
regex events\..*|e  3000   3  1000  block           identity
audit                  -   -     -  passes through
any other topic      100  10    10  modulo          identity

advertise  ports: broker n is kafka.example.com, port 9100 + n
route      dynamic: brokers at kafka-{id}.kafka:9092, bootstrap a:1, [::1]:2
sasl       PLAIN, SCRAM-SHA-512; 2 users; sessions of 3600 s
principal  by sasl
upstream   PLAIN as "gateway", with own logins for 2 principals, refusing all others
users, ACLs, quotas and brokers  any client may administer them, in the name that brokers see
"#;
    assert_eq!(output, expected);
}

#[test]
fn defaults_are_shown_too() {
    let output = accepted("{}");
    assert!(output.contains("\nevery topic       -  -  -  passes through\n"), "{output}");
    for line in [
        "advertise  unchanged",
        "route      envoy: its cluster decides",
        "sasl       none; passes through to the broker",
        "principal  none",
        "upstream   none; the filter does not authenticate",
    ] {
        assert!(output.lines().any(|other| other == line), "{line}\n{output}");
    }
}

#[test]
fn the_other_forms_are_shown() {
    for (config, line) in [
        (
            r#"{"advertise": {"sni": {"host": "b{id}.k", "port": 443}}}"#,
            "advertise  sni: brokers are b{id}.k, port 443",
        ),
        (r#"{"advertise": {"table": {"1": "k:1", "2": "k:2"}}}"#, "advertise  table: broker 1 is k:1, broker 2 is k:2"),
        (r#"{"principal": {}}"#, "principal  by the subject of the client's certificate"),
        (
            r#"{"principal": {}, "upstream": {"sasl": {"mechanism": "PLAIN", "per_principal": {"a": {"username": "b", "password": "c"}}}}}"#,
            "upstream   PLAIN with own logins for 1 principal",
        ),
    ] {
        let output = accepted(config);
        assert!(output.lines().any(|other| other == line), "{line}\n{output}");
    }
}

#[test]
fn a_refused_configuration_is_told_in_the_words_of_the_filter() {
    for config in [
        r#"{"mapping": {"virtual_partitions": 30, "physical_partitions": 4}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "hunter2${CHECK_NOT_SET}"}]}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": 7}]}}"#,
        "{",
    ] {
        let outcome = check(config);
        let error = Config::parse(config, &|_| None).map(|_| ()).unwrap_err();
        assert_eq!(outcome.problem, format!("the configuration is refused: {error}\n"));
        assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""));
    }
}

#[test]
fn a_file_is_read_or_named() {
    let file = std::env::temp_dir().join(format!("kafka-remapper-check-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"stat_prefix": "a"}"#).unwrap();
    let outcome = run(&["check", file.to_str().unwrap()], "");
    std::fs::write(&file, [0xff]).unwrap();
    let not_text = run(&["check", file.to_str().unwrap()], "");
    std::fs::remove_file(&file).unwrap();
    assert_eq!((outcome.code, outcome.problem.as_str()), (Some(0), ""));
    assert_eq!(not_text.problem, "the configuration is refused: it is not UTF-8\n");
    let gone = run(&["check", file.to_str().unwrap()], "");
    assert_eq!(gone.code, Some(1));
    assert!(gone.problem.contains("cannot be read"), "{}", gone.problem);
}

#[test]
fn what_scram_makes_is_accepted() {
    let both = made(&["alice"], "hunter2\n");
    assert_eq!(both["scram_sha_256"]["iterations"], 4096);
    assert_ne!(both["scram_sha_256"]["salt"], both["scram_sha_512"]["salt"]);
    let one = made(&["--iterations", "16384", "--mechanism=SCRAM-SHA-512", "b\u{ad}ob"], "hunter2");
    assert_eq!((one["username"].as_str(), one["scram_sha_512"]["iterations"].as_i64()), (Some("bob"), Some(16_384)));
    assert_eq!(one.get("scram_sha_256"), None);
    let config = format!(r#"{{"sasl": {{"mechanisms": ["SCRAM-SHA-512"], "users": [{both}, {one}]}}}}"#);
    assert!(accepted(&config).contains("; 2 users\n"));
    assert!(!both.to_string().contains("hunter2"));
}

/// The first line counts, without its end; else a file made on Windows would be another password.
#[test]
fn scram_derives_from_the_first_line() {
    use base64::{engine::general_purpose::STANDARD, Engine};
    use kafka_partition_remapper_core::sasl::scram::{Credentials, Hash};
    for input in ["hünter 2", "hünter 2\n", "hünter 2\r\nmore\n"] {
        let user = made(&["--mechanism", "SCRAM-SHA-256", "alice"], input);
        let section = &user["scram_sha_256"];
        let bytes = |field: &str| STANDARD.decode(section[field].as_str().unwrap()).unwrap();
        let credentials = Credentials::derive(Hash::Sha256, "hünter 2", &bytes("salt"), 4_096);
        assert_eq!((bytes("stored_key"), bytes("server_key")), (credentials.stored_key, credentials.server_key));
    }
}

#[test]
fn passwords_and_names_that_cannot_be() {
    for (arguments, input, problem) in [
        (["scram", "alice"], "\n", "the password is empty\n"),
        (["scram", "alice"], "", "the password is empty\n"),
        (["scram", "alice"], "a\0b\n", "the password holds a NUL character\n"),
        (["scram", "alice"], &"x".repeat(4_097), "the password is longer than 4096 bytes\n"),
        (["scram", "\u{7}"], "a\n", "\"\\u{7}\" is no name that SASLprep accepts\n"),
    ] {
        let outcome = run(&arguments, input);
        let Outcome { code, output, problem: told } = outcome;
        assert_eq!((code, output.as_str(), told.as_str()), (Some(1), "", problem));
    }
    made(&["alice"], &"x".repeat(4_096));
}

#[test]
fn wrong_usage_is_told_apart() {
    let help = run(&["scram", "--help"], "");
    assert_eq!(help.code, Some(0));
    assert!(help.output.contains("Usage:") && help.output.lines().all(|line| line.len() <= 120), "{}", help.output);
    // As a_file_is_read_or_named sees it.
    assert!(help.output.contains("1 FILE, or a file or variable that an option names, cannot be read"));
    for arguments in [
        &[][..],
        &["chekc"],
        &["check"],
        &["check", "a", "b"],
        &["scram"],
        &["scram", "a", "b"],
        &["scram", "--salt", "a"],
        &["scram", "a", "--iterations"],
        &["scram", "a", "--iterations", "4095"],
        &["scram", "a", "--mechanism", "PLAIN"],
    ] {
        let outcome = run(arguments, "");
        assert_eq!((outcome.code, outcome.output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.problem.ends_with("; see kafka-remapper-check --help\n"), "{}", outcome.problem);
    }
}
