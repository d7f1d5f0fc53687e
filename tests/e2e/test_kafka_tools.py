"""Kafka's own command-line tools through Envoy, each verb of each: they show virtual partitions and Envoy's
address, or say in words why not. tests/e2e/test_kafka_versions.py has the verifiable ones."""

import json
import re
from pathlib import Path

import pytest

from tests.harness import topics
from tests.harness.api_table import TABLE
from tests.harness.clients import Record
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture
from tests.harness.group_members import Group
from tests.harness.process import wait_until
from tests.harness.tools import Outcome, Tools

pytestmark = pytest.mark.remap
MODULO = topics.MODULO
ALL = list(range(MODULO.virtual))
OWN_ADDRESS = re.compile(r"kafka-1\.localhost")
SHADOW = re.compile(r"~\d+~[A-Za-z0-9]{8}\b")
CONFIGS, GROUPS = "kafka.admin.ConfigCommand", "consumer.group.ConsumerGroupCommand"
REASSIGN = "reassign.ReassignPartitionsCommand"

cluster = cluster_fixture(
    listeners={"INSIDE": "PLAINTEXT"},
    overrides={
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    },
)


@pytest.fixture(scope="module")
def shared_envoy(tmp_path_factory, cluster):
    """Whose broker calls itself kafka-1.localhost, where Envoy reaches it."""
    config = {**topics.MAPPING, "upstream": {"shared_administration": True}}
    with Envoy(tmp_path_factory.mktemp("envoy"), cluster, config, listener="INSIDE") as envoy:
        yield envoy


@pytest.fixture(scope="module")
def tools(programs):
    with Tools() as tools:
        yield tools


@pytest.fixture
def tool(tools, envoy):
    """tool(name, arguments…, code=0) runs a tool through Envoy, and gives what it says. `verb` stands before
    everything else; `code` None: any."""

    def run(name: str, *arguments: object, code: int | None = 0, stdin: str = "", verb: str | None = None) -> Outcome:
        first = [verb] if verb else []
        done = tools.run(name, *first, "--bootstrap-server", envoy.bootstrap, *arguments, stdin=stdin)
        assert code in (None, done.code), done.said
        assert not OWN_ADDRESS.search(done.said) and not SHADOW.search(done.said), done.said
        return done

    return run


@pytest.fixture
def filled(new_topic, raw) -> topics.Topic:
    """A topic with three records in each partition: the log of a physical one ends at 15."""
    topic = new_topic()
    for _ in range(3):
        for v in ALL:
            raw.append(topic.name, v, [b"%d" % v])
    return topic


def numbers(pattern: str, text: str) -> list[int]:
    """The first group of each match, sorted."""
    return sorted(int(n) for n in re.findall(pattern, text, re.M))


def as_file(directory: Path, content: dict) -> Path:
    file = directory / "argument.json"
    file.write_text(json.dumps({"version": 1, **content}))
    return file


def places(topic: topics.Topic, partitions: list[int] = ALL, **fields) -> dict:
    return {"partitions": [{"topic": topic.name, "partition": v, **fields} for v in partitions]}


# Topics: kafka-topics, kafka-configs, kafka-delete-records, kafka-get-offsets.


def physical_count(cluster, name: str) -> int:
    return len(cluster.admin.list_topics(name, timeout=10).topics[name].partitions)


@pytest.mark.parametrize("partitions", [("--partitions", MODULO.virtual), ()])
def test_topics_are_created_shown_and_deleted(partitions, tool, cluster, raw):
    name = topics.unique(MODULO.name)
    for _ in range(2):  # the second time with the name of a topic that was deleted
        assert f"Created topic {name}" in tool("TopicCommand", "--create", "--topic", name, *partitions).out
        cluster.wait_for_leaders(name, MODULO.physical)
        assert physical_count(cluster, name) == MODULO.physical
        assert name in tool("TopicCommand", "--list").lines
        shown = tool("TopicCommand", "--describe", "--topic", name).out
        assert f"PartitionCount: {MODULO.virtual}" in shown
        assert numbers(rf"Topic: {re.escape(name)}\s+Partition: (\d+)", shown) == ALL
        offset = raw.append(name, 19, [b"value"])
        assert raw.read_all(name, 19) == [(offset, b"value")] and raw.read_all(name, 3) == []
        tool("TopicCommand", "--delete", "--topic", name)
        wait_until("topic gone", lambda: name not in tool("TopicCommand", "--list").lines)


