"""The checker says what is wrong between a configuration and a live cluster, and changes nothing there."""

import json
from collections.abc import Iterable, Iterator

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.harness import topics
from tests.harness.checker import Outcome, check
from tests.harness.client_security import PASSWORD_MECHANISMS
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.groups import Offset, commit, find_coordinator, shadow_name, wait_for_coordinator
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.secured_brokers import USERS

pytestmark = pytest.mark.remap

PROBES = "kafka-remapper-check-"
"""What the names of topics begin with that probes make."""

# Brokers of the tests' own: what the report lists is all that is there.
checked = cluster_fixture(overrides={"auto.create.topics.enable": "true", "num.partitions": "3"})
gateway = envoy_fixture(before="checked")


def mapping(*entries: dict) -> dict:
    return {"mapping": {"topics": list(entries)}}


def entry(name: str, virtual: int = 20, physical: int = 4) -> dict:
    return {"name": name, "virtual_partitions": virtual, "physical_partitions": physical}


def state(cluster: KafkaCluster) -> tuple:
    """What must not change: topics, ends of their logs, groups."""
    admin = cluster.admin
    listed = admin.list_topics(timeout=10).topics
    ends = {name: cluster.end_offsets(name, len(t.partitions)) for name, t in listed.items()}
    return ends, {g.group_id for g in admin.list_consumer_groups().result(10).valid}


def assert_lines(lines: list[str], *beginnings: str) -> None:
    for beginning in beginnings:
        assert any(line.startswith(beginning) for line in lines), (beginning, lines)


def groups_of(cluster: KafkaCluster, offsets: Iterable[tuple[str, str, int]]) -> None:
    """Commits around Envoy: (group, topic, partition)."""
    with Raw(cluster.ports[1]) as raw:
        for group, topic, partition in offsets:
            wait_for_coordinator(raw, group)
            assert set(commit(raw, group, {(topic, partition): Offset(1)}).values()) == {0}


def test_what_fits_is_fine_and_nothing_changes(checked: KafkaCluster, gateway: Envoy):
    checked.create_topic(name := topics.unique(topics.MODULO.name), 4)
    group = topics.unique("payments")
    with Raw(gateway.port(1)) as raw:
        raw.announce("apache-kafka-java")
        for v in range(20):
            for n in range(25):
                raw.append(name, v, [f"{v} {n}".encode()])
        wait_for_coordinator(raw, group)
        assert set(commit(raw, group, {(name, v): Offset(1) for v in range(12)}).values()) == {0}
    before = state(checked)
    outcome = check(topics.MAPPING, checked.bootstrap, "--grow-to", f"{name}=40")
    assert state(checked) == before
    assert (outcome.code, outcome.problem) == (0, ""), outcome
    assert "1 broker, " in outcome.report and "no problem was found\n" in outcome.report
    assert_lines(
        outcome.section("Topics"),
        f"{name}: 20 virtual partitions on 4, 5 lanes on each; partition 0 ends at 125, 0.0 % of offset_range",
        "note: regex lane\\..*: matches no topic of the cluster",
    )
    assert_lines(
        outcome.section("Brokers"),
        "note: auto.create.topics.enable=true on 1: a mapped topic that does not exist is made with num.partitions=3",
        "offsets.retention.minutes=10080 on 1, and shadow_groups.renew_ms is 3,600,000",
    )
    assert_lines(outcome.section("Groups and their shadows"), f"{group}: lane 0 holds 4; lane 1 holds 4, lane 2 holds 4")
    assert_lines(outcome.section("ACLs of groups"), "note: the brokers have no authorizer")
    lanes = outcome.section("Which virtual partitions share a physical one, and how they are filled")
    assert_lines(lanes, f"{name} partition 3 (offsets 0 to 125; sample of 125 records in 125 batches, ")
    assert any(line.endswith("is virtual 3 20 %, 7 20 %, 11 20 %, 15 20 %, 19 20 %") for line in lines_of(lanes, name)), lanes
    assert_lines(lanes, f"{name}: of 500 records sampled, virtual partition ")
    assert_lines(outcome.section("If virtual_partitions changed"), f"{name}: from 20 to 40: allowed while Envoy runs")


