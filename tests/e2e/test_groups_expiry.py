"""Offsets in shadow groups live as long as their group does: renewed while it has
members, forgotten with it."""

import threading
import time

import pytest

from tests.harness import groups, topics
from tests.harness.envoy import Envoy
from tests.harness.group_members import Group
from tests.harness.groups import NOTHING, Member, Membership, Offset, commit, fetch
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until
from tests.harness.raw import Raw

RETENTION_S = 60
"""offsets.retention.minutes cannot be shorter."""
LONG_S = 2 * RETENTION_S + 5
RENEW_MS = 2000


@pytest.fixture
def forgetful(tmp_path):
    """A broker that forgets offsets after a minute."""
    overrides = {"offsets.retention.minutes": 1, "offsets.retention.check.interval.ms": 500}
    with KafkaCluster(tmp_path / "kafka", overrides=overrides) as cluster:
        yield cluster


@pytest.fixture
def renewing(forgetful, tmp_path):
    with Envoy(tmp_path / "envoy", forgetful, {**topics.MAPPING, "shadow_groups": {"renew_ms": RENEW_MS}}) as envoy:
        yield envoy


class Beating:
    """The only member of a group, to which a whole topic is assigned, and which only sends heartbeats."""

    def __init__(self, port: int, group: str, topic: topics.Topic):
        self.member = Member(Raw(port), group, topics=[topic.name], assigned={topic.name: list(range(topic.virtual))})
        self.member.join()
        self.codes: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        self.member.connection.close()

    def _beat(self) -> None:
        while not self._end.wait(1):
            self.codes.add(self.member.beat())


@pytest.mark.remap
def test_shadows_live_as_their_group_does(forgetful, renewing, programs, tmp_path):
    topic = topics.Topic(topics.MODULO, "modulo.expiry")
    forgetful.create_topic(topic.name, topic.family.physical)
    wanted = {(topic.name, v): Offset(100 + v, f"meta-{v}") for v in range(topic.virtual)}
    lane_0 = {place: o for place, o in wanted.items() if topic.lane_of(place[1]) == 0}
    names = {kind: f"{kind}-group" for kind in ("alive", "unrenewed", "left", "simple", "client")}
    with Raw(renewing.port(1)) as raw, Raw(forgetful.ports[1]) as direct:
        groups.wait_for_coordinator(raw, names["alive"])

        def stored(kind: str) -> groups.Offsets:
            found = fetch(raw, names[kind], {topic.name: list(range(topic.virtual))})
            return {place: o for place, o in found.items() if o != NOTHING}

        def on_the_broker(kind: str) -> list[str]:
            return [name for name in groups.list_groups(direct) if name.split("~")[0] == names[kind]]

        def commit_all(kind: str, who: Membership | None) -> None:
            assert set(commit(raw, names[kind], wanted, who=who).values()) == {0}
            assert stored(kind) == wanted

        # Read and committed once, by a program that stays a member; before the others, whose clocks then run.
        for v in range(topic.virtual):
            raw.append(topic.name, v, [b"x"])
        with Group(programs["librdkafka"], renewing.bootstrap, topic.name, names["client"], "range", tmp_path) as client:
            client.start()
            wait_until("its commits", lambda: len(stored("client")) == topic.virtual, 30)
            read = stored("client")
            alive = Beating(renewing.port(1), names["alive"], topic)
            # This member's heartbeats go around Envoy: nothing renews its offsets.
            unrenewed = Beating(forgetful.ports[1], names["unrenewed"], topic)
            left = Beating(renewing.port(1), names["left"], topic)
            start = time.monotonic()
            try:
                commit_all("simple", None)
                for kind, beating in (("alive", alive), ("unrenewed", unrenewed), ("left", left)):
                    commit_all(kind, beating.member.membership)
                time.sleep(3 * RENEW_MS / 1000)  # renewals too must leave nothing behind
                left.stop()
                with Raw(renewing.port(1)) as connection:
                    left.member.connection = connection
                    left.member.leave()
                gone = RETENTION_S + 20
                wait_until("no trace of the simple group", lambda: not on_the_broker("simple"), gone)
                wait_until("no trace of the group that was left", lambda: not on_the_broker("left"), gone)
                wait_until("expired lanes", lambda: stored("unrenewed") == lane_0, gone)
                while time.monotonic() < start + LONG_S:
                    assert stored("alive") == wanted
                    assert stored("client") == read
                    time.sleep(2)
                assert (alive.codes, unrenewed.codes, left.codes) == ({0}, {0}, {0})
                client.stop()
            finally:
                for beating in (alive, unrenewed, left):
                    beating.stop()