def test_another_count_of_partitions_is_refused_with_both_numbers(tool, filled):
    name = topics.unique(MODULO.name)
    for wrong in (MODULO.physical, MODULO.virtual + 1):
        said = tool("TopicCommand", "--create", "--topic", name, "--partitions", wrong, code=1).said
        assert f"{MODULO.virtual} virtual partitions on {MODULO.physical} physical ones" in said
        assert f"{wrong} were asked for" in said
    said = tool("TopicCommand", "--create", "--topic", name, "--replica-assignment", "1,1,1,1", code=1).said
    assert "replicas cannot be assigned to them one by one" in said
    said = tool("TopicCommand", "--alter", "--topic", filled.name, "--partitions", 40, code=1).said
    assert "raise virtual_partitions" in said


def test_topics_that_exist_are_not_created_again(tool, filled, cluster):
    create = ("--create", "--topic", filled.name, "--partitions", MODULO.virtual)
    assert "TopicExistsException" in tool("TopicCommand", *create, code=1).said
    tool("TopicCommand", *create, "--if-not-exists")
    assert physical_count(cluster, filled.name) == MODULO.physical


def test_topics_are_described_by_their_ids(tool, filled):
    (topic_id,) = re.findall(r"TopicId: (\S+)", tool("TopicCommand", "--describe", "--topic", filled.name).out)
    assert numbers(r"Partition: (\d+)", tool("TopicCommand", "--describe", "--topic-id", topic_id).out) == ALL


def test_topics_that_are_not_mapped_are_created_and_grow(tool, cluster):
    name = topics.unique("unmapped")
    tool("TopicCommand", "--create", "--topic", name, "--partitions", 2)
    tool("TopicCommand", "--alter", "--topic", name, "--partitions", 3)
    wait_until("its partitions", lambda: physical_count(cluster, name) == 3)


def test_topics_with_troubles_are_found(tool, filled):
    for trouble in ("--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions"):
        assert not tool("TopicCommand", "--describe", trouble).lines
    shown = tool("TopicCommand", "--describe", "--topic", filled.name, "--at-min-isr-partitions").out
    assert numbers(r"Partition: (\d+)", shown) == ALL


def test_settings_of_topics(tool, filled):
    topic = ("--topic", filled.name)
    tool(CONFIGS, "--alter", *topic, "--add-config", "retention.ms=123456789")
    assert "retention.ms=123456789" in tool(CONFIGS, "--describe", *topic).out
    tool(CONFIGS, "--alter", *topic, "--delete-config", "retention.ms")
    assert "123456789" not in tool(CONFIGS, "--describe", *topic, "--all").out


def test_settings_of_brokers(tool):
    tool(CONFIGS, "--alter", "--broker", 1, "--add-config", "log.cleaner.threads=2")
    assert "log.cleaner.threads=2" in tool(CONFIGS, "--describe", "--broker", 1).out
    tool(CONFIGS, "--alter", "--broker", 1, "--delete-config", "log.cleaner.threads")
    everything = tool(CONFIGS, "--describe", "--broker", 1, "--all").out
    assert "node.id=1" in everything and re.search(r"^  advertised\.listeners=null sensitive=true", everything, re.M)


@pytest.mark.parametrize(
    "entity, setting",
    [
        (("--user", "somebody"), "consumer_byte_rate=1000000.0"),
        (("--client", "something"), "producer_byte_rate=1000000.0"),
        (("--user", "somebody", "--client", "something"), "request_percentage=50.0"),
        (("--ip", "10.0.0.1"), "connection_creation_rate=100.0"),
        (("--group", "somewhere"), "consumer.session.timeout.ms=50000"),
        (("--client-metrics", "some"), "interval.ms=30000"),
    ],
)
def test_settings_of_others(entity, setting, tool):
    tool(CONFIGS, "--alter", *entity, "--add-config", setting)
    assert setting in tool(CONFIGS, "--describe", *entity).out
    tool(CONFIGS, "--alter", *entity, "--delete-config", setting.partition("=")[0])
    assert setting not in tool(CONFIGS, "--describe", *entity).out


