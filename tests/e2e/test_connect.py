"""Kafka Connect: standalone and distributed workers that make their topics through Envoy. What a source has read
comes out of a sink, also when a worker dies."""

import itertools
import re
from pathlib import Path

import pytest

from tests.harness import groups, topics
from tests.harness.connect import Worker, own_topics
from tests.harness.envoy import Envoy
from tests.harness.kafka import KafkaCluster
from tests.harness.raw import LATEST

KEYS = {  # file sources give records no key: these are spread by their text
    "transforms": "line,key,bare,plain",
    "transforms.line.type": "org.apache.kafka.connect.transforms.HoistField$Value",
    "transforms.line.field": "line",
    "transforms.key.type": "org.apache.kafka.connect.transforms.ValueToKey",
    "transforms.key.fields": "line",
    "transforms.bare.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
    "transforms.bare.field": "line",
    "transforms.plain.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
    "transforms.plain.field": "line",
}
STORES = {"config": "configs", "offset": "offsets", "status": "status"}
"""Where Connect keeps what it knows: its names, and the ends of the topics' names."""
QUICK = {"consumer.session.timeout.ms": 6000, "consumer.heartbeat.interval.ms": 1000}
"""Members that have died are given up soon."""
BROKERS_DEFAULT = -1
"""As a number of partitions: of a mapped topic, V."""


def source(file: Path, topic: str, partitions: int) -> dict:
    """A connector that writes each line of the file to the topic, which Connect creates if nobody has."""
    return {
        "connector.class": "FileStreamSource",
        "file": file,
        "topic": topic,
        "topic.creation.default.replication.factor": 1,
        "topic.creation.default.partitions": partitions,
        **KEYS,
    }


def sink(file: Path, topic: str, tasks: int = 1) -> dict:
    """A connector that writes each record of the topic into the file."""
    return {"connector.class": "FileStreamSink", "file": file, "topics": topic, "tasks.max": tasks}


class Lines:
    """A file that a source reads, and one that a sink writes."""

    def __init__(self, directory: Path):
        self.read, self.written = directory / "read.txt", directory / "written.txt"
        self.all: list[str] = []
        self._number = itertools.count()

    def add(self, count: int) -> None:
        new = [f"line-{next(self._number)}" for _ in range(count)]
        self.all += new
        with self.read.open("a") as file:
            file.writelines(f"{line}\n" for line in new)

    def come(self) -> list[str]:
        return self.written.read_text().splitlines() if self.written.exists() else []

    def have_all_come(self) -> bool:
        return set(self.all) <= set(self.come())


def mapped_topic() -> topics.Topic:
    """One that nobody has created yet."""
    return topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))


def test_a_standalone_worker_creates_its_topic(cluster, envoy, raw, tmp_path, passthrough):
    topic, lines = mapped_topic(), Lines(tmp_path)
    lines.add(1000)
    settings = {"offset.storage.file.filename": tmp_path / "offsets", **QUICK}
    connectors = {"source": source(lines.read, topic.name, topic.virtual), "sink": sink(lines.written, topic.name)}
    for _ in range(2):  # the second worker goes on where the first has stopped
        with Worker(tmp_path, "standalone", envoy.bootstrap, settings, connectors) as worker:
            worker.wait_until("all lines", lines.have_all_come)
            lines.add(500)
            worker.wait_until("more lines", lines.have_all_come)
            worker.stop(60)
    assert sorted(lines.come()) == sorted(lines.all), "nothing twice: the workers have stopped in good order"
    assert partitions(cluster, topic.name) == (topic.virtual if passthrough else topic.family.physical)
    stored = [value.decode() for v in range(topic.virtual) for _, value in raw.read_all(topic.name, v)]
    assert sorted(stored) == sorted(lines.all)
    assert all(raw.list_offset(topic.name, v, LATEST) > 0 for v in range(topic.virtual)), "records in each partition"
    ends = groups.fetch(raw, "connect-sink", {topic.name: list(range(topic.virtual))})
    assert len(ends) == topic.virtual, "each lane's offset is committed"


def partitions(cluster: KafkaCluster, topic: str) -> int:
    """On the brokers."""
    return len(cluster.admin.list_topics(topic, timeout=10).topics[topic].partitions)


