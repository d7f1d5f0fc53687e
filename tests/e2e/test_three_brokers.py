"""Three brokers behind one listener: what is lost, repeated or mixed up when
one of them, or Envoy, is killed.

Nothing that was acknowledged may be lost, nothing may turn up with a sibling, and only a producer without
idempotence may see a record twice.
"""

import time
from collections import Counter

import pytest

from tests.harness import apis, batch, topics
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.load import Load, read_to_the_end
from tests.harness.process import wait_until
from tests.harness.raw import Raw, partitions_of, produce_body

FAMILY = topics.WIDE


three = cluster_fixture(brokers=3)
gateway = envoy_fixture(before="three")


@pytest.fixture
def topic(three, passthrough) -> topics.Topic:
    topic = topics.Topic(FAMILY, topics.unique(FAMILY.name))
    partitions = FAMILY.virtual if passthrough else FAMILY.physical
    three.create_topic(topic.name, partitions, 3, {"min.insync.replicas": "2"})
    return topic


@pytest.mark.remap
def test_every_broker_is_reached_through_the_one_listener(three, gateway, topic):
    with Raw(gateway.base) as bootstrap:  # as clients begin; from the answer Envoy learns where the brokers are
        bootstrap.metadata([topic.name])
    leaders = set()
    for broker in three.ids:
        with Raw(gateway.port(broker)) as raw:
            metadata = raw.metadata([topic.name])
            assert {b["node_id"]: b["port"] for b in metadata["brokers"]} == {i: gateway.port(i) for i in three.ids}
            for p in metadata["topics"][0]["partitions"]:
                if p["leader_id"] == broker:  # any other broker would refuse it
                    raw.append(topic.name, p["index"], [b"x"])
                    leaders.add(broker)
    assert leaders == set(three.ids)


@pytest.mark.remap
def test_a_client_that_comes_to_a_fresh_envoy_by_a_brokers_port(three, gateway):
    """As after Envoy's restart: the connection may be closed while the filter learns which
    broker is which, but not twice."""
    for broker in three.ids:
        gateway.restart()
        with Raw(gateway.port(broker)) as first:
            try:
                first.metadata([])
            except ConnectionError:
                pass
        with Raw(gateway.port(broker)) as second:
            assert {b["node_id"] for b in second.metadata([])["brokers"]} == set(three.ids)


@pytest.mark.remap
def test_the_new_leader_of_an_unmapped_topic_is_named_where_envoy_listens(three, gateway):
    """Else a client would write around Envoy from then on, mapped topics too (KIP-951)."""
    name = topics.unique("unmapped")
    three.create_topic(name, 3, 3)
    with Raw(gateway.base) as bootstrap:
        leaders = {p["index"]: p["leader_id"] for p in bootstrap.metadata([name])["topics"][0]["partitions"]}
    with Raw(gateway.port(1)) as raw:
        partition, leader = next((p, leader) for p, leader in leaders.items() if leader != 1)
        answer = raw.call(apis.PRODUCE, 10, produce_body(name, {partition: batch.build([b"x"])}))
    assert partitions_of(answer)[partition]["error_code"] == 6, "NOT_LEADER_OR_FOLLOWER"
    assert [(n["node_id"], n["host"], n["port"]) for n in answer["node_endpoints"]] == [(leader, "127.0.0.1", gateway.port(leader))]


class DeafEnvoy(Envoy):
    """Broker 3 is advertised at a port where nobody listens."""

    def _dynamic(self) -> dict:
        resources = super()._dynamic()
        resources["listeners"][0]["additional_addresses"].pop()
        return resources


@pytest.mark.remap
def test_a_broker_that_no_connection_comes_in_for_is_told_of_once(tmp_path, three, topic):
    with DeafEnvoy(tmp_path / "deaf", three, topics.MAPPING) as envoy:
        with Raw(envoy.base) as bootstrap, Raw(envoy.port(1)):
            for _ in range(16):  # in all a little more than a minute: after that the filter tells of such a broker
                bootstrap.metadata([topic.name])
                Raw(envoy.port(1)).close()
                time.sleep(4.2)
            assert envoy.stat("kafka_remapper_advertised_unreached_total") == 2, "brokers 2 and 3"
            Raw(envoy.port(2)).close()
            bootstrap.metadata([topic.name])
        lines = [line for line in envoy.log.read_text().splitlines() if "no connection came in for it" in line]
        for broker, line in zip((2, 3), sorted(lines), strict=True):
            assert f"broker {broker} is at 127.0.0.1:{envoy.port(broker)}" in line


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "plain"])
def test_a_broker_dies_and_returns_under_load(idempotent, three, gateway, topic):
    with Load(gateway.bootstrap, topic.name, topic.virtual, idempotent) as load:
        time.sleep(2)
        three.kill(2)
        time.sleep(5)
        three.restart(2)
        goes_on(load)
    three.wait_in_sync(topic.name)
    check(load, gateway, topic, idempotent)


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "plain"])
def test_envoy_is_killed_and_restarted_under_load(idempotent, gateway, topic):
    with Load(gateway.bootstrap, topic.name, topic.virtual, idempotent) as load:
        for _ in range(3):
            time.sleep(2)
            gateway.kill()
            time.sleep(0.5)
            gateway.restart()
        goes_on(load)
    check(load, gateway, topic, idempotent)


def goes_on(load: Load) -> None:
    """Waits until new records are acknowledged again."""
    before = load.acked_count() + load.per_second
    wait_until("acknowledgements after the fault", lambda: load.acked_count() > before, 40)


def check(load: Load, gateway: Envoy, topic: topics.Topic, idempotent: bool) -> None:
    assert not load.failed, load.failed[:3]
    assert load.acked_count() == load.sent
    found = read_to_the_end(gateway.bootstrap, topic.name, topic.virtual)
    for v, records in found.items():
        strangers = [r for r in records if not r.value.startswith(f"{v}-")]
        assert not strangers, f"virtual partition {v} shows {strangers[:3]}"
        lost = set(load.acked[v]) - set(records)
        assert not lost, f"virtual partition {v} lost {len(lost)} of {len(load.acked[v])}: {sorted(lost)[:3]}"
        repeated = [value for value, n in Counter(r.value for r in records).items() if n > 1]
        assert not (idempotent and repeated), f"virtual partition {v} has {len(repeated)} twice: {repeated[:3]}"
        if idempotent:
            assert records == sorted(load.acked[v]), f"virtual partition {v}: not what was acknowledged"