def test_passwords_of_users(tool):
    user = ("--user", "somebody")
    tool(CONFIGS, "--alter", *user, "--add-config", "SCRAM-SHA-256=[password=secret]")
    assert "SCRAM-SHA-256=iterations=4096" in tool(CONFIGS, "--describe", *user).out
    tool(CONFIGS, "--alter", *user, "--delete-config", "SCRAM-SHA-256")


@pytest.mark.parametrize("time, offset", [("latest", 15), ("earliest", 0), ("max-timestamp", 14), (0, 0)])
def test_offsets(time, offset, tool, filled):
    shown = tool("GetOffsetShell", "--topic", filled.name, "--time", time).lines
    assert sorted(shown) == sorted(f"{filled.name}:{v}:{offset}" for v in ALL)


def test_offsets_of_some_partitions(tool, filled):
    assert tool("GetOffsetShell", "--topic", filled.name, "--partitions", "7,19").lines == [f"{filled.name}:{v}:15" for v in (19, 7)]
    assert tool("GetOffsetShell", "--topic-partitions", f"{filled.name}:18-").lines == [f"{filled.name}:{v}:15" for v in (18, 19)]


def test_records_are_deleted_of_all_siblings_or_of_none(tool, filled, raw, envoy, tmp_path):
    one = as_file(tmp_path, places(filled, [7], offset=9))
    said = tool("DeleteRecordsCommand", "--offset-json-file", one).out
    assert f"partition: {filled.name}-7\terror: org.apache.kafka.common.errors.PolicyViolationException" in said
    assert re.search(rf"topic {filled.name}: records of partitions 7 were not deleted", envoy.log.read_text())
    everything = as_file(tmp_path, places(filled, offset=10))
    said = tool("DeleteRecordsCommand", "--offset-json-file", everything).out
    assert numbers(rf"partition: {re.escape(filled.name)}-(\d+)\s+low_watermark: 10$", said) == ALL
    assert tool("GetOffsetShell", "--topic", filled.name, "--time", "earliest", "--partitions", 7).lines == [f"{filled.name}:7:10"]
    assert [value for _, value in raw.read_all(filled.name, 7)] == [b"7"]


# Groups: kafka-consumer-groups, kafka-groups, kafka-share-groups, kafka-streams-groups.


@pytest.fixture
def group(tool, filled) -> str:
    """A group that has read the topic, and has no members any more."""
    name = topics.unique("console")
    everything = ("--from-beginning", "--max-messages", 60, "--timeout-ms", 10000)
    tool("consumer.ConsoleConsumer", "--topic", filled.name, "--group", name, *everything)
    return name


def positions(tool, group: str, topic: topics.Topic) -> dict[int, int]:
    """Partition → committed offset."""
    shown = tool(GROUPS, "--describe", "--group", group).out
    rows = re.findall(rf"^{group}\s+{re.escape(topic.name)}\s+(\d+)\s+(\d+)\s+15\s", shown, re.M)
    return {int(v): int(offset) for v, offset in rows}


def test_groups_are_listed_and_described(tool, filled, group):
    assert tool(GROUPS, "--list").lines.count(group) == 1
    assert re.search(rf"^{group}\s+Empty", tool(GROUPS, "--list", "--state").out, re.M)
    assert re.search(rf"^{group}\s+Classic\s+consumer", tool("GroupsCommand", "--list").out, re.M)
    assert re.search(rf"^{group}\s+127\.0\.0\.1:\d+.*Empty\s+0$", tool(GROUPS, "--describe", "--group", group, "--state").out, re.M)
    assert "has no active members" in tool(GROUPS, "--describe", "--group", group, "--members", "--verbose").said
    assert set(positions(tool, group, filled)) == set(ALL)
    assert numbers(rf"^{group}\s+\S+\s+(\d+)", tool(GROUPS, "--describe", "--all-groups").out) == ALL


def test_members_are_described(tool, programs, filled, envoy, tmp_path):
    name = topics.unique("members")
    with Group(programs["librdkafka"], envoy.bootstrap, filled.name, name, "range", tmp_path) as running:
        member = running.start()
        running.wait_for({(v, Record(o, str(v))) for v in ALL for o in range(filled.lane_of(v), 15, 5)})
        shown = tool(GROUPS, "--describe", "--group", name, "--members", "--verbose").out
        assert f"{filled.name}:{','.join(map(str, ALL))}" in shown
        assert re.search(rf"^{name}\s+.*range\s+Stable\s+1$", tool(GROUPS, "--describe", "--group", name, "--state").out, re.M)
        assert "GroupNotEmptyException" in tool(GROUPS, "--delete", "--group", name).out
        said = tool(GROUPS, "--delete-offsets", "--group", name, "--topic", filled.name).out
        assert numbers(r"^\S+\s+(\d+)\s+Error: .*GroupSubscribedToTopicException", said) == ALL
        said = tool(GROUPS, "--reset-offsets", "--group", name, "--topic", filled.name, "--to-earliest", "--execute").said
        assert f"Assignments can only be reset if the group '{name}' is inactive" in said
        member.stop()


