"""The filter's own stats, as Prometheus sees them: without Envoy's prefix and with labels."""

import time

import pytest

from tests.harness import batch, groups, topics
from tests.harness.envoy import Envoy
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
REMAPPER = topics.STAT_PREFIX


@pytest.fixture
def change(envoy):
    """change(name, **labels): by how much a stat has grown since the test began."""
    before = envoy.stats()

    def grown(name: str, **labels: str) -> float:
        wanted = {("remapper", REMAPPER), *labels.items()}
        now = envoy.stats()
        return sum(v - before.get(key, 0) for key, v in now.items() if key[0] == f"kafka_remapper_{name}" and wanted <= key[1])

    return grown


def test_requests_and_answers_by_api(raw, change, new_topic):
    topic = new_topic()
    for _ in range(3):
        raw.metadata([topic.name])
    raw.produce(topic.name, {v: batch.build([b"x"]) for v in (1, 5, 9, 0)})
    raw.fetch(topic.name, {1: 0, 5: 0})
    wait_until("the counts", lambda: change("responses_total", api="Fetch") >= 1, 5)
    for kind in ("requests_total", "responses_total"):
        assert change(kind, api="Metadata") == 3, kind
        assert change(kind, api="Produce") == 1, kind
        assert change(kind, api="Fetch") == 1, kind
    assert change("responses_total", api="Produce", outcome="ok") == 1


def test_request_durations(envoy, raw, new_topic):
    def count() -> float:
        return envoy.stat("kafka_remapper_request_duration_ms_count", remapper=REMAPPER, api="Produce")

    topic = new_topic()
    time.sleep(2)  # a histogram shows samples from its next flush on: let those of earlier tests come first
    before = count()
    raw.append(topic.name, 1, [b"x"])
    wait_until("the histogram", lambda: count() > before, 5)
    time.sleep(1.5)
    assert count() == before + 1


def test_fan_out_and_lanes(raw, change, new_topic):
    topic = new_topic()
    raw.produce(topic.name, {v: batch.build([b"x"]) for v in (1, 5, 9, 0)})
    assert change("upstream_requests_total", api="Produce") == 3  # partition 1 can stand once in each
    assert change("remapped_partitions_total", api="Produce") == 4
    assert change("batches_tagged_total") == 2  # 5 and 9 are not on lane 0
    raw.read_all(topic.name, 5)
    assert change("batches_dropped_total") >= 1
    assert change("fetch_bytes_upstream_total") > change("fetch_bytes_downstream_total") > 0


def test_filler_batches_for_a_client_that_steps_over_them(raw, change, new_topic):
    topic = new_topic()
    raw.append(topic.name, 1, [b"sibling"])
    last = batch.parse(raw.fetch_one(topic.name, 5, 0, max_wait_ms=200)["records"])[-1]
    assert last.is_control
    assert last.last_offset == 0
    assert change("filler_batches_total") == 1


def test_connections_and_bytes(envoy, change):
    def active() -> float:
        return envoy.stat("kafka_remapper_connections_active", remapper=REMAPPER)

    wait_until("the end of a former test's connection", lambda: active() == 0, 5)
    with Raw(envoy.port(1)) as connection:
        connection.metadata(None)
        assert change("connections_total") == 1
        assert active() == 1
        assert change("bytes_received_total") > 0
        assert change("bytes_sent_total") > change("bytes_received_total")
    wait_until("the connection's end", lambda: active() == 0, 5)


def test_topic_mismatch(raw, change, misfit):
    raw.metadata([misfit])
    assert change("topic_mismatch_total") >= 1


def test_waiting_for_a_coordinator_is_no_error(raw, change):
    """While its group's coordinator is being found, a client just tries again."""
    for number in range(30):
        raw.call(groups.FIND_COORDINATOR, 2, {"key": f"group-{number}", "key_type": 0})
    wait_until("the answers", lambda: change("responses_total", api="FindCoordinator") == 30, 5)
    assert change("responses_total", api="FindCoordinator", outcome="error") == 0


class LearningEnvoy(Envoy):
    """Knows the broker by another name than the broker gives itself."""

    def _complete(self, config: dict) -> dict:
        bootstrap = [f"localhost:{port}" for port in self.cluster.ports.values()]
        return {**super()._complete(config), "route": {"dynamic": {"bootstrap": bootstrap}}}


def test_a_connection_that_learns_where_it_belongs_blames_nobody(tmp_path, cluster):
    with LearningEnvoy(tmp_path / "learning", cluster, topics.MAPPING) as envoy:
        with Raw(envoy.port(1)) as first, pytest.raises(ConnectionError):
            first.metadata([])
        with Raw(envoy.port(1)) as second:
            second.metadata([])
        assert envoy.stat("kafka_remapper_reconnects_total", remapper=REMAPPER, reason="misrouted") == 1
        assert envoy.stat("kafka_remapper_errors_total") == 0
        assert "[info]" in next(line for line in envoy.log.read_text().splitlines() if "was meant for broker 1" in line)


class AroundEnvoy(Envoy):
    """Advertises the broker's own address by mistake."""

    def _complete(self, config: dict) -> dict:
        table = {str(i): f"127.0.0.1:{port}" for i, port in self.cluster.ports.items()}
        return {**super()._complete(config), "advertise": {"table": table}}


def test_advertising_the_brokers_own_addresses_is_told(tmp_path, cluster):
    with AroundEnvoy(tmp_path / "around", cluster, topics.MAPPING) as envoy:
        with Raw(envoy.base) as raw:
            raw.metadata([])
        assert envoy.stat("kafka_remapper_advertised_around_total") == 1
        assert f"gives broker 1 its own address 127.0.0.1:{cluster.ports[1]}" in envoy.log.read_text()
