"""The filter's own stats, as Prometheus sees them: without Envoy's prefix and with labels."""

import hashlib
import re
import time
import tomllib

import pytest

from tests.harness import batch, groups, topics
from tests.harness.envoy import Envoy
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.paths import REPO
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


NAMED, WRONG, LATER = "stats.a.outcome.b", "stats.x.api.Produce", "stats.later"
"""Topics of which the configuration has the name; in two of them there is something that looks like a label."""
P = 2
BOTH_WORKERS = 2 * (512 << 20)
"""limits.worker_bytes is 512 MiB."""


def mapping(virtual: int, *others: str) -> dict:
    entries = [{"name": NAMED, "virtual_partitions": virtual, "physical_partitions": P}]
    entries += [{"name": name, "virtual_partitions": 6, "physical_partitions": 3} for name in others]
    entries.append({"regex": "stats-others\\..*", "virtual_partitions": 4, "physical_partitions": P})
    return {"topics": entries}


@pytest.fixture(scope="module")
def live(tmp_path_factory, cluster):
    for name in (NAMED, WRONG, "stats-others.x"):
        cluster.create_topic(name, P)
    config = {"stat_prefix": "s-1", "mapping": mapping(8, WRONG)}
    with LiveEnvoy(tmp_path_factory.mktemp("stats"), cluster, config) as envoy:
        yield envoy


def of(envoy: Envoy, name: str, **labels: str) -> float | None:
    """The stat with just these labels. None: it is not there."""
    wanted = frozenset({"remapper": "s-1", **labels}.items())
    return envoy.stats().get((f"kafka_remapper_{name}", wanted))


def hash_of(envoy: LiveEnvoy) -> str:
    text = envoy._filter()["typed_config"]["config"]["configuration"]["value"]
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def holds(envoy: Envoy, name: str, value: float, **labels: str) -> None:
    """Waits until the stat has this value: some are told twice per second."""
    wait_until(f"{name} {labels} is {value}, not {of(envoy, name, **labels)}", lambda: of(envoy, name, **labels) == value, 8)