@pytest.mark.parametrize(
    "how, offset",
    [
        (("--to-earliest",), 0),
        (("--to-latest",), 15),
        (("--shift-by", -1), 14),
        (("--to-offset", 4), 4),
        (("--by-duration", "PT1H"), 0),
        (("--to-datetime", "2020-01-01T00:00:00.000"), 0),
        (("--to-current",), 15),
    ],
)
def test_offsets_are_reset(how, offset, tool, filled, group):
    tool(GROUPS, "--reset-offsets", "--group", group, "--topic", filled.name, "--to-latest", "--execute")
    shown = tool(GROUPS, "--reset-offsets", "--group", group, "--topic", filled.name, *how, "--execute").out
    assert numbers(rf"^{group}\s+{re.escape(filled.name)}\s+(\d+)\s+{offset}\s*$", shown) == ALL
    assert positions(tool, group, filled) == dict.fromkeys(ALL, offset)


def test_offsets_are_reset_from_a_file_and_in_all_groups(tool, filled, group, tmp_path):
    plan = tool(GROUPS, "--reset-offsets", "--group", group, "--topic", f"{filled.name}:6,7", "--to-offset", 5, "--export", "--dry-run").out
    assert sorted(plan.split()) == [f"{filled.name},{v},5" for v in (6, 7)]
    file = tmp_path / "offsets.csv"
    file.write_text("".join(f"{filled.name},{v},{v % 15}\n" for v in ALL))
    tool(GROUPS, "--reset-offsets", "--group", group, "--from-file", file, "--execute")
    assert positions(tool, group, filled) == {v: v % 15 for v in ALL}
    tool(GROUPS, "--reset-offsets", "--all-groups", "--all-topics", "--to-earliest", "--execute")
    assert positions(tool, group, filled) == dict.fromkeys(ALL, 0)


def test_offsets_and_groups_are_deleted(tool, filled, group, cluster):
    said = tool(GROUPS, "--delete-offsets", "--group", group, "--topic", f"{filled.name}:7").out
    assert numbers(r"^\S+\s+(\d+)\s+Successful", said) == [7]
    assert set(positions(tool, group, filled)) == set(ALL) - {7}
    said = tool(GROUPS, "--delete-offsets", "--group", group, "--topic", filled.name).out
    assert numbers(r"^\S+\s+(\d+)\s+Successful", said) == ALL
    tool(GROUPS, "--reset-offsets", "--group", group, "--topic", filled.name, "--to-earliest", "--execute")
    assert f"Deletion of requested consumer groups ('{group}') was successful" in tool(GROUPS, "--delete", "--group", group).out
    assert group not in tool(GROUPS, "--list").out
    admin = cluster.admin  # held: without it the answer may never come
    assert not [g.group_id for g in admin.list_consumer_groups().result(30).valid if g.group_id.startswith(group)]


@pytest.mark.parametrize("name, words", [
    ("consumer.group.ShareGroupCommand", "SHARE_GROUP_DESCRIBE"),
    ("streams.StreamsGroupCommand", "STREAMS_GROUP_DESCRIBE"),
])
def test_groups_of_other_kinds_are_refused_in_words(name, words, tool, group):
    assert group not in tool(name, "--list").out
    assert f"The node does not support {words}" in tool(name, "--describe", "--group", "any", code=None).said


# Records: the console programs, and those that measure.