def lines_of(lines: list[str], topic: str) -> list[str]:
    return [line for line in lines if line.startswith(topic)]


def test_offsets_alone_where_nothing_is_to_be_read(checked: KafkaCluster):
    checked.create_topic(name := topics.unique("offsets"), 2)
    with Raw(checked.ports[1]) as raw:
        raw.append(name, 1, [b"a", b"b"])
    outcome = check(mapping(entry(name, 4, 2)), checked.bootstrap, "--sample-bytes", 0)
    lanes = outcome.section("Which virtual partitions share a physical one, and how they are filled")
    assert f"{name} partition 1 (offsets 0 to 2) is virtual 1, 3" in lanes
    assert outcome.code == 0


def test_what_does_not_fit_and_settings_that_matter(checked: KafkaCluster):
    few, many, absent = topics.unique("few"), topics.unique("many"), topics.unique("absent")
    append, compact, gzip, wide = (topics.unique(kind) for kind in ("append", "compact", "gzip", "deep"))
    checked.create_topic(few, 3)
    checked.create_topic(many, 6)
    checked.create_topic(append, 4, config={"message.timestamp.type": "LogAppendTime"})
    checked.create_topic(compact, 4, config={"cleanup.policy": "compact,delete"})
    checked.create_topic(gzip, 4, config={"compression.type": "gzip"})
    checked.create_topic(wide, 1)
    named = [entry(name) for name in (few, many, absent, append, compact, gzip)]
    outcome = check(mapping(*named, entry(wide, 300, 1)), checked.bootstrap)
    assert outcome.code == 1
    assert "\n3 problems\n" in outcome.report, outcome.report
    tool = f"kafka-topics.sh --bootstrap-server {checked.bootstrap}"
    says = "and its mapping says physical_partitions 4: the filter refuses it"
    assert_lines(
        outcome.section("Problems"),
        f"{few}: has 3 partitions, {says}. {tool} --alter --topic {few} --partitions 4 adds the missing ones",
        f"{many}: has 6 partitions, {says}. Set physical_partitions to 6 and virtual_partitions to a multiple of 6",
        f"{absent}: is in the mapping, and does not exist. {tool} --create --topic {absent} --partitions 4, or through Envoy "
        "with --partitions 20",
    )
    assert_lines(
        outcome.section("Topics"),
        f"note: {append}: message.timestamp.type=LogAppendTime",
        f"note: {compact}: cleanup.policy=compact,delete: of all virtual partitions on a physical one together the last",
        f"note: {gzip}: compression.type=gzip",
        f"note: {wide}: 300 lanes: a transactional batch has room for 256",
    )
    assert absent not in checked.admin.list_topics(timeout=10).topics  # although brokers create what is asked for


def test_offsets_that_have_no_room_and_lanes_that_nobody_reads(checked: KafkaCluster, gateway: Envoy):
    checked.create_topic(name := topics.unique(topics.ONE.name), 1)
    with Raw(gateway.port(1)) as raw:
        raw.announce("apache-kafka-java")
        raw.append(name, 3, [b"of lane 3"])
    outcome = check(mapping(entry(name, 2, 1)), checked.bootstrap)
    assert outcome.code == 1
    assert_lines(outcome.section("Problems"), f"{name}: 1 record of the sample are of lanes 3, and the mapping has 2")


def test_orphans_and_what_looks_like_a_shadow(checked: KafkaCluster):
    checked.create_topic(name := topics.unique("orphans"), 4)
    gone, there, fake = topics.unique("gone"), topics.unique("there"), f"{topics.unique('fake')}~1~abcdefgh"
    high = shadow_name(there, 7)
    groups_of(checked, [(shadow_name(gone, 2), name, 0), (there, name, 0), (high, name, 0), (fake, name, 0)])
    outcome = check(mapping(entry(name)), checked.bootstrap)
    assert outcome.code == 0, outcome
    assert_lines(
        outcome.section("Groups and their shadows"),
        f"note: {gone}: has shadows and is not there itself (lane 2 holds 1)",
        f"note: {high}: is of lane 7, which no mapping has: nobody reads what it holds",
        f"note: {fake}: looks like a shadow group and is none",
        f"{there}: lane 0 holds 1; lane 7 holds 1",
    )


