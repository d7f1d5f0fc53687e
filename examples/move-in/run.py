"""A topic of 100 partitions becomes one of 10 that shows 100; groups go on; and the way back."""

import argparse
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from examples.common.mirror import Mirror
from examples.common.servers import ExampleEnvoy, start_clusters
from examples.common.stage import Stage, perform
from examples.common.tools import kafka, lags
from examples.common.traffic import Ledger, Member, Reading, Writer, stored
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until

HERE = Path(__file__).parent
TOPIC = "orders"
PER_SECOND = 300


class Move:
    """Where everything is."""

    def __init__(self, stage: Stage, options: argparse.Namespace):
        self.stage, self.options = stage, options
        self.ledger = Ledger()
        self.billing, self.reports = Reading("billing", self.ledger), Reading("reports", self.ledger)
        self.copy = f"old.{TOPIC}" if options.same_cluster else TOPIC
        names = ("kafka",) if options.same_cluster else ("old", "new")
        clusters = [stage.running.enter_context(c) for c in start_clusters(stage.directory, *names)]
        self.old, self.new = clusters[0], clusters[-1]
        sizes = '"virtual_partitions": {}, "physical_partitions": {}'
        more = {
            sizes.format(100, 10): sizes.format(options.virtual, options.physical),
            f'"name": "{TOPIC}"': f'"name": "{self.copy}"',
        }
        brokers = {"new-kafka:9092": self.new.bootstrap}
        self.envoy = stage.running.enter_context(ExampleEnvoy(stage.directory / "envoy", [HERE / "envoy.yaml"], brokers, more))

    def mirror(self, file: str, running: ExitStack) -> Mirror:
        values = {**self.envoy.values, "old-kafka:9092": self.old.bootstrap}
        if self.options.same_cluster:
            values["replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy"] = ""
        return running.enter_context(Mirror(self.stage.directory, HERE / file, values))


