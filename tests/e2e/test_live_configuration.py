"""The mapping changes while Envoy runs: open connections end at a quiet moment, and nothing is lost or
shown on another partition."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.harness import apis, batch, topics
from tests.harness.clients import Consumer, produce
from tests.harness.envoy import Envoy, address
from tests.harness.group_members import Group, written
from tests.harness.groups import wait_for_coordinator
from tests.harness.guarded_envoy import GuardedEnvoy, section
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.load import Load, read_to_the_end
from tests.harness.paths import WASM
from tests.harness.process import free_ports, wait_until
from tests.harness.raw import Raw, fetch_body, partitions_of, produce_body

pytestmark = pytest.mark.remap
GRACE_S, SPREAD_S = 3, 10
RETIRED_S = GRACE_S + SPREAD_S + 3
"""Seconds after which all connections under a former configuration have ended, if
they have nothing in flight."""
P = 4
SOME = (0, 3, 7, 13)
"""Virtual partitions of several lanes; two are siblings."""
UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC = 3, 17


def mapping(virtual: int, physical: int = P, **more) -> dict:
    return {"topics": [{"regex": "live\\..*", "virtual_partitions": virtual, "physical_partitions": physical, **more}]}


@pytest.fixture
def live(tmp_path, cluster) -> Iterator[Callable[[dict], LiveEnvoy]]:
    """live(mapping) starts an Envoy; all of them are ended after the test, and none may have trapped."""
    started = []

    def start(section: dict) -> LiveEnvoy:
        config = {"stat_prefix": topics.STAT_PREFIX, "mapping": section}
        started.append(LiveEnvoy(tmp_path / f"envoy-{len(started)}", cluster, config))
        return started[-1]

    yield start
    for envoy in started:
        envoy.stop(expected="failed to load")


@pytest.fixture
def topic(cluster) -> str:
    name = topics.unique("live")
    cluster.create_topic(name, P)
    return name


def partitions(raw: Raw, topic: str) -> int:
    (found,) = raw.metadata([topic])["topics"]
    return len(found["partitions"])


def active(envoy: Envoy) -> float:
    return envoy.stat("kafka_remapper_connections_active")


@contextmanager
def connections(envoy: Envoy, topic: str, count: int) -> Iterator[list[Raw]]:
    """Open connections: each has asked something, but for two of clients that never said a word."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(envoy.port(1))) for _ in range(count)]
        for raw in opened[:-2]:
            assert partitions(raw, topic)
        yield opened


def seconds_to_the_end(opened: list[Raw], seconds: float = RETIRED_S) -> list[float]:
    """After how many seconds each connection was closed."""
    started, left, ends = time.monotonic(), list(opened), []
    while left and time.monotonic() - started < seconds:
        for raw in [raw for raw in left if raw.is_closed_by_peer(0.005)]:
            left.remove(raw)
            ends.append(time.monotonic() - started)
    assert not left, f"{len(left)} of {len(opened)} are still open"
    return ends


def test_v_grows_under_load(live, cluster, topic, programs, tmp_path):
    """Producers, groups and idle connections, all open: they reconnect, and go on with the new partitions."""
    envoy = live(mapping(20))
    java, librdkafka = programs["java"], programs["librdkafka"]
    with Raw(envoy.port(1)) as raw:
        wait_for_coordinator(raw, "any")
    with ExitStack() as stack:
        groups = [
            stack.enter_context(Group(library, envoy.bootstrap, topic, f"{library.name}-{topic}", "range", tmp_path))
            for library in (java, librdkafka)
        ]
        loads = [stack.enter_context(Load(envoy.bootstrap, topic, 20, idempotent, per_second=150)) for idempotent in (False, True)]
        for group in groups:
            group.wait_for_share(group.start())
        idle = stack.enter_context(connections(envoy, topic, 40))
        envoy.take("mapping", mapping(40))
        for group in groups:
            # Its connections are new; the leader's are not, and it hands out what it knows.
            group.start()
        ends = seconds_to_the_end(idle)
        assert min(ends) > 1 and max(ends) - min(ends) > SPREAD_S / 2, ends
        new = produce(librdkafka, envoy.bootstrap, topic, 40, 5, "none", True, "new")
        wanted = {(v, record) for v, records in new.items() for record in records}
        for group in groups:
            group.wait_for(wanted)
        for load in loads:
            load.__exit__()
        everything = wanted.union(*(written(load) for load in loads))
        for group in groups:
            group.wait_for(everything)
            group.stop()
            group.check(everything, once=False)
        assert all(load.acked_count() == load.sent and not load.failed for load in loads), [load.failed[:3] for load in loads]
    found = read_to_the_end(envoy.bootstrap, topic, 40)
    assert {(v, record) for v, records in found.items() for record in records} == everything
    assert sum(map(len, found.values())) == len(everything), "what was sent again was stored twice"


