"""Consumer groups of real clients, whose members come, go and die under load: nothing lost,
after clean stops nothing twice."""

import re
import time

import pytest

from tests.harness import groups, topics
from tests.harness.clients import Record
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.group_members import Group, written
from tests.harness.kafka import run_tool
from tests.harness.load import Load
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw

PER_SECOND = 400

# Each library with the assignor for its hardest test, and how many members it grows to.
LIFE = {
    "java": ("cooperative-sticky", 3),
    "librdkafka": ("range", 10),
    "kafka-python": ("sticky", 3),
    "aiokafka": ("roundrobin", 3),
    "kafkajs": ("roundrobin", 3),
    "franz-go": ("cooperative-sticky", 3),
    "sarama": ("sticky", 3),
}

# The other assignors that it has, and commits by itself (auto) or by the program.
OTHERS = {
    "java": {"range": "auto", "roundrobin": "manual", "sticky": "manual"},
    "librdkafka": {"roundrobin": "auto", "cooperative-sticky": "manual"},
    "kafka-python": {"range": "auto", "roundrobin": "manual", "cooperative-sticky": "manual"},
    "aiokafka": {"range": "auto", "sticky": "manual"},
    "kafkajs": {"roundrobin": "auto"},
    "franz-go": {"range": "auto", "roundrobin": "manual", "sticky": "manual"},
    "sarama": {"range": "auto", "roundrobin": "manual"},
}


@pytest.mark.parametrize("name", LIFE)
def test_members_come_and_go_and_die(name, programs, envoy, raw, new_topic, tmp_path):
    topic, (assignor, size) = new_topic(), LIFE[name]
    with Group(programs[name], envoy.bootstrap, topic.name, topics.unique(name), assignor, tmp_path) as group:
        with Load(envoy.bootstrap, topic.name, topic.virtual, True, PER_SECOND) as load:
            group.wait_for_share(group.start())
            group.start(size - 1)
            for m in group.members:
                group.wait_for_share(m)
            group.members[0].stop()
            group.wait_for(written(load))
            assert_once_so_far(group)
            group.members[1].kill()
            group.wait_for_share(group.start())
            group.wait_for(written(load))
        group.wait_for(written(load))
        group.stop()
        group.check(written(load), once=False)
        go_on_where_they_were([group], raw, topic)


@pytest.mark.parametrize("name", OTHERS)
def test_every_assignor(name, programs, envoy, raw, new_topic, tmp_path):
    """Without deaths, so that groups which commit by hand get each record once."""
    topic = new_topic()
    running = [
        Group(programs[name], envoy.bootstrap, topic.name, topics.unique(f"{name}-{a}"), a, tmp_path, commit == "auto")
        for a, commit in OTHERS[name].items()
    ]
    try:
        with Load(envoy.bootstrap, topic.name, topic.virtual, True, PER_SECOND) as load:
            for step in range(2):
                for group in running:
                    group.start()
                for group in running:
                    group.wait_for_share(group.members[step])
            for group in running:
                group.members[0].stop()
        for group in running:
            group.wait_for(written(load))
        for group, commit in zip(running, OTHERS[name].values()):
            group.stop()
            group.check(written(load), once=commit == "manual")
        go_on_where_they_were(running, raw, topic)
    finally:
        for group in running:
            group.__exit__()


def assert_once_so_far(group: Group) -> None:
    twice = [record for record, n in group.delivered().items() if n > 1]
    assert not twice, f"{group.name}: {len(twice)} delivered twice although nobody had died: {sorted(twice)[:5]}"


def go_on_where_they_were(running: list[Group], raw: Raw, topic: topics.Topic) -> None:
    """Started anew, each group gets the records that are written now, from every virtual partition,
    and none that it had before."""
    new = {(v, Record(raw.append(topic.name, v, [b"new-%d" % v]), f"new-{v}")) for v in range(topic.virtual)}
    for group in running:
        group.start()
    for group in running:
        group.wait_for(new)
        group.stop()
        assert sorted(group.members[-1].delivered) == sorted(new)


@pytest.mark.parametrize("name", ["java", "librdkafka"])
def test_static_members_come_back_to_what_they_had(name, programs, envoy, new_topic, tmp_path):
    topic = new_topic()
    with Group(programs[name], envoy.bootstrap, topic.name, topics.unique(name), "range", tmp_path) as group:
        with Load(envoy.bootstrap, topic.name, topic.virtual, True, PER_SECOND) as load:
            first = group.start(instance="a")
            group.wait_for_share(first)
            second = group.start(instance="b")
            group.wait_for_share(second)
            wait_until("the assignment", lambda: len(first.assigned[-1]) == len(second.assigned[-1]) == 10)
            rebalances = len(first.assigned)
            for end in (second.stop, lambda: second.kill()):
                end()
                again = group.start(instance="b")
                group.wait_for_share(again)
                assert again.assigned[-1] == second.assigned[-1]
                second = again
            assert len(first.assigned) == rebalances, "nobody else may have noticed"
            group.wait_for(written(load))
        group.wait_for(written(load))
        group.stop()
        group.check(written(load), once=False)


@pytest.mark.remap
def test_a_group_from_before_the_mapping_goes_on(programs, cluster, envoy, raw, direct, new_topic, tmp_path):
    topic, name = new_topic(), topics.unique("older")
    old = {(p, Record(direct.append(topic.name, p, [b"old-%d" % p]), f"old-{p}")) for p in range(topic.family.physical)}
    with Group(programs["java"], cluster.bootstrap, topic.name, name, "range", tmp_path) as before:
        before.start()
        before.wait_for(old)
        before.stop()
    with Group(programs["librdkafka"], envoy.bootstrap, topic.name, name, "range", tmp_path) as group:
        go_on_where_they_were([group], raw, topic)