def test_series_are_there_from_the_start(live):
    version = tomllib.loads((REPO / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    holds(live, "build_info", 1, version=version)
    holds(live, "configuration_info", 1, hash=hash_of(live))
    holds(live, "topic_virtual_partitions", 8, topic=NAMED)
    holds(live, "topic_physical_partitions", P, topic=NAMED)
    holds(live, "topic_virtual_partitions", 6, topic=WRONG)
    assert of(live, "held_bytes_limit") == 0, "before the first connection"
    for topic in (NAMED, WRONG, "(others)"):
        for name in ("bytes_received", "bytes_sent", "fetch_bytes_upstream", "refused", "unknown_lane_batches"):
            assert of(live, f"topic_{name}_total", topic=topic) == 0, (name, topic)
        assert [of(live, "topic_requests_total", topic=topic, api=api) for api in ("Produce", "Fetch")] == [0, 0]
    for blame in ("client", "broker", "config", "bug"):
        assert of(live, "errors_total", blame=blame) == 0
    for reason in re.findall(r"^\| `(\w+)` \| [A-Z]", (REPO / "docs/metrics.md").read_text(), re.M):
        assert of(live, "reconnects_total", reason=reason) == 0, reason
    for side in ("client", "broker"):
        assert of(live, "held_back_total", side=side) == 0
    for broker in ("bootstrap", "unknown"):
        assert of(live, "broker_connections_active", broker=broker) == 0
    assert of(live, "shadow_commits_failed_total") == 0


def test_topics_brokers_and_errors(live, direct):
    """The first connection finds out where broker 1 is."""
    batches = {v: batch.build([b"%d" % v * 100]) for v in (0, 2, 4, 7)}
    with Raw(live.port(1)) as first, Raw(live.base) as anybody:
        first.metadata([NAMED])
        with Raw(live.port(1)) as raw:
            raw.produce(NAMED, batches)
            raw.produce("stats-others.x", {3: batches[0]})
            received = sum(map(len, batches.values()))
            holds(live, "topic_bytes_received_total", received, topic=NAMED)
            holds(live, "topic_bytes_received_total", len(batches[0]), topic="(others)")
            holds(live, "topic_requests_total", 1, topic=NAMED, api="Produce")
            got = {v: raw.fetch_one(NAMED, v, 0)["records"] for v in (0, 4)}
            sent = sum(map(len, got.values()))
            holds(live, "topic_bytes_sent_total", sent, topic=NAMED)
            holds(live, "topic_requests_total", 2, topic=NAMED, api="Fetch")
            # Virtual partitions 0, 2 and 4 are one physical partition.
            assert of(live, "topic_fetch_bytes_upstream_total", topic=NAMED) > sent
            direct.append(NAMED, 0, [b"of lane 9"], producer=(-2 - 9, 0, 0))
            raw.fetch_one(NAMED, 0, 3, max_wait_ms=100)
            wait_until("the lane", lambda: of(live, "topic_unknown_lane_batches_total", topic=NAMED) >= 1, 5)
            anybody.metadata([WRONG])
            wait_until("the mismatch", lambda: of(live, "topic_refused_total", topic=WRONG) >= 1, 5)
            assert of(live, "topic_refused_total", topic=NAMED) == 0
            assert raw.produce(NAMED, {8: batches[0]})[8]["error_code"] == 3
            holds(live, "response_errors_total", 1, api="Produce", error="UNKNOWN_TOPIC_OR_PARTITION")
            assert not of(live, "broker_errors_total", broker="1"), "the filter has refused it"
            holds(live, "broker_connections_active", 1, broker="1")
            holds(live, "broker_connections_active", 2, broker="bootstrap")
            assert of(live, "broker_requests_total", broker="1") >= 5
    for _ in range(16):
        Raw(live.base).close()
    holds(live, "held_bytes_limit", BOTH_WORKERS)
    assert of(live, "held_bytes") > 0
    for broker in ("1", "bootstrap"):
        holds(live, "broker_connections_active", 0, broker=broker)


def test_a_change_of_the_configuration_shows_once(live):
    before = hash_of(live)
    with Raw(live.port(1)) as idle:
        idle.metadata([NAMED])
        live.take("mapping", mapping(16, LATER))
        holds(live, "topic_virtual_partitions", 16, topic=NAMED)
        holds(live, "topic_virtual_partitions", 6, topic=LATER)
        holds(live, "topic_virtual_partitions", 0, topic=WRONG)
        holds(live, "configuration_info", 1, hash=hash_of(live))
        holds(live, "configuration_info", 0, hash=before)
        assert idle.is_closed_by_peer(20)
    holds(live, "connections_active", 0)
    wait_until("the connection's end", lambda: of(live, "reconnects_total", reason="configuration") >= 1, 5)
    wait_until("the former instances' leave", lambda: of(live, "held_bytes_limit") == BOTH_WORKERS, 15)
    assert of(live, "topic_bytes_received_total", topic=NAMED) > 0, "a topic goes on counting"
    assert of(live, "topic_bytes_sent_total", topic=LATER) == 0


def test_all_stats_of_the_document_are_there(live, shared_envoy, cluster, tmp_path):
    """At the start, or after the tests above; those of logins where there are some."""
    written, generated = (REPO / "docs/metrics.md").read_text().split("<!-- Generated", 1)
    generated, own = generated.split("<!-- End", 1)
    user = {"username": "alice", "password": "secret"}
    logins = {"sasl": {"mechanisms": ["PLAIN"], "users": [user]}, "upstream": {"sasl": {"mechanism": "PLAIN", **user}}}
    with Envoy(tmp_path / "logins", cluster, {"stat_prefix": "l", **logins}) as guarded:
        there = {name for envoy in (live, shared_envoy, guarded) for name, _ in envoy.stats()}
    listed = re.findall(r"\*\*`(kafka_remapper_\w+)`\*\*", generated)
    assert len(listed) > 40
    assert [name for name in listed if not {name, f"{name}_bucket"} & there] == []
    unlisted = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there if name.startswith("kafka_remapper_")} - set(listed)
    assert not unlisted
    mentioned = re.findall(r"`(\w+(?:_total|_active|_ms|_bytes|_limit|_info|_partitions))\b", written)
    assert [name for name in mentioned if f"kafka_remapper_{name}" not in listed] == []
    assert own_stats_that_are_missing(live, own) == []


def own_stats_that_are_missing(envoy: LiveEnvoy, document: str) -> list[str]:
    """Envoy's own stats in the document that Envoy does not have. Some are there with TLS or LDS only."""
    there = [line.split(": ")[0] for line in envoy._admin("/stats").splitlines()]
    missing, before = [], ""
    for name in re.findall(r"\*\*`([^`]+)`\*\*", document):
        before = name if not name.startswith(".") else before
        full = name if not name.startswith(".") else before.rsplit(".", 1)[0] + name
        pattern = re.sub(r"<\w+>", "[A-Za-z0-9_.]+", full.replace(".", r"\."))
        optional = ".ssl." in full or ".lds." in full
        if not optional and not any(re.fullmatch(pattern, name) for name in there):
            missing.append(full)
    return missing