def test_what_is_in_flight_is_answered_first(live, topic):
    """Requests behind it never reach the broker: the client sends them again, and they are stored once."""
    envoy = live(mapping(20))
    with Raw(envoy.port(1), timeout=40) as long, Raw(envoy.port(1)) as writer:
        writer.append(topic, 0, [b"before"])
        wait_s = RETIRED_S
        waiting = long.send(apis.FETCH, 11, fetch_body(topic, {7: 0}, max_wait_ms=wait_s * 1000))
        started = time.monotonic()
        envoy.take("mapping", mapping(40))
        assert writer.is_closed_by_peer(RETIRED_S)
        late = long.send(apis.PRODUCE, 9, produce_body(topic, {7: batch.build([b"late"])}))
        answer = partitions_of(long.receive(apis.FETCH, 11, waiting))[7]
        assert answer["error_code"] == 0 and time.monotonic() - started > wait_s - 1
        with pytest.raises(ConnectionError):
            long.receive(apis.PRODUCE, 9, late)
    with Raw(envoy.port(1)) as again:
        assert again.read_all(topic, 7) == []
        again.append(topic, 7, [b"late"])
        assert [value for _, value in again.read_all(topic, 7)] == [b"late"]


def test_v_shrinks(live, cluster, topic, programs, tmp_path):
    """The filter warns of this; after the reconnect the higher partitions are gone, and the
    lower ones are what they were."""
    envoy = live(mapping(40))
    librdkafka = programs["librdkafka"]
    before = produce(librdkafka, envoy.bootstrap, topic, 20, 5, "none", False, "before")
    with connections(envoy, topic, 4) as idle, Consumer(librdkafka, envoy.bootstrap, topic, 13, tmp_path / "consumer") as consumer:
        consumer.expect(before[13])
        envoy.take("mapping", mapping(20))
        assert partitions(idle[0], topic) == 40, "an open connection goes on with its configuration"
        seconds_to_the_end(idle)
        after = produce(librdkafka, envoy.bootstrap, topic, 20, 5, "none", False, "after")
        consumer.expect(before[13] + after[13])
    (warning,) = envoy.logged("shrinks from 40 to 20")
    assert "what partitions 20 to 39 hold stays unread" in warning
    with Raw(envoy.port(1)) as raw:
        assert partitions(raw, topic) == 20
        assert raw.produce(topic, {25: batch.build([b"x"])})[25]["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
    assert read_to_the_end(envoy.bootstrap, topic, 20) == {v: before[v] + after[v] for v in range(20)}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (mapping(20, layout="block"), mapping(40, layout="block"), "virtual_partitions: 20 is in use .* and 40 .* a new topic"),
        (mapping(20), mapping(20, layout="block"), "layout: modulo is in use .* and block .* a new topic"),
        (mapping(20), mapping(20, offset_encoding="lane"), "offset_encoding: identity is in use .* and lane .* stop its consumers"),
    ],
    ids=["V of a block topic", "layout", "offset encoding"],
)
def test_what_would_move_records_or_positions_is_refused(live, topic, before, after, says):
    """Whoever is connected goes on, and whoever comes meets the old configuration."""
    envoy = live(before)
    with connections(envoy, topic, 6) as idle:
        first = {v: idle[0].append(topic, v, [b"%d" % v]) for v in SOME}
        assert re.search(f"mapping.topics\\[0\\].{says}", envoy.refuse("mapping", after))
        with Raw(envoy.port(1)) as new:
            assert partitions(new, topic) == 20
            for raw in (idle[0], new):
                assert {v: raw.read_all(topic, v) for v in SOME} == {v: [(first[v], b"%d" % v)] for v in SOME}
        # The next change is taken, which is how it shows that the one before was not.
        envoy.take("mapping", {**before, "topics": [*before["topics"], {"name": "another", "passthrough": True}]})
    if before["topics"][0].get("layout") == "block":
        assert envoy.logged("is block: virtual_partitions must stay"), "it is said at start"