def test_envoy_is_no_broker(gateway: Envoy):
    outcome = check(topics.MAPPING, gateway.bootstrap)
    assert (outcome.code, outcome.report) == (2, "")
    assert "is a partition remapper's address" in outcome.problem and "Name the brokers themselves" in outcome.problem


def test_an_envoy_file_beside_its_cluster(checked: KafkaCluster, gateway: Envoy, tmp_path):
    """The file that Envoy runs: all is well. With an address less a broker has no port, which only the cluster tells."""
    checked.create_topic(name := topics.unique(topics.MODULO.name), 4)
    outcome = check(gateway.file, checked.bootstrap)
    assert outcome.code == 0, outcome
    assert f"{gateway.file} is a bootstrap of Envoy with 1 listener, and 1 filter of this kind" in outcome.report
    assert any(name in line for line in outcome.section("Topics")), outcome.report
    text = gateway.file.read_text()
    bootstrap = json.loads(text)
    (listener,) = bootstrap["static_resources"]["listeners"]
    (config,) = (f["typed_config"]["config"] for f in listener["filter_chains"][0]["filters"] if "Wasm" in f["typed_config"]["@type"])
    value = json.loads(config["configuration"]["value"])
    value["advertise"] = {"ports": {"host": "127.0.0.1", "base": gateway.base - 7}}
    config["configuration"]["value"] = json.dumps(value)
    (changed := tmp_path / "envoy.json").write_text(json.dumps(bootstrap))
    outcome = check(changed, checked.bootstrap)
    assert outcome.code == 1, outcome
    port = gateway.base - 6
    assert f"broker 1 of the cluster is advertised as 127.0.0.1:{port}, and no listener has that port" in outcome.report


def test_nobody_there():
    outcome = check(topics.MAPPING, "127.0.0.1:1")
    assert (outcome.code, outcome.report) == (2, "")
    assert outcome.problem.startswith("127.0.0.1:1 cannot be reached: ")


def test_apache_kafka_keeps_the_tags(checked: KafkaCluster):
    before = state(checked)
    outcome = check(topics.MAPPING, checked.bootstrap, "--probe")
    assert outcome.code == 0, outcome
    assert outcome.section("Does the broker keep the tags of lanes") == [
        "yes: 15 batches of all codecs, plain and idempotent, came back byte for byte"
    ]
    assert state(checked) == before  # the topic of the probe's own is gone


def probed(checked: KafkaCluster, **config: str) -> Outcome:
    settings = {key.replace("_", "."): value for key, value in config.items()}
    checked.create_topic(name := topics.unique("probed"), 1, config=settings)
    outcome = check(topics.MAPPING, checked.bootstrap, "--probe", "--probe-topic", name)
    assert checked.end_offsets(name, 1) == [15]
    assert f"note: {name}: what the probe wrote into partition 0 stays there" in outcome.report
    return outcome


def test_brokers_that_rewrite_batches_are_seen_to(checked: KafkaCluster):
    outcome = probed(checked, compression_type="gzip")
    assert outcome.code == 0, outcome
    lines = outcome.section("Does the broker keep the tags of lanes")
    assert_lines(
        lines,
        "note: none plain lane 1: rewritten by the broker (none became gzip), and the tag was kept",
        "note: zstd idempotent lane 1: rewritten by the broker (zstd became gzip), and the tag was kept",
        "yes, though this topic's settings make the broker rewrite batches: 12 were, and 3 came back byte for byte",
    )
    lines = probed(checked, message_timestamp_type="LogAppendTime").section("Does the broker keep the tags of lanes")
    assert_lines(lines, "note: lz4 plain lane 255: rewritten by the broker (the broker's time), and the tag was kept")
    lines = probed(checked, cleanup_policy="compact").section("Does the broker keep the tags of lanes")
    assert any("cleanup.policy=compact: the cleaner rewrites batches later" in line for line in lines), lines