def test_the_console_writes_and_reads(tool, new_topic, raw):
    topic = new_topic()
    lines = "".join(f"key-{n}:value-{n}\n" for n in range(40))
    keys = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
    tool("ConsoleProducer", "--topic", topic.name, *keys, stdin=lines)
    wanted = sorted((v, value.decode()) for v in ALL for _, value in raw.read_all(topic.name, v))
    assert sorted(value for _, value in wanted) == sorted(f"value-{n}" for n in range(40))
    assert max(v for v, _ in wanted) >= topic.family.physical
    everything = ("--max-messages", 40, "--timeout-ms", 10000, "--formatter-property", "print.partition=true")
    read = tool("consumer.ConsoleConsumer", "--topic", topic.name, "--from-beginning", *everything).lines
    assert sorted(read) == sorted(f"Partition:{v}\t{value}" for v, value in wanted)
    v, _ = wanted[-1]
    mine = sorted(value for partition, value in wanted if partition == v)
    one = ("--partition", v, "--offset", "earliest", "--max-messages", len(mine), "--timeout-ms", 10000)
    assert sorted(tool("consumer.ConsoleConsumer", "--topic", topic.name, *one).lines) == mine


def test_the_console_of_share_groups_is_refused_in_words(tool, filled):
    said = tool("consumer.ConsoleShareConsumer", "--topic", filled.name, "--max-messages", 1, "--timeout-ms", 1000).said
    assert "The cluster does not support the share group protocol" in said


def test_programs_that_measure(tool, new_topic):
    topic = new_topic()
    said = tool("ProducerPerformance", "--topic", topic.name, "--num-records", 2000, "--record-size", 100, "--throughput", -1).out
    assert "2000 records sent" in said
    said = tool("ConsumerPerformance", "--topic", topic.name, "--num-records", 2000, "--timeout", 10000).lines[-1]
    assert said.split(", ")[4] == "2000"
    said = tool("EndToEndLatency", "--topic", topic.name, "--num-records", 50, "--producer-acks", 1, "--record-size", 20).out
    assert "Avg latency" in said


# Brokers and the cluster.


def test_what_brokers_understand(tool, envoy):
    said = tool("BrokerApiVersionsCommand").out
    assert said.startswith(f"127.0.0.1:{envoy.port(1)} (id: 1 ")
    offered = dict(re.findall(r"^\s(\w+)\(\d+\): ([^\[,\n]*[\w])", said, re.M))
    assert offered["Produce"] == "3 to 12" and offered["ShareFetch"] == "UNSUPPORTED"
    for line in TABLE.values():
        if not line.is_offered and line.name in offered:
            assert offered[line.name] == "UNSUPPORTED", line


def test_the_cluster(tool, tools, cluster, envoy):
    cluster_id = tool("ClusterTool", verb="cluster-id").out
    assert cluster_id == tools.run("ClusterTool", "cluster-id", "--bootstrap-server", cluster.bootstrap).out
    for options in ((), ("--include-fenced-brokers",)):
        endpoints = tool("ClusterTool", *options, verb="list-endpoints").lines
        assert [line.split()[:3] for line in endpoints[1:]] == [["1", "127.0.0.1", str(envoy.port(1))]]
    said = tool("ClusterTool", "--id", 9, verb="unregister").said
    assert "does not support the broker unregistration API" in said


def test_acls(tool, filled):
    def shown() -> str:
        return tool("AclCommand", "--list", "--principal", "User:somebody").out

    who = ("--allow-principal", "User:somebody")
    tool("AclCommand", "--add", *who, "--consumer", "--topic", filled.name, "--group", "readers")
    tool("AclCommand", "--add", *who, "--producer", "--topic", filled.name, "--resource-pattern-type", "prefixed")
    wanted = [("TOPIC", filled.name, "LITERAL"), ("TOPIC", filled.name, "PREFIXED"), ("GROUP", "readers", "LITERAL")]
    for kind, name, pattern in wanted:
        assert f"ResourcePattern(resourceType={kind}, name={name}, patternType={pattern})" in shown()
    tool("AclCommand", "--remove", "--force", *who, "--consumer", "--topic", filled.name, "--group", "readers")
    tool("AclCommand", "--remove", "--force", *who, "--producer", "--topic", filled.name, "--resource-pattern-type", "prefixed")
    assert "ResourcePattern" not in shown()


def test_leaders_are_elected(tool, filled, tmp_path):
    named = as_file(tmp_path, places(filled))
    for which in (("--topic", filled.name, "--partition", 7), ("--path-to-json-file", named), ("--all-topic-partitions",)):
        said = tool("LeaderElectionCommand", "--election-type", "preferred", *which).out
        assert "Valid replica already elected" in said or not said.strip()
        told = numbers(rf"{re.escape(filled.name)}-(\d+)\b", said)
        assert told in ([7] if "--topic" in which else ALL, []), said