def test_a_topic_is_added_and_removed(live, cluster, programs, tmp_path):
    """Records from before the mapping are on lane 0; a topic that is no longer mapped
    shows the broker's partitions."""
    envoy = live(mapping(20))
    name, librdkafka = topics.unique("added"), programs["librdkafka"]
    cluster.create_topic(name, P)
    with_topic = {"topics": [*mapping(20)["topics"], {"name": name, "virtual_partitions": 12, "physical_partitions": P}]}
    before = produce(librdkafka, envoy.bootstrap, name, P, 5, "none", False, "before")
    with connections(envoy, name, 4) as idle, Consumer(librdkafka, envoy.bootstrap, name, 3, tmp_path / "consumer") as consumer:
        consumer.expect(before[3])
        assert partitions(idle[0], name) == P
        envoy.take("mapping", with_topic)
        seconds_to_the_end(idle)
        after = produce(librdkafka, envoy.bootstrap, name, 12, 5, "none", False, "after")
        consumer.expect(before[3] + after[3])
        consumer.expect_nothing_more()
    assert read_to_the_end(envoy.bootstrap, name, 12) == {v: before.get(v, []) + after[v] for v in range(12)}
    envoy.take("mapping", mapping(20))
    assert envoy.logged(f"{name}: mapped before, as 12 partitions over 4, and not any more")
    with Raw(envoy.port(1)) as raw:
        assert partitions(raw, name) == P


def test_a_wrong_p_is_refused_until_it_is_put_right(live, topic):
    """Connections under the last good configuration go on; they are current again when
    that configuration comes back."""
    envoy = live(mapping(20))
    with Raw(envoy.port(1)) as before:
        first = {v: before.append(topic, v, [b"%d" % v]) for v in SOME}
        envoy.take("mapping", mapping(20, 2))
        assert envoy.logged("physical_partitions changes from 4 to 2")
        with Raw(envoy.port(1)) as raw:
            (found,) = raw.metadata([topic])["topics"]
            assert found["error_code"] == INVALID_TOPIC
        assert partitions(before, topic) == 20
        envoy.take("mapping", mapping(20))
    with Raw(envoy.port(1)) as raw:
        assert {v: raw.read_all(topic, v) for v in SOME} == {v: [(first[v], b"%d" % v)] for v in SOME}


def test_two_envoys_whose_files_differ_for_a_while(live, topic, programs, tmp_path):
    """One Envoy has the larger V first. Partitions that both know are the same;
    the others come with the file."""
    late, early = live(mapping(20)), live(mapping(40))
    librdkafka = programs["librdkafka"]
    told = produce(programs["java"], late.bootstrap, topic, 20, 3, "none", False, "late")
    told_early = produce(librdkafka, early.bootstrap, topic, 20, 3, "none", False, "early")
    both = {v: told[v] + told_early[v] for v in range(20)}
    for envoy in (late, early):
        assert read_to_the_end(envoy.bootstrap, topic, 20) == both
    with connections(late, topic, 4) as idle, Consumer(librdkafka, late.bootstrap, topic, 7, tmp_path / "consumer") as consumer:
        consumer.expect(both[7])
        late.take("mapping", mapping(40))
        seconds_to_the_end(idle)
        more = produce(librdkafka, early.bootstrap, topic, 40, 3, "none", False, "more")
        consumer.expect(both[7] + more[7])
        with Consumer(librdkafka, late.bootstrap, topic, 27, tmp_path / "other") as other:
            other.expect(more[27])
    wanted = {v: both.get(v, []) + more[v] for v in range(40)}
    for envoy in (late, early):
        assert read_to_the_end(envoy.bootstrap, topic, 40) == wanted


