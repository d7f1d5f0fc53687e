//! What is accepted becomes these values; what is not is told in these words.

use super::*;
use crate::brokers::Destination;
use crate::remapper::{Lane, Layout, OffsetEncoding, PartitionRemapper};

fn accepted(text: &str) -> Config {
    Config::parse(text, &|_| None).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check_refused(cases: &[(&str, &str)]) {
    for (text, problem) in cases {
        let error = Config::parse(text, &|_| None).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, *problem, "{text}");
    }
}

#[test]
fn nothing_given_means_the_defaults() {
    for text in ["", " \n", "{}", r#"{"mapping": {}, "limits": {}, "fetch": {}, "shadow_groups": {}}"#] {
        let config = accepted(text);
        assert_eq!(config.stat_prefix, "kafka");
        assert!(config.mapping.default.is_none() && config.mapping.topics.is_empty());
        assert_eq!(config.advertise, Advertise::Unchanged);
        assert_eq!(config.route, Route::Envoy);
        assert_eq!(config.filler, FillerMode::Auto);
        let limits = Limits {
            frame_bytes: 104_857_600,
            fetch_max_bytes: 16_777_216,
            in_flight_requests: 64,
            worker_bytes: 536_870_912,
            authentication_ms: 30_000,
        };
        assert_eq!(config.limits, limits);
        assert_eq!((config.shadow_retention_ms, config.shadow_renew_ms), (None, 3_600_000));
    }
}

#[test]
fn every_field_is_read() {
    let config = accepted(
        r#"{
            "stat_prefix": "orders-2_b",
            "mapping": {
                "virtual_partitions": 100,
                "physical_partitions": 10,
                "offset_range": 1048576,
                "layout": "block",
                "offset_encoding": "lane",
                "topics": [
                    {"name": "payments", "virtual_partitions": 64, "physical_partitions": 8},
                    {"regex": "events\\..*", "layout": "modulo", "offset_encoding": "identity",
                     "offset_range": 1099511627776},
                    {"name": "audit", "passthrough": true}
                ]
            },
            "advertise": {"ports": {"host": "kafka.example.com", "base": 9100}},
            "route": {"dynamic": {"bootstrap": ["kafka-0.kafka:9092"], "address": "kafka-{id}.kafka:9092"}},
            "shadow_groups": {"retention_ms": 86400000, "renew_ms": 1000},
            "fetch": {"filler": "never"},
            "limits": {
                "frame_bytes": 1048576, "fetch_max_bytes": 524288, "in_flight_requests": 1, "worker_bytes": 16777216,
                "authentication_ms": 600000
            }
        }"#,
    );
    assert_eq!(config.stat_prefix, "orders-2_b");
    let remapper = |v, p, range, layout, encoding| PartitionRemapper::new(v, p, range, layout, encoding).ok();
    assert_eq!(config.mapping.default, remapper(100, 10, 1 << 20, Layout::Block, OffsetEncoding::Lane));
    let topics: Vec<_> = config.mapping.topics.iter().map(|topic| topic.remapper.clone()).collect();
    assert_eq!(
        topics,
        [
            remapper(64, 8, 1 << 20, Layout::Block, OffsetEncoding::Lane),
            remapper(100, 10, 1 << 40, Layout::Modulo, OffsetEncoding::Identity),
            None,
        ]
    );
    assert_eq!(config.advertise.address(2, "inner", 1), Some(("kafka.example.com".to_owned(), 9102)));
    let address = |text: &str| text.parse().unwrap();
    assert_eq!(
        config.route.destination(Some(2), Some(address("inner:1")), 0),
        Destination::Broker { id: 2, address: address("kafka-2.kafka:9092") }
    );
    assert_eq!(config.filler, FillerMode::Never);
    assert_eq!(
        config.limits,
        Limits {
            frame_bytes: 1_048_576,
            fetch_max_bytes: 524_288,
            in_flight_requests: 1,
            worker_bytes: 16_777_216,
            authentication_ms: 600_000,
        }
    );
    assert_eq!((config.shadow_retention_ms, config.shadow_renew_ms), (Some(86_400_000), 1_000));
}