def play(stage: Stage, options: argparse.Namespace) -> None:
    stage.step("starting Kafka and Envoy")
    move = Move(stage, options)
    stage.step(f"the old side: {TOPIC} with {options.virtual} partitions, a producer, groups billing and reports")
    move.old.create_topic(TOPIC, options.virtual)
    Writer(move.old.bootstrap, TOPIC, move.ledger, 0).write_now(options.records)
    Member(move.old.bootstrap, TOPIC, move.reports, at_most=options.records // 2).join()
    with ExitStack() as old_side, ExitStack() as running:
        members = [Member(move.old.bootstrap, TOPIC, move.billing) for _ in range(2)]
        old_side.callback(lambda: [m.stop() for m in members])
        writer = old_side.enter_context(Writer(move.old.bootstrap, TOPIC, move.ledger, PER_SECOND))
        mirror = copy(move, running)
        stage.step("1. stop the producers")
        writer.stop()
        stage.step("2. wait until billing has read everything, and MirrorMaker has copied everything")
        wait_until("LAG 0 of billing", lambda: set(lags(move.old.bootstrap, "billing", TOPIC).values()) == {0}, 60)
        wait_until("the copy", lambda: nothing_behind(move), 60)
        stage.step("3. stop the consumers, and wait for the groups' offsets on the new side")
        old_side.close()
        mirror.wait_for_groups(stage, move.old.bootstrap, TOPIC, move.envoy.bootstrap, move.copy)
        mirror.finish()
    check_copy(move)
    with ExitStack() as running:
        back = None if options.same_cluster else start_back(move, running)
        stage.step("5. start the consumers, then the producers, at Envoy")
        run_there(move, move.envoy.bootstrap, move.copy, 3)
        verdict(move, "on the new side")
        if back:
            roll_back(move, back)


def copy(move: Move, running: ExitStack) -> Mirror:
    """Until the copy keeps up with the producer."""
    options, stage = move.options, move.stage
    stage.step(f"the new side: {move.copy} is made through Envoy with {options.virtual} partitions")
    kafka("kafka-topics", move.envoy.bootstrap, "--create", "--topic", move.copy, "--partitions", str(options.virtual))
    move.new.wait_for_leaders(move.copy, options.physical)
    stage.tell(f"on the brokers it has {len(move.new.admin.list_topics(move.copy, timeout=10).topics[move.copy].partitions)}")
    stage.step("MirrorMaker 2 copies, while the producer writes and billing reads")
    mirror = move.mirror("mirror.properties", running)
    began = time.monotonic()
    mirror.wait_until("the copy", lambda: count(move.new, move.copy, options.physical) >= len(move.ledger.home) - PER_SECOND, 120)
    stage.tell(f"{count(move.new, move.copy, options.physical):,} records are there after {time.monotonic() - began:.0f} s")
    return mirror


def count(cluster: KafkaCluster, topic: str, partitions: int) -> int:
    """How many records have been written to a topic, by the brokers."""
    return sum(cluster.end_offsets(topic, partitions))


def nothing_behind(move: Move) -> bool:
    """By behind.py, and the tools that it names."""
    files = [move.stage.directory / name for name in ("starts", "ends", "copied")]
    files[0].write_text(kafka("kafka-get-offsets", move.old.bootstrap, "--topic", TOPIC, "--time", "earliest"))
    files[1].write_text(kafka("kafka-get-offsets", move.old.bootstrap, "--topic", TOPIC))
    own = ("--topic", "mm2-offsets.old.internal", "--from-beginning", "--timeout-ms", "2000", "--formatter-property", "print.key=true")
    files[2].write_text(kafka("kafka-console-consumer", move.envoy.bootstrap, *own))
    return subprocess.run([sys.executable, HERE / "behind.py", *files], stdout=subprocess.DEVNULL).returncode == 0


def check_copy(move: Move) -> None:
    """Each partition holds what it held on the old side, in the same order."""
    wanted = stored(move.old.bootstrap, TOPIC, move.options.virtual)
    there = stored(move.envoy.bootstrap, move.copy, move.options.virtual)
    twice = sum(len(records) - len(set(records)) for records in there.values())
    same = all(list(dict.fromkeys(there[v])) == wanted[v] for v in wanted)
    move.stage.check(f"each of the {len(wanted)} partitions holds its records in their order ({twice} were copied twice)", same)


def start_back(move: Move, running: ExitStack) -> Mirror:
    move.stage.step("4. start MirrorMaker 2 the other way, for a rollback that loses nothing")
    back = move.mirror("mirror-back.properties", running)
    positions = f"Resetting offset for partition {TOPIC}-"
    back.wait_until("its positions", lambda: back.log.read_text(errors="replace").count(positions) >= move.options.virtual, 90)
    return back


def run_there(move: Move, bootstrap: str, topic: str, seconds: float) -> None:
    """Both groups read, a producer writes; ends when everything is read."""
    members = [Member(bootstrap, topic, reading) for reading in (move.billing, move.billing, move.reports)]
    with Writer(bootstrap, topic, move.ledger, PER_SECOND):
        time.sleep(seconds)
    wait_until("all is read", lambda: not move.billing.missing() and not move.reports.missing(), 60)
    time.sleep(1)  # for records that come twice
    for member in members:
        member.stop()


def verdict(move: Move, where: str) -> None:
    ledger = move.ledger
    move.stage.step(f"the ledger, {where}")
    move.stage.check(f"{len(ledger.home):,} records acknowledged, keys on {ledger.moved} other partitions", ledger.all_acknowledged() and not ledger.moved)
    for reading in (move.billing, move.reports):
        move.stage.check(reading.verdict(), reading.is_good())
    move.stage.check("billing, which had read everything before the change, got nothing twice", not move.billing.repeated)


def roll_back(move: Move, back: Mirror) -> None:
    stage, options = move.stage, move.options
    stage.step("rollback: the producers and consumers are stopped; wait for the copy and the offsets")
    back.wait_until("the copy", lambda: count(move.old, TOPIC, options.virtual) >= len(move.ledger.home), 60)
    back.wait_for_groups(stage, move.envoy.bootstrap, TOPIC, move.old.bootstrap, TOPIC)
    back.finish()
    stage.step("rollback: start consumers and producers at the old brokers")
    run_there(move, move.old.bootstrap, TOPIC, 3)
    verdict(move, "back on the old side")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--virtual", type=int, default=100, help="partitions that clients see (default %(default)s)")
    parser.add_argument("--physical", type=int, default=10, help="partitions on the new brokers (default %(default)s)")
    parser.add_argument("--records", type=int, default=20_000, help="that are there before (default %(default)s)")
    parser.add_argument("--same-cluster", action="store_true", help="the copy is on the brokers of the original, as old.orders")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    sys.exit(perform("move-in", lambda stage: play(stage, options)))