class TwoListeners(Envoy):
    """A second listener, at `second`, whose filter has all names of the first
    one's and another configuration."""

    def _dynamic(self) -> dict:
        self.second = free_ports(1)
        resources = super()._dynamic()
        (first,) = resources["listeners"]
        self.filter_config["mapping"] = mapping(40)
        own = {"filters": [self._wasm(), *first["filter_chains"][0]["filters"][1:]]}
        second = {"name": "second", "address": address(self.second), "filter_chains": [own]}
        return {**resources, "listeners": [first, second]}


def test_listeners_of_equal_names_find_out_that_both_are_in_force(tmp_path, cluster, topic):
    """As far as a filter can tell, each configuration was loaded after the other; few connections end until
    the filter knows that both are in force."""
    config = {"stat_prefix": topics.STAT_PREFIX, "mapping": mapping(20)}
    with TwoListeners(tmp_path / "two", cluster, config) as envoy:
        with ExitStack() as stack:
            ports = (envoy.base, envoy.second)
            opened = [[stack.enter_context(Raw(port)) for _ in range(30)] for port in ports]
            for raw, virtual in ((opened[0][0], 20), (opened[1][0], 40)):
                assert partitions(raw, topic) == virtual
            ended = [0, 0]
            deadline = time.monotonic() + RETIRED_S + GRACE_S
            while time.monotonic() < deadline:
                for which, port in enumerate(ports):
                    # As a client would: who was closed comes again.
                    for raw in [raw for raw in opened[which] if raw.is_closed_by_peer(0.002)]:
                        opened[which].remove(raw)
                        ended[which] += 1
                        stack.enter_context(Raw(port))
            assert sum(ended) < 12, f"{ended} of 30 and 30 connections ended"


class Fragile(GuardedEnvoy):
    """An Envoy whose VM may not close a connection: the VM fails when a client has sent what is no Kafka."""

    def _filter(self) -> dict:
        wasm = super()._filter()
        named = set(re.findall(rb"proxy_[a-z_]+|random_get|environ_\w*get", WASM.read_bytes())) - {b"proxy_close_stream"}
        allowed = {"allowed_capabilities": {name.decode(): {} for name in sorted(named)}}
        wasm["typed_config"]["config"]["capability_restriction_config"] = allowed
        return wasm


def test_connections_of_a_vm_that_failed_are_no_longer_counted(tmp_path, cluster):
    envoy = Fragile(tmp_path / "fragile", cluster, section())
    try:
        opened = [Raw(envoy.port(1)) for _ in range(30)]
        assert all(survives(raw) for raw in opened) and active(envoy) == 30
        with Raw(envoy.port(1)) as deadly:
            deadly.send_frame(b"\xff" * 64)
            wait_until("a VM to fail", lambda: "restricted proxy-wasm capability" in envoy.log.read_text(), 10)
            deadly.send_frame(b"")
            assert deadly.is_closed_by_peer()
        left = [raw for raw in opened if survives(raw)]
        assert 0 < len(left) < 30, "there are two workers, and one VM failed"
        assert envoy.stat("kafka_remapper_connections_total") == 30 + 1

        def connect() -> bool:
            """Until a new VM is there, connections of that worker are closed at once."""
            fresh = [Raw(envoy.port(1)) for _ in range(8)]
            alive = [raw for raw in fresh if survives(raw)]
            left.extend(alive)
            return alive == fresh

        wait_until("a new VM", connect, 20, every=0.5)
        # Nothing else of Envoy's stats shows that a VM has failed (docs/metrics.md).
        assert "wasm.kafka.vm_reload_success: 1" in envoy._admin("/stats?filter=vm_reload")
        wait_until("the right number", lambda: active(envoy) == len(left), 20)
        for raw in left:
            raw.close()
        wait_until("none", lambda: active(envoy) == 0, 5)
        time.sleep(2)
        assert active(envoy) == 0
    finally:
        envoy.stop(expected="proxy_on_|panicked|failed")


def survives(raw: Raw) -> bool:
    try:
        raw.announce("raw")
    except ConnectionError:
        return False
    return True