def tool(envoy: Envoy, *arguments: str) -> str:
    """kafka-consumer-groups.sh through Envoy."""
    done = run_tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", envoy.bootstrap, *arguments)
    assert done.returncode == 0 and "Error" not in done.stdout, done.stdout + done.stderr
    return done.stdout


def table(output: str, group: str) -> dict[int, dict[str, str]]:
    """The lines of `group` by partition; keys are the columns' names."""
    lines = [line.split() for line in output.splitlines() if line.strip()]
    start, columns = next((i, words) for i, words in enumerate(lines) if words[0] == "GROUP")
    rows = [dict(zip(columns, words)) for words in lines[start + 1 :] if words[0] == group]
    assert len({row["PARTITION"] for row in rows}) == len(rows), output
    return {int(row["PARTITION"]): row for row in rows}


def test_kafka_consumer_groups(programs, envoy, raw, new_topic, tmp_path):
    """Kafka's own tool sees one group that has virtual partitions."""
    topic, name = new_topic(), topics.unique("tool")
    first = {v: raw.append(topic.name, v, [b"x"]) for v in range(20)}
    last = {v: raw.append(topic.name, v, [b"y"]) for v in range(20)}
    with Group(programs["librdkafka"], envoy.bootstrap, topic.name, name, "range", tmp_path) as group:
        group.start()
        group.wait_for({(v, Record(offset, "y")) for v, offset in last.items()})
        wait_until("the commit", lambda: len(groups.fetch(raw, name, None)) == 20)
        described = table(tool(envoy, "--describe", "--group", name), name)
        assert {v: int(row["CURRENT-OFFSET"]) for v, row in described.items()} == {v: o + 1 for v, o in last.items()}
        ends = {v: raw.list_offset(topic.name, v, LATEST) for v in range(20)}
        assert {v: int(row["LOG-END-OFFSET"]) for v, row in described.items()} == ends
        assert len({row["CONSUMER-ID"] for row in described.values()}) == 1
        members = tool(envoy, "--describe", "--group", name, "--members", "--verbose")
        assert re.search(rf"{re.escape(topic.name)}[(:]\S*", members), members
        group.stop()
    listed = tool(envoy, "--list", "--state").split()
    assert name in listed
    # Groups of other tests may have such names themselves.
    assert not [word for word in listed if word.startswith(f"{name}~")]
    reset = tool(envoy, "--reset-offsets", "--group", name, "--topic", f"{topic.name}:0,5,19", "--to-earliest", "--execute")
    assert set(table(reset, name)) == {0, 5, 19}
    assert all(groups.fetch(raw, name, None)[topic.name, v].offset <= first[v] for v in (0, 5, 19))
    shifted = tool(envoy, "--reset-offsets", "--group", name, "--all-topics", "--shift-by", "-1", "--execute")
    assert set(table(shifted, name)) == set(range(20))
    tool(envoy, "--delete-offsets", "--group", name, "--topic", f"{topic.name}:1,5,18")
    left = {v for _, v in groups.fetch(raw, name, None)}
    assert left == set(range(20)) - {1, 5, 18}
    tool(envoy, "--delete", "--group", name)
    assert groups.fetch(raw, name, None) == {}
    assert name not in tool(envoy, "--list").split()


three = cluster_fixture(brokers=3)
gateway = envoy_fixture(before="three")


def test_the_coordinator_dies_under_load(three, gateway, programs, tmp_path, passthrough):
    cluster, envoy = three, gateway
    topic, name = topics.Topic(topics.WIDE, topics.unique("wide")), topics.unique("coordinated")
    cluster.create_topic(topic.name, topic.virtual if passthrough else topic.family.physical, 3, {"min.insync.replicas": "2"})
    with Raw(envoy.base) as raw:
        coordinator = groups.find_coordinator(raw, name)
        assert passthrough or coordinator["port"] == envoy.port(coordinator["node_id"])
    with Raw(cluster.ports[1]) as direct:
        homes = {groups.find_coordinator(direct, groups.shadow_name(name, lane))["node_id"] for lane in range(4)}
        assert homes == {coordinator["node_id"]}
    with (
        Group(programs["librdkafka"], envoy.bootstrap, topic.name, name, "range", tmp_path) as group,
        Group(programs["java"], envoy.bootstrap, topic.name, name, "range", tmp_path) as other,
    ):
        with Load(envoy.bootstrap, topic.name, topic.virtual, True, PER_SECOND) as load:
            group.start(2)
            for m in group.members:
                group.wait_for_share(m)
            cluster.kill(coordinator["node_id"])
            before = load.acked_count()
            wait_until("acknowledgements", lambda: load.acked_count() > before + PER_SECOND, 60)
            group.wait_for(written(load), 90)
            cluster.restart(coordinator["node_id"])
            time.sleep(2)
            group.wait_for(written(load), 90)
        assert not load.failed, load.failed[:3]
        group.wait_for(written(load))
        group.stop()
        group.check(written(load), once=False)
        # Another library, around nothing but the committed offsets: it has nothing left to read.
        other.start()
        wait_until("its assignment", lambda: other.members[0].assigned and other.members[0].assigned[-1])
        time.sleep(2)
        other.stop()
        assert not other.delivered()