def distributed(directory: Path, name: str, envoy: Envoy, group: str) -> Worker:
    """A worker of the cluster `group`, whose three topics are Connect's to create."""
    settings = {
        "group.id": group,
        **{f"{kind}.storage.topic": f"{group}-{name}" for kind, name in STORES.items()},
        **{f"{kind}.storage.replication.factor": 1 for kind in STORES},
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
        "scheduled.rebalance.max.delay.ms": 500,
        **QUICK,
    }
    return Worker(directory, name, envoy.bootstrap, settings)


def test_a_worker_dies(cluster, envoy, tmp_path, passthrough):
    """At least once is what Connect promises for these connectors: nothing is lost."""
    topic, lines, group = mapped_topic(), Lines(tmp_path), topics.unique("connect")
    lines.add(1000)
    with distributed(tmp_path, "first", envoy, group) as first, distributed(tmp_path, "second", envoy, group) as second:
        first.create("source", source(lines.read, topic.name, BROKERS_DEFAULT))
        first.wait_running("source", 1)
        first.create("sink", sink(lines.written, topic.name, tasks=2))
        first.wait_running("sink", 2)
        first.wait_until("all lines", lines.have_all_come)
        assert internal_topics(cluster, group) == wanted_topics(group)
        assert passthrough or partitions(cluster, topic.name) == topic.family.physical
        mine = f"127.0.0.1:{first.port}"
        reader = first.status("source")["tasks"][0]["worker_id"]
        killed, left = (first, second) if reader == mine else (second, first)
        lines.add(1000)
        killed.kill()
        lines.add(1000)
        left.wait_until("the lines that came meanwhile", lines.have_all_come)
        alive = f"127.0.0.1:{left.port}"
        left.wait_until("all tasks with who is left", lambda: workers(left, "source") | workers(left, "sink") == {alive})
        left.wait_running("source", 1)
        left.wait_running("sink", 2)
        lines.add(1000)
        left.wait_until("the last lines", lines.have_all_come)
    assert set(lines.come()) == set(lines.all)


def workers(worker: Worker, connector: str) -> set[str]:
    """Who runs the connector and its tasks."""
    status = worker.status(connector)
    return {part["worker_id"] for part in [status["connector"], *status["tasks"]]} if status else set()


def wanted_topics(group: str) -> dict[str, int]:
    """Connect's own topics, with its default counts."""
    return {f"{group}-configs": 1, f"{group}-offsets": 25, f"{group}-status": 5}


def internal_topics(cluster: KafkaCluster, group: str) -> dict[str, int]:
    """How many partitions each of a Connect cluster's own topics has on the brokers."""
    found = cluster.admin.list_topics(timeout=10).topics
    return {name: len(t.partitions) for name, t in found.items() if name.startswith(f"{group}-")}


@pytest.mark.remap
def test_a_wrong_count_is_refused_in_words(envoy, tmp_path):
    topic, lines = mapped_topic(), Lines(tmp_path)
    lines.add(1)
    connectors = {"source": source(lines.read, topic.name, 7)}
    with Worker(tmp_path, "standalone", envoy.bootstrap, {"offset.storage.file.filename": tmp_path / "offsets"}, connectors) as worker:
        worker.wait_until("the task fails", lambda: worker.states("source").get("0") == "FAILED")
        trace = worker.status("source")["tasks"][0]["trace"]
        assert "InvalidPartitionsException" in trace and topic.name in trace
        assert " 7 " in trace and " 20 " in trace
        assert worker.says("InvalidPartitionsException")


@pytest.mark.remap
def test_internal_topics_need_to_be_left_unmapped(cluster, tmp_path):
    """Where a default maps everything Connect's own topics would be mapped too, of which one must have one partition.
    Connect ends, and its log says why; with an entry in the mapping it works."""
    group = "connect"
    everything = {"virtual_partitions": 20, "physical_partitions": 4}
    with Envoy(tmp_path, cluster, {"stat_prefix": "c", "mapping": everything}) as envoy:
        refused = distributed(tmp_path, "refused", envoy, group)
        try:
            words = rf"herder work thread, exiting[\s\S]*topic {re.escape(group)}-\w+ is mapped .* 20 virtual partitions"
            refused.wait_until("the refusal", lambda: re.search(words, refused.log.read_text()))
        finally:
            refused.kill()
        envoy.restart_with({"stat_prefix": "c", "mapping": {"topics": own_topics(), **everything}})
        with distributed(tmp_path, "taken", envoy, group) as taken:
            taken.wait_until("its topics", lambda: internal_topics(cluster, group) == wanted_topics(group))