def test_replicas_are_reassigned(tool, filled, tmp_path):
    moved = tmp_path / "topics.json"
    moved.write_text(json.dumps({"version": 1, "topics": [{"topic": filled.name}]}))
    said = tool(REASSIGN, "--generate", "--topics-to-move-json-file", moved, "--broker-list", 1).out
    plan = json.loads(said.splitlines()[-1])
    assert sorted(p["partition"] for p in plan["partitions"]) == ALL
    everything = as_file(tmp_path, plan)
    assert "Successfully started partition reassignments" in tool(REASSIGN, "--execute", "--reassignment-json-file", everything).out

    def verify() -> str:
        return tool(REASSIGN, "--verify", "--reassignment-json-file", everything).out

    wait_until("replicas moved", lambda: "still in progress" not in verify())
    assert numbers(rf"Reassignment of partition {re.escape(filled.name)}-(\d+) is completed", verify()) == ALL
    assert "No partition reassignments found" in tool(REASSIGN, "--list").out
    tool(REASSIGN, "--cancel", "--reassignment-json-file", everything)


def test_siblings_are_not_reassigned_alone(tool, filled, tmp_path):
    one = as_file(tmp_path, places(filled, [7], replicas=[1]))
    said = tool(REASSIGN, "--execute", "--reassignment-json-file", one, code=1).said
    assert "lie in one log and move together" in said


def test_the_sizes_of_logs_are_told_once(tool, filled):
    named = json.loads(tool("LogDirsCommand", "--describe", "--topic-list", filled.name).lines[-1])
    everything = json.loads(tool("LogDirsCommand", "--describe").lines[-1])
    for told in (named, everything):
        (directory,) = told["brokers"][0]["logDirs"]
        sizes = {p["partition"]: p["size"] for p in directory["partitions"] if p["partition"].startswith(f"{filled.name}-")}
        assert sizes.keys() == {f"{filled.name}-{p}" for p in range(MODULO.physical)} and min(sizes.values()) > 0


def test_features(tool):
    said = tool("FeatureCommand", "describe").out
    assert "metadata.version" in said and "group.version" not in said and "share.version" not in said
    said = tool("FeatureCommand", "upgrade", "--feature", "group.version=1", code=1).out
    assert "The node does not support UPDATE_FEATURES" in said


def test_the_quorum(tool, cluster):
    status, replication = (tool("MetadataQuorumCommand", "describe", what).out for what in ("--status", "--replication"))
    assert re.search(r"^LeaderId:\s+1$", status, re.M) and re.search(r"^1\s.*Leader", replication, re.M)
    assert "127.0.0.1" not in status


def test_clients_metrics(tool):
    tool("ClientMetricsCommand", "--alter", "--name", "some", "--interval", 30000, "--metrics", "org.apache.kafka.")
    assert tool("ClientMetricsCommand", "--list").lines == ["some"]
    assert "interval.ms=30000" in tool("ClientMetricsCommand", "--describe", "--name", "some").out
    tool("ClientMetricsCommand", "--delete", "--name", "some")
    assert tool("ClientMetricsCommand", "--list").lines == []


# Transactions.


def test_producers_are_described(tool, filled, raw):
    ids = {}
    for v in (3, 7, 19):
        ids[v], epoch = raw.init_producer_id()
        raw.append(filled.name, v, [b"value"], producer=(ids[v], epoch, 0))
    for v, writers in ((3, [3]), (7, [7]), (19, [19]), (11, [])):
        said = tool("TransactionsCommand", "describe-producers", "--topic", filled.name, "--partition", v).out
        assert numbers(r"^(\d+)\s", said) == sorted(ids[w] for w in writers), said


def test_there_are_no_transactions(tool, filled):
    assert len(tool("TransactionsCommand", "list").lines) == 1
    assert len(tool("TransactionsCommand", "find-hanging", "--broker-id", 1).lines) <= 1
    said = tool("TransactionsCommand", "abort", "--topic", filled.name, "--partition", 7, "--start-offset", 0, code=1).said
    assert "Could not find any open transactions starting at offset 0" in said
    said = tool("TransactionsCommand", "describe", "--transactional-id", "some", code=1).said
    assert "Failed to describe transaction state of transactional-id `some`" in said