#[test]
fn numbers_may_be_written_as_envoy_writes_those_of_a_struct() {
    let config = accepted(
        r#"{"mapping": {"virtual_partitions": 4.0, "physical_partitions": 2, "offset_range": 1.099511627776e+12}}"#,
    );
    let remapper = config.mapping.default.unwrap();
    assert_eq!((remapper.lanes(), remapper.offset_range()), (2, 1 << 40));
    assert!(remapper.offset_belongs_to_virtual(Lane(1), 0));
}

#[test]
fn one_number_at_the_top_may_be_completed_by_entries() {
    let config =
        accepted(r#"{"mapping": {"physical_partitions": 2, "topics": [{"name": "a", "virtual_partitions": 6}]}}"#);
    assert!(config.mapping.default.is_none());
    assert_eq!(config.mapping.topics[0].remapper.as_ref().unwrap().lanes(), 3);
}

#[test]
fn the_fetch_limit_follows_a_small_frame() {
    assert_eq!(accepted(r#"{"limits": {"frame_bytes": 1024}}"#).limits.fetch_max_bytes, 512);
    assert_eq!(accepted(r#"{"limits": {"frame_bytes": 1073741824}}"#).limits.fetch_max_bytes, 16_777_216);
    assert_eq!(accepted(r#"{"limits": {"frame_bytes": 1073741824}}"#).limits.worker_bytes, 486_539_264);
    assert_eq!(accepted(r#"{"limits": {"worker_bytes": 805306368}}"#).limits.worker_bytes, 805_306_368);
}

#[test]
fn every_form_of_advertise_is_read() {
    let advertise = |form: &str| accepted(&format!(r#"{{"advertise": {form}}}"#)).advertise;
    assert_eq!(advertise(r#"{"unchanged": {}}"#), Advertise::Unchanged);
    let ports = Advertise::Ports { host: "::1".to_owned(), base: 9100 };
    assert_eq!(advertise(r#"{"ports": {"host": "[::1]", "base": 9100}}"#), ports);
    let sni = Advertise::Sni { host: "b{id}.k".parse().unwrap(), port: 443 };
    assert_eq!(advertise(r#"{"sni": {"host": "b{id}.k", "port": 443}}"#), sni);
    let table = [(0, "k:1"), (7, "[::1]:2")].map(|(id, text)| (id, text.parse().unwrap()));
    assert_eq!(advertise(r#"{"table": {"7": "[::1]:2", "0": "k:1"}}"#), Advertise::Table(table.into()));
}

#[test]
fn every_form_of_route_is_read() {
    assert_eq!(accepted(r#"{"route": {"envoy": {}}}"#).route, Route::Envoy);
    let config =
        accepted(r#"{"advertise": {"table": {"1": "k:1"}}, "route": {"dynamic": {"bootstrap": ["a:1", "b:2"]}}}"#);
    let Route::Dynamic(route) = config.route else { panic!("not dynamic") };
    assert_eq!((route.bootstrap.first.to_string(), route.bootstrap.others.len()), ("a:1".to_owned(), 1));
    assert_eq!(route.address, None);
}

#[test]
fn text_that_is_no_configuration() {
    check_refused(&[
        ("{", "not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "invalid type: sequence, expected an object"),
        ("7", "invalid type: integer, expected an object"),
        ("null", "invalid type: null, expected an object"),
        (r#"{"limits": [1024]}"#, "limits: invalid type: sequence, expected an object"),
        (r#"{"stat_prefix": "a""#, "not valid JSON: EOF while parsing an object at line 1 column 19"),
        (r#"{"stat_prefix": a}"#, "not valid JSON: expected value at line 1 column 17"),
        ("{} {}", "not valid JSON: trailing characters at line 1 column 4"),
        (r#"{"nope": 1}"#, "nope: unknown field `nope`, expected one of `stat_prefix`, `mapping`, `advertise`, `route`, `shadow_groups`, `fetch`, `sasl`, `principal`, `upstream`, `limits`"),
        (r#"{"stat_prefix": "a", "stat_prefix": "b"}"#, "duplicate field `stat_prefix`"),
    ]);
    let long = " ".repeat(1_048_577);
    check_refused(&[(&long, "1048577 bytes are more than 1048576")]);
}

#[test]
fn stat_prefix_and_small_sections() {
    check_refused(&[
        (r#"{"stat_prefix": ""}"#, r#"stat_prefix: "" is not one or more of A-Z a-z 0-9 _ -"#),
        (r#"{"stat_prefix": "a.b"}"#, r#"stat_prefix: "a.b" is not one or more of A-Z a-z 0-9 _ -"#),
        (r#"{"stat_prefix": 7}"#, "stat_prefix: invalid type: integer `7`, expected a string"),
        (r#"{"stat_prefix": null}"#, "stat_prefix: invalid type: null, expected a string"),
        (
            r#"{"fetch": {"filler": "sometimes"}}"#,
            "fetch.filler: unknown variant `sometimes`, expected one of `auto`, `always`, `never`",
        ),
        (r#"{"fetch": {"fill": "auto"}}"#, "fetch.fill: unknown field `fill`, expected `filler` or `share`"),
        (
            r#"{"shadow_groups": {"retention_ms": 86399999}}"#,
            "shadow_groups.retention_ms: 86399999 is not in 86400000..=3153600000000",
        ),
        (
            r#"{"shadow_groups": {"retention_ms": 3153600000001}}"#,
            "shadow_groups.retention_ms: 3153600000001 is not in 86400000..=3153600000000",
        ),
        (
            r#"{"shadow_groups": {"retention_ms": -1}}"#,
            "shadow_groups.retention_ms: -1 is not in 86400000..=3153600000000",
        ),
        (r#"{"shadow_groups": {"renew_ms": 999}}"#, "shadow_groups.renew_ms: 999 is not in 1000..=86400000"),
        (r#"{"shadow_groups": {"renew_ms": 86400001}}"#, "shadow_groups.renew_ms: 86400001 is not in 1000..=86400000"),
    ]);
}

#[test]
fn limits_out_of_range() {
    check_refused(&[
        (r#"{"limits": {"frame_bytes": 1023}}"#, "limits.frame_bytes: 1023 is not in 1024..=1073741824"),
        (r#"{"limits": {"frame_bytes": 1073741825}}"#, "limits.frame_bytes: 1073741825 is not in 1024..=1073741824"),
        (r#"{"limits": {"frame_bytes": 1024.5}}"#, "limits.frame_bytes: invalid value: floating point `1024.5`, expected a whole number below 2^63"),
        (r#"{"limits": {"frame_bytes": 1e19}}"#, "limits.frame_bytes: invalid value: floating point `1e+19`, expected a whole number below 2^63"),
        (r#"{"mapping": {"offset_range": 9007199254740996.0}}"#, "mapping.offset_range: 9007199254740996 need not be the number that was written: from 2^53 on give the configuration as JSON text (StringValue), and the number without a point or an exponent"),
        (r#"{"limits": {"frame_bytes": 18446744073709551615}}"#, "limits.frame_bytes: invalid value: integer `18446744073709551615`, expected a whole number below 2^63"),
        (r#"{"limits": {"frame_bytes": "1 MiB"}}"#, r#"limits.frame_bytes: invalid type: string "1 MiB", expected a whole number below 2^63"#),
        (r#"{"limits": {"fetch_max_bytes": 511}}"#, "limits.fetch_max_bytes: 511 is not in 512..=536870912"),
        (r#"{"limits": {"fetch_max_bytes": 2147483648}}"#, "limits.fetch_max_bytes: 2147483648 is not in 512..=536870912"),
        (r#"{"limits": {"fetch_max_bytes": 52428801}}"#, "limits.fetch_max_bytes: 52428801 is more than 52428800, half of frame_bytes 104857600"),
        (r#"{"limits": {"frame_bytes": 4096, "fetch_max_bytes": 2049}}"#, "limits.fetch_max_bytes: 2049 is more than 2048, half of frame_bytes 4096"),
        (r#"{"limits": {"in_flight_requests": 0}}"#, "limits.in_flight_requests: 0 is not in 1..=1000"),
        (r#"{"limits": {"in_flight_requests": 1001}}"#, "limits.in_flight_requests: 1001 is not in 1..=1000"),
        (r#"{"shadow_groups": {"renew_ms": 43200001, "retention_ms": 86400000}}"#, "shadow_groups.renew_ms: 43200001 is more than 43200000, half of retention_ms: offsets would expire before"),
        (r#"{"limits": {"worker_bytes": 16777215}}"#, "limits.worker_bytes: 16777215 is not in 16777216..=805306368"),
        (r#"{"limits": {"worker_bytes": 805306369}}"#, "limits.worker_bytes: 805306369 is not in 16777216..=805306368"),
        (r#"{"limits": {"frame_bytes": 134217728, "worker_bytes": 755000000}}"#, "limits.worker_bytes: 755000000 is more than 754974720, what a VM has left beside frames of 134217728 bytes"),
        (r#"{"limits": {"in_flight": 1}}"#, "limits.in_flight: unknown field `in_flight`, expected one of `frame_bytes`, `fetch_max_bytes`, `in_flight_requests`, `worker_bytes`, `authentication_ms`"),
        (r#"{"limits": {"authentication_ms": 999}}"#, "limits.authentication_ms: 999 is not in 1000..=600000"),
        (r#"{"limits": {"authentication_ms": 600001}}"#, "limits.authentication_ms: 600001 is not in 1000..=600000"),
    ]);
}

#[test]
fn mappings_that_cannot_be() {
    check_refused(&[
        (r#"{"mapping": {"virtual_partitions": 30, "physical_partitions": 4}}"#, "mapping.virtual_partitions: 30 is not a multiple of physical_partitions 4"),
        (r#"{"mapping": {"virtual_partitions": 0, "physical_partitions": 4}}"#, "mapping.virtual_partitions: 0 is not in 1..=2147483647"),
        (r#"{"mapping": {"virtual_partitions": 5000000000, "physical_partitions": 4}}"#, "mapping.virtual_partitions: 5000000000 is not in 1..=2147483647"),
        (r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": -4}}"#, "mapping.physical_partitions: -4 is not in 1..=2147483647"),
        (r#"{"mapping": {"virtual_partitions": 2, "physical_partitions": 4}}"#, "mapping.virtual_partitions: 2 is less than physical_partitions 4"),
        (r#"{"mapping": {"virtual_partitions": 8388608, "physical_partitions": 1}}"#, "mapping.virtual_partitions: 8388608 puts 8388608 on each of physical_partitions 1; at most 8388607 can share one"),
        (r#"{"mapping": {"virtual_partitions": "8", "physical_partitions": 1}}"#, r#"mapping.virtual_partitions: invalid type: string "8", expected a whole number below 2^63"#),
        (r#"{"mapping": {"virtual_partitions": 8}}"#, "mapping.physical_partitions: is missing"),
        (r#"{"mapping": {"physical_partitions": 8, "topics": [{"name": "a", "passthrough": true}]}}"#, "mapping.virtual_partitions: is missing"),
        (r#"{"mapping": {"virtual_partitions": 8, "physical_partitions": 4, "offset_range": 1000}}"#, "mapping.offset_range: 1000 is not in 1048576..=9223372036854775807"),
        (r#"{"mapping": {"virtual_partitions": 8, "physical_partitions": 4, "offset_range": 9223372036854775807}}"#, "mapping.offset_range: 9223372036854775807 is more than 4611686018427387904; 2 virtual partitions share a physical one, and all their offsets must stay below 2^63"),
        (r#"{"mapping": {"offset_range": 5}}"#, "mapping.offset_range: 5 is not in 1048576..=9223372036854775807"),
        (r#"{"mapping": {"layout": "stripes"}}"#, "mapping.layout: unknown variant `stripes`, expected `modulo` or `block`"),
        (r#"{"mapping": {"offset_encoding": "Lane"}}"#, "mapping.offset_encoding: unknown variant `Lane`, expected `identity` or `lane`"),
        (r#"{"mapping": {"partitions": 8}}"#, "mapping.partitions: unknown field `partitions`, expected one of `virtual_partitions`, `physical_partitions`, `offset_range`, `layout`, `offset_encoding`, `topics`"),
        (r#"{"mapping": {"topics": {}}}"#, "mapping.topics: invalid type: map, expected a sequence"),
        (r#"{"mapping": null}"#, "mapping: invalid type: null, expected an object"),
    ]);
}

#[test]
fn topic_entries_that_cannot_be() {
    let top = r#""virtual_partitions": 8, "physical_partitions": 4"#;
    for (entries, problem) in [
        (r#"{"name": "a"}, {"regex": "b"}, {"name": "c", "virtual_partitions": 30}"#, "mapping.topics[2].virtual_partitions: 30 is not a multiple of physical_partitions 4"),
        (r#"{}"#, "mapping.topics[0]: has no name and no regex; one of them is needed"),
        (r#"{"name": "a", "regex": "a"}"#, "mapping.topics[0]: has both name and regex; one of them is needed"),
        (r#"{"name": "a", "virtual": 1}"#, "mapping.topics[0].virtual: unknown field `virtual`, expected one of `name`, `regex`, `passthrough`, `virtual_partitions`, `physical_partitions`, `offset_range`, `layout`, `offset_encoding`"),
        (r#"{"name": "a", "passthrough": 1}"#, "mapping.topics[0].passthrough: invalid type: integer `1`, expected a boolean"),
        (r#"{"name": "a", "passthrough": true, "layout": "block"}"#, "mapping.topics[0].layout: cannot stand beside passthrough: true"),
        (r#"{"name": "a", "passthrough": true, "physical_partitions": 1}"#, "mapping.topics[0].physical_partitions: cannot stand beside passthrough: true"),
        (r#"{"name": "a"}, {"name": "b"}, {"name": "a", "passthrough": true}"#, r#"mapping.topics[2].name: "a" is listed already, by mapping.topics[0]"#),
        (r#"{"name": ""}"#, r#"mapping.topics[0].name: "" is no topic name, which is 1 to 249 of A-Z a-z 0-9 . _ -; a pattern goes into regex"#),
        (r#"{"name": ".."}"#, r#"mapping.topics[0].name: ".." is no topic name, which is 1 to 249 of A-Z a-z 0-9 . _ -; a pattern goes into regex"#),
        (r#"{"name": "events.*"}"#, r#"mapping.topics[0].name: "events.*" is no topic name, which is 1 to 249 of A-Z a-z 0-9 . _ -; a pattern goes into regex"#),
        (r#"{"name": "__consumer_offsets"}"#, r#"mapping.topics[0].name: "__consumer_offsets" starts with __; such topics are never mapped and need no entry"#),
        (r#"{"regex": "a("}"#, r#"mapping.topics[0].regex: "a(" is no regex: unclosed group"#),
        (r#"{"regex": "a)(b"}"#, r#"mapping.topics[0].regex: "a)(b" is no regex: unopened group"#),
        (r#"{"regex": "\\w{9999}"}"#, r#"mapping.topics[0].regex: "\\w{9999}" takes more than 1048576 bytes compiled"#),
        (r#"{"name": "a", "offset_range": 1}"#, "mapping.topics[0].offset_range: 1 is not in 1048576..=9223372036854775807"),
    ] {
        check_refused(&[(&format!(r#"{{"mapping": {{{top}, "topics": [{entries}]}}}}"#), problem)]);
    }
    check_refused(&[
        (
            r#"{"mapping": {"topics": [{"name": "a"}]}}"#,
            "mapping.topics[0].virtual_partitions: is missing, also at the top of mapping",
        ),
        (
            r#"{"mapping": {"topics": [{"name": "a", "virtual_partitions": 4}]}}"#,
            "mapping.topics[0].physical_partitions: is missing, also at the top of mapping",
        ),
    ]);
}

#[test]
fn advertise_that_cannot_be() {
    for (form, problem) in [
        (r#"{}"#, "advertise: exactly one of unchanged, ports, sni and table is needed"),
        (
            r#"{"unchanged": {}, "ports": {"host": "k", "base": 1}}"#,
            "advertise: exactly one of unchanged, ports, sni and table is needed",
        ),
        (r#"{"unchanged": true}"#, "advertise.unchanged: invalid type: boolean `true`, expected an object"),
        (r#"{"unchanged": {"x": 1}}"#, "advertise.unchanged.x: unknown field `x`, there are no fields"),
        (r#"{"ports": {"host": "k"}}"#, "advertise.ports: missing field `base`"),
        (r#"{"ports": {"host": "k", "base": 0}}"#, "advertise.ports.base: 0 is not in 1..=65535"),
        (r#"{"ports": {"host": "k", "base": 65536}}"#, "advertise.ports.base: 65536 is not in 1..=65535"),
        (
            r#"{"ports": {"host": "k:9092", "base": 9100}}"#,
            r#"advertise.ports.host: "k:9092" has no host name or IP address that is valid"#,
        ),
        (
            r#"{"ports": {"host": "", "base": 9100}}"#,
            r#"advertise.ports.host: "" has no host name or IP address that is valid"#,
        ),
        (
            r#"{"sni": {"host": "kafka.example", "port": 443}}"#,
            r#"advertise.sni.host: "kafka.example" has no {id} in its host, so all brokers would be one"#,
        ),
        (
            r#"{"sni": {"host": "{id}.{id}", "port": 443}}"#,
            r#"advertise.sni.host: "{id}.{id}" has {id} more than once"#,
        ),
        (r#"{"sni": {"host": "b{id}.k", "port": 70000}}"#, "advertise.sni.port: 70000 is not in 1..=65535"),
        (r#"{"table": {}}"#, "advertise.table: at least one broker is needed"),
        (r#"{"table": {"1": "kafka"}}"#, r#"advertise.table.1: "kafka" has no port; host:port is needed"#),
        (
            r#"{"table": {"1": "kafka:x"}}"#,
            r#"advertise.table.1: "kafka:x" has no port of 1..=65535 after its last colon"#,
        ),
        (
            r#"{"table": {"1": "::1:9092"}}"#,
            r#"advertise.table.1: "::1:9092" has an IPv6 address without brackets; [address]:port is needed"#,
        ),
        (r#"{"table": {"one": "kafka:1"}}"#, "advertise.table.one: the key is no broker id of 0..=2147483647"),
        (r#"{"table": {"-1": "kafka:1"}}"#, "advertise.table.-1: the key is no broker id of 0..=2147483647"),
        (r#"{"table": {"01": "kafka:1"}}"#, "advertise.table.01: the key is no broker id of 0..=2147483647"),
        (
            r#"{"table": {"1": "kafka:1", "2": "KAFKA:1"}}"#,
            r#"advertise.table.2: "KAFKA:1" is the address of broker 1 already"#,
        ),
        (r#"{"table": {"1": 7}}"#, "advertise.table.1: invalid type: integer `7`, expected a string"),
        (r#"{"dns": {}}"#, "advertise.dns: unknown field `dns`, expected one of `unchanged`, `ports`, `sni`, `table`"),
    ] {
        check_refused(&[(&format!(r#"{{"advertise": {form}}}"#), problem)]);
    }
}

#[test]
fn routes_that_cannot_be() {
    for (form, problem) in [
        (r#"{}"#, "route: exactly one of envoy and dynamic is needed"),
        (r#"{"envoy": {}, "dynamic": {"bootstrap": ["a:1"]}}"#, "route: exactly one of envoy and dynamic is needed"),
        (r#"{"dynamic": {}}"#, "route.dynamic: missing field `bootstrap`"),
        (r#"{"dynamic": {"bootstrap": []}}"#, "route.dynamic.bootstrap: at least one host:port is needed"),
        (
            r#"{"dynamic": {"bootstrap": "a:1"}}"#,
            r#"route.dynamic.bootstrap: invalid type: string "a:1", expected a sequence"#,
        ),
        (
            r#"{"dynamic": {"bootstrap": ["a:1", "b"]}}"#,
            r#"route.dynamic.bootstrap[1]: "b" has no port; host:port is needed"#,
        ),
        (
            r#"{"dynamic": {"bootstrap": ["a:1"], "address": "a:1"}}"#,
            r#"route.dynamic.address: "a:1" has no {id} in its host, so all brokers would be one"#,
        ),
        (
            r#"{"dynamic": {"bootstrap": ["a:1"], "address": "a{id}"}}"#,
            r#"route.dynamic.address: "a{id}" has no port; host:port is needed"#,
        ),
        (
            r#"{"dynamic": {"bootstrap": ["a:1"], "address": null}}"#,
            "route.dynamic.address: invalid type: null, expected a string",
        ),
    ] {
        let advertise = r#"{"ports": {"host": "k", "base": 1}}"#;
        check_refused(&[(&format!(r#"{{"advertise": {advertise}, "route": {form}}}"#), problem)]);
    }
    check_refused(&[(r#"{"route": {"dynamic": {"bootstrap": ["a:1"]}}}"#, "route.dynamic: needs ports, sni or table in advertise; with unchanged no connection tells which broker it is for")]);
}

/// What newcomers write: each is told what to do.
#[test]
fn what_newcomers_write_is_told_what_to_do() {
    let routed = |dynamic: &str| {
        format!(r#"{{"advertise": {{"ports": {{"host": "h", "base": 9100}}}}, "route": {{"dynamic": {dynamic}}}}}"#)
    };
    let yaml = "stat_prefix: orders\n";
    let yaml_told =
        "not valid JSON: expected value at line 1 column 1; one JSON object is needed, in braces (YAML is not read)";
    let in_port = r#"route.dynamic.address: "kafka:909{id}" has {id} in its port, and only a host may have it: where brokers differ by port, leave route.dynamic.address out, and they are reached as they name themselves"#;
    let misplaced = r#"route.dynamic.bootstrap[0]: "kafka-{id}:9092" has {id}, which only advertise.sni.host and route.dynamic.address may have"#;
    let url = r#"route.dynamic.bootstrap[0]: "kafka://k:9092" is a URL; host:port is needed"#;
    check_refused(&[
        (yaml, yaml_told),
        (r#"{"stat_prefix": "a",}"#, "not valid JSON: trailing comma at line 1 column 21"),
        (&routed(r#"{"bootstrap": ["k:1"], "address": "kafka:909{id}"}"#), in_port),
        (&routed(r#"{"bootstrap": ["kafka-{id}:9092"]}"#), misplaced),
        (&routed(r#"{"bootstrap": ["kafka://k:9092"]}"#), url),
    ]);
}

#[test]
fn a_struct_is_read_as_json_is() {
    let entry = b"\x0a\x17\x0a\x0bstat_prefix\x12\x08\x1a\x06orders".to_vec();
    let text = Config::text(entry.clone()).unwrap();
    assert_eq!((text.as_str(), accepted(&text).stat_prefix), (r#"{"stat_prefix":"orders"}"#, "orders".to_owned()));
    assert_eq!(Config::text(b"{ }".to_vec()).unwrap(), "{ }");
    assert_eq!(Config::text(vec![0xff]).unwrap_err().to_string(), "it is not UTF-8");
}