def test_a_mapped_topic_takes_no_probe(checked: KafkaCluster):
    checked.create_topic(name := topics.unique(topics.MODULO.name), 4)
    outcome = check(topics.MAPPING, checked.bootstrap, "--probe", "--probe-topic", name)
    assert (outcome.code, outcome.report) == (2, "")
    assert outcome.problem.startswith(f"--probe-topic {name}: the configuration maps this topic"), outcome
    assert checked.end_offsets(name, 4) == [0, 0, 0, 0]


def rule(
    cluster: KafkaCluster,
    group: str,
    user: str,
    pattern: ResourcePatternType,
    permission: AclPermissionType = AclPermissionType.ALLOW,
) -> None:
    binding = AclBinding(ResourceType.GROUP, group, pattern, f"User:{user}", "*", AclOperation.READ, permission)
    admin = cluster.admin  # must live until it has answered
    admin.create_acls([binding])[binding].result(10)


def commits(cluster: KafkaCluster, group: str, topic: str) -> bool:
    """Whether one of the brokers coordinates the group, and took an offset of it."""
    for port in cluster.ports.values():
        with Raw(port) as raw:
            find_coordinator(raw, group)
            if set(commit(raw, group, {(topic, 0): Offset(1)}).values()) == {0}:
                return True
    return False


def test_acls_that_cover_a_group_and_not_its_shadows(secured: KafkaCluster):
    secured.create_topic(name := topics.unique("acls"), 4, 1)
    bare, whole, denied = topics.unique("bare"), topics.unique("whole"), topics.unique("denied")
    for group in (bare, whole, denied):
        wait_until(f"an offset of {group}", lambda group=group: commits(secured, group, name))
    rule(secured, bare, "alice", ResourcePatternType.LITERAL)
    rule(secured, whole, "alice", ResourcePatternType.LITERAL)
    rule(secured, f"{whole}~", "alice", ResourcePatternType.PREFIXED)
    rule(secured, denied, "alice", ResourcePatternType.LITERAL)
    rule(secured, f"{denied}~", "alice", ResourcePatternType.PREFIXED)
    rule(secured, f"{denied}~", "alice", ResourcePatternType.PREFIXED, AclPermissionType.DENY)
    outcome = check(mapping(entry(name)), secured.bootstrap)
    assert outcome.code == 1, outcome
    wanted = f"--allow-principal 'User:alice' --operation Read --group '{bare}~' --resource-pattern-type prefixed"
    problems = outcome.section("Problems")
    assert any(line.startswith(f"{bare}: User:alice may use the group and not its shadows") for line in problems), problems
    assert wanted in "\n".join(problems) and whole not in "\n".join(problems)
    wanted = f"--remove --deny-principal 'User:alice' --operation Read --group '{denied}~' --resource-pattern-type prefixed"
    assert_lines(problems, f"{denied}: User:alice is denied Read on shadows of the group")
    assert wanted in "\n".join(problems) and "may use its shadows" not in outcome.report


