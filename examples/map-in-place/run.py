"""A topic of 10 partitions with data and a group is mapped where it is, and shows 100."""

import sys
import time
from pathlib import Path

from examples.common.servers import ExampleEnvoy, start_clusters
from examples.common.stage import Stage, perform
from examples.common.tools import kafka, lags
from examples.common.traffic import Ledger, Member, Reading, Writer, check_stored, stored
from tests.harness.checker import check, program
from tests.harness.process import wait_until

HERE = Path(__file__).parent
TOPIC = "orders"
PHYSICAL, VIRTUAL = 10, 100
PER_SECOND = 300


def play(stage: Stage) -> None:
    stage.step(f"starting Kafka; {TOPIC} has {PHYSICAL} partitions, a producer and the group billing, all without Envoy")
    program()
    (cluster,) = [stage.running.enter_context(c) for c in start_clusters(stage.directory, "kafka")]
    cluster.create_topic(TOPIC, PHYSICAL)
    ledger = Ledger()
    billing = Reading("billing", ledger)
    before = [Member(cluster.bootstrap, TOPIC, billing) for _ in range(2)]
    with Writer(cluster.bootstrap, TOPIC, ledger, PER_SECOND):
        time.sleep(3)

        stage.step(f"1. Envoy, whose mapping shows {PHYSICAL} partitions for {PHYSICAL}: clients see what they saw")
        brokers = {"kafka:9092": cluster.bootstrap}
        files = [HERE / "envoy.yaml", HERE / "filter.yaml"]
        envoy = stage.running.enter_context(ExampleEnvoy(stage.directory / "envoy", files, brokers))
        said = check(envoy.filter_configuration("filter.yaml"), cluster.bootstrap, "--grow-to", f"{TOPIC}={VIRTUAL}")
        stage.tell("\n".join(said.section("If virtual_partitions changed")))
        stage.check("kafka-remapper-check finds no problem", said.code == 0)
        stage.step("2. clients move to Envoy, one after the other")
        members = []
        for old in before:
            members.append(Member(envoy.bootstrap, TOPIC, billing))
            old.stop()
        stage.running.callback(lambda: [m.stop() for m in members])
    with Writer(envoy.bootstrap, TOPIC, ledger, PER_SECOND):
        time.sleep(3)
        stage.step("3. where the order of a key counts: stop the producers, and wait until the group has read everything")
    wait_until("LAG 0", lambda: set(lags(envoy.bootstrap, "billing", TOPIC).values()) == {0}, 60)
    old_records = {v: [n for n, home in sorted(ledger.home.items()) if home == v] for v in range(PHYSICAL)}
    count = len(ledger.home)

    stage.step(f"4. a file with {VIRTUAL} virtual partitions is renamed into place; the producers start again")
    ledger.settle()
    envoy.change("filter.yaml", f'"virtual_partitions": {PHYSICAL}', f'"virtual_partitions": {VIRTUAL}')
    seen = f"PartitionCount: {VIRTUAL}"
    wait_until("new connections see it", lambda: seen in kafka("kafka-topics", envoy.bootstrap, "--describe", "--topic", TOPIC), 20)
    began = time.monotonic()
    with Writer(envoy.bootstrap, TOPIC, ledger, PER_SECOND):
        held = list(range(VIRTUAL))
        wait_until("the new partitions", lambda: sorted(p for m in members for p in m.partitions) == held, 60)
        stage.step(f"5. the members have all {VIRTUAL} partitions, {time.monotonic() - began:.0f} s later")
        time.sleep(3)
    wait_until("all is read", lambda: not billing.missing(), 60)
    time.sleep(1)  # for records that come twice

    stage.step("the ledger")
    good = ledger.all_acknowledged() and not ledger.moved
    stage.check(f"{len(ledger.home):,} records acknowledged, {count:,} of them before the change", good)
    stage.check(billing.verdict(), billing.is_good() and not billing.repeated)
    stage.check(f"each key in order, across the change ({billing.disordered_keys} out of order)", not billing.disordered_keys)
    there = stored(envoy.bootstrap, TOPIC, VIRTUAL)
    kept = all(there[v][: len(old)] == old for v, old in old_records.items())
    stage.check(f"partitions 0 to {PHYSICAL - 1} begin with the records from before", kept)
    check_stored(stage, envoy.bootstrap, TOPIC, VIRTUAL, ledger)


if __name__ == "__main__":
    sys.exit(perform("map-in-place", play))
