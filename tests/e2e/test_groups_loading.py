"""A coordinator that loads its groups takes every Heartbeat: a thrown-out member must not
write offsets because of that."""

import os
import threading
import time
from collections import Counter

import pytest

from tests.harness import groups, topics
from tests.harness.envoy import Envoy
from tests.harness.groups import Membership, Offset, commit, fetch
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until
from tests.harness.raw import Raw

MIB = int(os.environ.get("KPR_LOADING_MIB", "40"))
"""MiB that the coordinator has to load: about 50 MiB take the starting broker a second."""
RESTARTS = int(os.environ.get("KPR_LOADING_RESTARTS", "2"))
ZOMBIES = 16
PARTITIONS = 200
ATTEMPTS_MIN = 200


class Zombie:
    """Commits lanes above 0 as a member that the group has never had, on one connection after the other."""

    def __init__(self, envoy: Envoy, group: str, offsets: groups.Offsets):
        self.codes: Counter[int] = Counter()
        self._envoy, self._group, self._offsets = envoy, group, offsets
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._commit_for_ever)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _commit_for_ever(self) -> None:
        while not self._end.is_set():
            try:
                with Raw(self._envoy.port(1)) as raw:
                    while not self._end.is_set():
                        codes = commit(raw, self._group, self._offsets, 7, Membership("zombie", 99))
                        self.codes.update(codes.values())
            except OSError:  # the broker is down
                time.sleep(0.01)


@pytest.mark.remap
def test_zombies_write_nothing_while_the_coordinator_loads(tmp_path):
    topic = topics.Topic(topics.MODULO, "modulo.loading")
    overrides = {"offsets.topic.num.partitions": 1, "log.cleaner.enable": "false"}
    with (
        KafkaCluster(tmp_path / "kafka", overrides=overrides) as cluster,
        Envoy(tmp_path / "envoy", cluster, topics.MAPPING) as envoy,
    ):
        cluster.create_topic(topic.name, topic.family.physical)
        cluster.create_topic("filling", PARTITIONS)
        wanted = {(topic.name, v): Offset(v) for v in (4, 9, 17)}
        with Raw(envoy.port(1)) as raw:
            groups.wait_for_coordinator(raw, "group")
            assert set(commit(raw, "group", wanted).values()) == {0}
        fill(cluster.ports[1])
        zombies = [Zombie(envoy, "group", {place: Offset(900) for place in wanted}) for _ in range(ZOMBIES)]
        seen: Counter[int] = Counter()
        try:
            for _ in range(RESTARTS):
                cluster.kill(1)
                cluster.restart(1)
                with Raw(envoy.port(1)) as raw:
                    groups.wait_for_coordinator(raw, "group")
                    before = [z.codes.total() for z in zombies]
                    wait_until("attempts", lambda: all(z.codes.total() > b + 20 for z, b in zip(zombies, before)))
                    assert fetch(raw, "group", None) == wanted
        finally:
            for zombie in zombies:
                zombie.stop()
                seen += zombie.codes
        print("attempts by error code:", dict(seen))
        assert seen[0] == 0
        assert seen[groups.UNKNOWN_MEMBER_ID] > 0
        assert seen[groups.COORDINATOR_LOAD_IN_PROGRESS] > ATTEMPTS_MIN, "the coordinator was ready too soon to prove anything"


def fill(port: int) -> None:
    """Makes the coordinator's log long: commits with all the metadata that a broker takes."""
    offsets = {("filling", p): Offset(1, "x" * 4096) for p in range(PARTITIONS)}
    with Raw(port, timeout=60) as direct:
        for _ in range(MIB * 2**20 // (PARTITIONS * 4096)):
            assert set(commit(direct, "filler", offsets).values()) == {0}
