"""Kafka Streams, at least once, over mapped topics: an application makes its internal topics through Envoy, loses its
state and gets it back from its changelog, and is reset by Kafka's tool. Counts are exact each time."""

import re
import subprocess
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import clients, groups, topics
from tests.harness.connect import own_topics
from tests.harness.envoy import Envoy
from tests.harness.kafka import JAVA, KafkaCluster, run_tool
from tests.harness.paths import BUILD, KAFKA_JARS
from tests.harness.process import wait_until
from tests.harness.raw import EARLIEST, Raw

LINES = ["to be or not to be", "that is the question", "whether tis nobler"]
CHANGELOG, REPARTITION = "counts-changelog", "words-repartition"


class Words:
    """A word count over the topic `lines` into the topic `counts`, of as many virtual partitions."""

    def __init__(self, directory: Path, raw: Raw, bootstrap: str, app: str, lines: str, counts: str, internal: int):
        """`internal`: how many partitions the application asks for when it creates topics; 0 for its default."""
        self.raw, self.bootstrap, self.app, self.lines, self.counts = raw, bootstrap, app, lines, counts
        self.log = directory / f"{app}.log"
        jars = f"{KAFKA_JARS}/*:{BUILD}/java"
        self._command = [*JAVA, "-cp", jars, "WordCount", bootstrap, app, lines, counts, directory / "state", internal]
        self.wanted: Counter = Counter()

    @contextmanager
    def running(self):
        """The application runs, and is closed in good order at the end."""
        with self.log.open("a") as log:
            self.child = subprocess.Popen([str(a) for a in self._command], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        try:
            yield
            self.child.stdin.close()
            assert self.child.wait(30) == 0, self.log_tail()
        finally:
            self.child.kill()
            self.child.wait()

    def write(self, rounds: int = 10) -> None:
        for i in range(rounds):
            line = LINES[i % len(LINES)]
            for v in range(VIRTUAL):
                self.raw.append(self.lines, v, [line.encode()])
                self.wanted.update(line.split())

    def wait_for_counts(self) -> None:
        try:
            wait_until("the counts", lambda: self.last_counts() == self.wanted, 60, every=0.5)
        except AssertionError as e:
            raise AssertionError(f"{self.last_counts()} is not {self.wanted}: {self.log_tail()}") from e

    def last_counts(self) -> dict[str, int]:
        """The last count of each word; a word lives in one partition."""
        found: dict[str, int] = {}
        for v in range(VIRTUAL):
            for _, value in self.raw.read_all(self.counts, v):
                word, count = value.decode().split("=")
                found[word] = int(count)
        return found

    def internal(self, kind: str) -> str:
        return f"{self.app}-{kind}"

    def log_tail(self) -> str:
        return self.log.read_text()[-5000:]

    def count_and_restore(self) -> None:
        """Counts, and counts on in another process. The counts lie in memory, so all of them come from the changelog."""
        with self.running():
            self.write()
            self.wait_for_counts()
        with self.running():
            self.write()
            self.wait_for_counts()

    def reset(self) -> None:
        """Kafka's tool sets the application back to the start of what it reads, and deletes its internal topics."""
        arguments = ("--bootstrap-server", self.bootstrap, "--application-id", self.app, "--input-topics", self.lines)
        # The tool waits for nobody: the members must have left, or been given up.
        wait_until("no members", lambda: groups.list_groups(self.raw)[self.app]["state"] == "Empty")
        done = run_tool("org.apache.kafka.tools.StreamsResetter", *arguments, "--force")
        assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
        for kind in (CHANGELOG, REPARTITION):
            assert self.internal(kind) in done.stdout, done.stdout


VIRTUAL = topics.MODULO.virtual


def partitions(cluster: KafkaCluster, topic: str) -> int | None:
    """On the brokers; None for a topic that does not exist."""
    found = cluster.admin.list_topics(timeout=10).topics
    return len(found[topic].partitions) if topic in found else None


def test_internal_topics_that_are_not_mapped(programs, cluster, envoy, raw, new_topic, tmp_path):
    """As is usual: nobody else uses them."""
    lines, counts, app = new_topic(), new_topic(topics.BLOCK), topics.unique("wordcount")
    words = Words(tmp_path, raw, envoy.bootstrap, app, lines.name, counts.name, 3)
    words.count_and_restore()
    assert [partitions(cluster, words.internal(kind)) for kind in (CHANGELOG, REPARTITION)] == [3, 3]
    committed = groups.fetch(raw, app, {lines.name: list(range(VIRTUAL))})
    assert len(committed) == VIRTUAL and min(o.offset for o in committed.values()) > 0
    words.reset()
    assert [partitions(cluster, words.internal(kind)) for kind in (CHANGELOG, REPARTITION)] == [None, None]
    assert {o.offset for o in groups.fetch(raw, app, {lines.name: list(range(VIRTUAL))}).values()} <= {0, -1}
    with words.running():  # counts everything once more, from nothing
        words.write(1)
        words.wait_for_counts()
        passed_on = words.internal(REPARTITION)
        wait_until("repartitioned records are deleted", lambda: sum(raw.list_offset(passed_on, p, EARLIEST) for p in range(3)) > 0)


EVERYTHING = {
    "stat_prefix": "everything",
    "mapping": {"virtual_partitions": VIRTUAL, "physical_partitions": 4, "offset_encoding": "lane"},
}


@pytest.fixture(scope="module")
def everything(cluster, tmp_path_factory, passthrough):
    """An Envoy that maps every topic."""
    with Envoy(tmp_path_factory.mktemp("everything"), cluster, EVERYTHING, "passthrough" if passthrough else "dynamic") as envoy:
        yield envoy


@pytest.fixture
def through(everything):
    with Raw(everything.port(1)) as connection:
        connection.announce("apache-kafka-java")
        yield connection
    everything.assert_well()


def test_internal_topics_that_are_mapped(programs, cluster, everything, through, tmp_path, passthrough):
    """Where the mapping's default covers all topics: the application's number has to be V, as Streams' own choice is
    where it reads a topic of V partitions. Its state comes back from a changelog whose partitions share logs."""
    physical = VIRTUAL if passthrough else 4
    lines, counts = topics.unique("lines"), topics.unique("counts")
    for name in (lines, counts):
        cluster.create_topic(name, physical)
    words = Words(tmp_path, through, everything.bootstrap, topics.unique("everything"), lines, counts, 0)
    words.count_and_restore()
    assert [partitions(cluster, words.internal(kind)) for kind in (CHANGELOG, REPARTITION)] == [physical, physical]
    words.reset()
    assert [partitions(cluster, words.internal(kind)) for kind in (CHANGELOG, REPARTITION)] == [None, None]
    with words.running():
        words.write(1)
        words.wait_for_counts()


@pytest.mark.remap
def test_another_number_is_refused_in_words(programs, cluster, everything, tmp_path):
    """And is taken where the internal topics are left unmapped."""
    lines, counts, app = topics.unique("lines"), topics.unique("counts"), topics.unique("everything")
    for name in (lines, counts):
        cluster.create_topic(name, 4)
    with Raw(everything.port(1)) as raw:
        words = Words(tmp_path, raw, everything.bootstrap, app, lines, counts, 3)
        with words.running():
            said = wait_until("the refusal", lambda: re.search(".* 20 virtual .* 3 were asked for.*", words.log.read_text()), 60)
        assert words.internal(REPARTITION) in said[0]
    everything.restart_with({**EVERYTHING, "mapping": {**EVERYTHING["mapping"], "topics": own_topics()}})
    with Raw(everything.port(1)) as raw:
        words = Words(tmp_path, raw, everything.bootstrap, app, lines, counts, 3)
        with words.running():
            words.write()
            words.wait_for_counts()
    assert [partitions(cluster, words.internal(kind)) for kind in (CHANGELOG, REPARTITION)] == [3, 3]
    everything.assert_well()


@pytest.mark.parametrize("family", [topics.MODULO, topics.BLOCK_LANE], ids=lambda f: f.name)
def test_a_global_table(family, programs, envoy, new_topic, tmp_path):
    """Is there once each partition is read to its end offset: also where all behind the last own record is siblings',
    and where there is nothing but theirs."""
    topic = new_topic(family)
    written = clients.produce(programs["java"], envoy.bootstrap, topic.name, 7, 30, "none", True, "row")
    jars = f"{KAFKA_JARS}/*:{BUILD}/java"
    command = [*JAVA, "-cp", jars, "GlobalTable", envoy.bootstrap, topics.unique("table"), topic.name, tmp_path / "state"]
    done = subprocess.run([str(a) for a in command], input="", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    values = [record.value for records in written.values() for record in records]
    assert sorted(done.stdout.splitlines()) == sorted(["END", *(f"{value} {value}" for value in values)])
