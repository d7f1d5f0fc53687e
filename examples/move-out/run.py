"""Virtual partitions become real ones again, groups go on, and what Envoy leaves on the brokers is removed."""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from examples.common.mirror import Mirror
from examples.common.servers import ExampleEnvoy, start_clusters
from examples.common.stage import Stage, perform
from examples.common.tools import kafka, lags, offsets
from examples.common.traffic import Ledger, Member, Reading, Writer, check_stored
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until

HERE = Path(__file__).parent
TOPIC, COPY = "orders", "mapped.orders"
VIRTUAL, PHYSICAL = 20, 4
PER_SECOND = 300


def play(stage: Stage, options: argparse.Namespace) -> None:
    stage.step("starting Kafka and Envoy")
    (cluster,) = [stage.running.enter_context(c) for c in start_clusters(stage.directory, "kafka")]
    brokers = {"kafka:9092": cluster.bootstrap}
    envoy = stage.running.enter_context(ExampleEnvoy(stage.directory / "envoy", [HERE / "envoy.yaml"], brokers))
    kafka("kafka-topics", envoy.bootstrap, "--create", "--topic", TOPIC, "--partitions", str(VIRTUAL))
    cluster.wait_for_leaders(TOPIC, PHYSICAL)
    ledger = Ledger()
    billing, reports = Reading("billing", ledger), Reading("reports", ledger)
    stage.step(f"through Envoy: {TOPIC} with {VIRTUAL} partitions ({PHYSICAL} on the brokers), groups billing and reports")
    Writer(envoy.bootstrap, TOPIC, ledger, 0).write_now(options.records)
    Member(envoy.bootstrap, TOPIC, reports, at_most=options.records // 2).join()

    with ExitStack() as mapped, ExitStack() as running:
        members = [Member(envoy.bootstrap, TOPIC, billing) for _ in range(2)]
        mapped.callback(lambda: [m.stop() for m in members])
        writer = mapped.enter_context(Writer(envoy.bootstrap, TOPIC, ledger, PER_SECOND))
        stage.step(f"1. {COPY} is made on the brokers with {VIRTUAL} partitions; MirrorMaker 2 copies through Envoy")
        cluster.create_topic(COPY, VIRTUAL)
        mirror = running.enter_context(Mirror(stage.directory, HERE / "mirror.properties", envoy.values))
        mirror.wait_until("the copy", lambda: written(cluster, COPY, VIRTUAL) >= len(ledger.home) - PER_SECOND, 120)
        stage.step("2. stop the producers; wait until MirrorMaker has copied everything, and billing has read it")
        writer.stop()
        mirror.wait_until("the copy", lambda: written(cluster, COPY, VIRTUAL) >= written(cluster, TOPIC, PHYSICAL))
        wait_until("billing", lambda: not billing.missing(), 60)
        stage.step("3. stop the consumers, and wait for the groups' offsets in the copy")
        mapped.close()
        mirror.wait_for_groups(stage, envoy.bootstrap, TOPIC, cluster.bootstrap, COPY)
        lag = set(lags(cluster.bootstrap, "billing", COPY).values())
        stage.check(f"LAG of billing in {COPY}: {lag}", lag == {0})
        mirror.finish()
    check_stored(stage, cluster.bootstrap, COPY, VIRTUAL, ledger)

    stage.step("4. start the consumers, then the producers, at the brokers")
    members = [Member(cluster.bootstrap, COPY, reading) for reading in (billing, billing, reports)]
    with Writer(cluster.bootstrap, COPY, ledger, PER_SECOND):
        time.sleep(3)
    wait_until("all is read", lambda: not billing.missing() and not reports.missing(), 60)
    time.sleep(1)  # for records that come twice
    for member in members:
        member.stop()
    clean_up(stage, cluster, envoy)

    stage.step("the ledger")
    good = ledger.all_acknowledged() and not ledger.moved
    stage.check(f"{len(ledger.home):,} records acknowledged, keys on {ledger.moved} other partitions", good)
    for reading in (billing, reports):
        stage.check(reading.verdict(), reading.is_good())
    stage.check("billing, which had read everything before the change, got nothing twice", not billing.repeated)


def written(cluster: KafkaCluster, topic: str, partitions: int) -> int:
    """How many records have been written to a topic, by the brokers."""
    return sum(cluster.end_offsets(topic, partitions))


def clean_up(stage: Stage, cluster: KafkaCluster, envoy: ExampleEnvoy) -> None:
    stage.step("5. clean up: the mapped topic, the shadows of both groups, MirrorMaker's topics")
    kept = {group: offsets(cluster.bootstrap, group, COPY) for group in ("billing", "reports")}
    kafka("kafka-topics", envoy.bootstrap, "--delete", "--topic", TOPIC)
    shadows = [g for g in kafka("kafka-consumer-groups", cluster.bootstrap, "--list").split() if "~" in g]
    stage.tell(f"shadows: {' '.join(sorted(shadows))}")
    kafka("kafka-consumer-groups", cluster.bootstrap, "--delete", *(o for g in shadows for o in ("--group", g)))
    kafka("kafka-topics", cluster.bootstrap, "--delete", "--topic", r"mm2-.*\.internal|mapped\.checkpoints\.internal|(mapped\.)?heartbeats")
    topics = set(kafka("kafka-topics", cluster.bootstrap, "--list").split()) - {"__consumer_offsets"}
    left = kafka("kafka-consumer-groups", cluster.bootstrap, "--list").split()
    stage.check(f"topics: {', '.join(sorted(topics))}; groups: {', '.join(sorted(left))}", topics == {COPY} and set(left) == set(kept))
    same = all(offsets(cluster.bootstrap, group, COPY) == found for group, found in kept.items())
    stage.check("the groups' offsets in the copy are what they were", same and all(kept.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="that are there before (default %(default)s)")
    options = parser.parse_args()
    sys.exit(perform("move-out", lambda stage: play(stage, options)))