@pytest.fixture
def no_deletions(secured: KafkaCluster) -> Iterator[None]:
    """Alice may make and read topics of probes, and no more: neither write nor delete."""
    topic = (ResourceType.TOPIC, PROBES, ResourcePatternType.PREFIXED)
    cluster = (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL)
    # Who may delete the cluster may delete topics, and anybody may as long as nothing is said of it.
    rules = [
        (*topic, "User:alice", "*", AclOperation.CREATE, AclPermissionType.ALLOW),
        (*topic, "User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW),
        (*cluster, "User:alice", "*", AclOperation.DELETE, AclPermissionType.DENY),
    ]
    admin = secured.admin  # must live until it has answered
    for future in admin.create_acls([AclBinding(*rule) for rule in rules]).values():
        future.result(10)
    yield
    for future in admin.delete_acls([AclBindingFilter(*rule) for rule in rules]).values():
        future.result(10)


@pytest.mark.usefixtures("no_deletions")
def test_a_topic_of_the_probes_own_that_cannot_be_deleted(secured: KafkaCluster, trust):
    bootstrap, tls = ",".join(secured.addresses("SASLTLS")), ("--ca-file", trust.brokers.certificate)
    login = ("--sasl-mechanism", "PLAIN", "--sasl-username", "alice", "--sasl-password-env", "SECRET")
    outcome = check({}, bootstrap, *tls, *login, "--probe", environment={"SECRET": USERS["alice"]})
    assert outcome.code == 1, outcome
    problems = outcome.section("Problems")
    [line] = (line for line in problems if line.startswith(PROBES))
    left = line.partition(":")[0]
    command = f"kafka-topics.sh --bootstrap-server {bootstrap} --delete --topic {left}"
    assert line == f"{left}: the probe's own topic cannot be deleted: TopicAuthorizationFailed. {command}"
    assert_lines(problems, "none plain lane 1: the broker does not take the batch: TopicAuthorizationFailed")
    admin = secured.admin
    admin.delete_topics([left])[left].result(10)  # it is there


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_logins_over_tls(mechanism: str, secured: KafkaCluster, trust, tmp_path):
    bootstrap = ",".join(secured.addresses("SASLTLS"))
    login = ("--sasl-mechanism", mechanism, "--sasl-username", "alice")
    (file := tmp_path / "password").write_text(USERS["alice"] + "\n")
    tls = ("--ca-file", trust.brokers.certificate)
    outcome = check({}, bootstrap, *tls, *login, "--sasl-password-file", file)
    assert (outcome.code, outcome.problem) == (0, ""), outcome
    assert f", as alice by {mechanism}: 2 brokers, " in outcome.report
    outcome = check({}, bootstrap, *tls, *login, "--sasl-password-env", "SECRET", environment={"SECRET": "wrong"})
    assert outcome.code == 2
    assert f"by {mechanism} failed: SaslAuthenticationFailed" in outcome.problem
    assert "wrong" not in outcome.problem


def test_the_configurations_own_login(secured: KafkaCluster, trust):
    config = {"upstream": {"sasl": {"mechanism": "SCRAM-SHA-512", "username": "gateway", "password": "${GATEWAY}"}}}
    bootstrap, tls = ",".join(secured.addresses("SASLTLS")), ("--ca-file", trust.brokers.certificate)
    outcome = check(config, bootstrap, *tls, environment={"GATEWAY": USERS["gateway"]})
    assert outcome.code == 0, outcome
    assert ", as gateway by SCRAM-SHA-512, as the configuration's upstream.sasl has it: " in outcome.report


def test_a_listener_that_wants_a_login(secured: KafkaCluster):
    outcome = check({}, ",".join(secured.addresses("SASL")))
    assert outcome.code == 2 and "does this listener want a login (--sasl-username)?" in outcome.problem, outcome


def test_client_certificates_and_wrong_transports(secured: KafkaCluster, trust):
    bootstrap, ca = ",".join(secured.addresses("TLS")), ("--ca-file", trust.brokers.certificate)
    mine = trust.gateway
    outcome = check({}, bootstrap, *ca, "--cert-file", mine.certificate, "--key-file", mine.key)
    assert outcome.code == 0, outcome
    for options, words in (
        (ca, "kafka-1.localhost:"),  # no certificate of the client's own
        (("--ca-file", trust.clients.certificate), "TLS: invalid peer certificate"),
        ((*ca, "--server-name", "elsewhere.example.com"), "TLS: invalid peer certificate"),
        ((), "does this listener want TLS (--tls)?"),
    ):
        outcome = check({}, bootstrap, "--timeout-s", 5, *options)
        assert outcome.code == 2 and words in outcome.problem, outcome
