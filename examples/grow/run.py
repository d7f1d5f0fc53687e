"""V grows from 20 to 40 behind two Envoys, while a producer writes and a group reads."""

import sys
import time
from pathlib import Path

from examples.common.servers import ExampleEnvoy, start_clusters
from examples.common.stage import Stage, perform
from examples.common.tools import kafka
from examples.common.traffic import Ledger, Member, Reading, Writer, check_stored
from tests.harness.checker import check, program
from tests.harness.process import wait_until

HERE = Path(__file__).parent
TOPIC = "orders"
BEFORE, AFTER, PHYSICAL = 20, 40, 4
PER_SECOND = 300
APART_S = 4
"""So much later the second Envoy gets the new file."""


def play(stage: Stage) -> None:
    stage.step("starting Kafka and two Envoys")
    program()
    (cluster,) = [stage.running.enter_context(c) for c in start_clusters(stage.directory, "kafka")]
    brokers = {"kafka:9092": cluster.bootstrap}
    files = [HERE / "envoy.yaml", HERE / "filter.yaml"]
    first, second = (stage.running.enter_context(ExampleEnvoy(stage.directory / name, files, brokers)) for name in ("first", "second"))
    kafka("kafka-topics", first.bootstrap, "--create", "--topic", TOPIC, "--partitions", str(BEFORE))
    cluster.wait_for_leaders(TOPIC, PHYSICAL)

    ledger = Ledger()
    billing = Reading("billing", ledger)
    stage.step("a producer writes through the first Envoy; two members of billing read through each of the two")
    members = [Member(envoy.bootstrap, TOPIC, billing) for envoy in (first, first, second, second)]
    stage.running.callback(lambda: [m.stop() for m in members])
    writer = stage.running.enter_context(Writer(first.bootstrap, TOPIC, ledger, PER_SECOND))
    wait_until("the group", lambda: held(members) == list(range(BEFORE)), 60)
    time.sleep(3)
    stage.step(f"1. what kafka-remapper-check says of --grow-to {TOPIC}={AFTER}")
    said = check(first.filter_configuration("filter.yaml"), cluster.bootstrap, "--grow-to", f"{TOPIC}={AFTER}")
    stage.tell("\n".join(said.section("If virtual_partitions changed")))
    stage.check("the checker finds no problem", said.code == 0)

    written = ledger.sent
    for name, envoy in (("first", first), ("second", second)):
        stage.step(f"2. {name} Envoy: a file with {AFTER} in place of {BEFORE} is renamed into place")
        envoy.change("filter.yaml", f'"virtual_partitions": {BEFORE}', f'"virtual_partitions": {AFTER}')
        time.sleep(APART_S)
    began = time.monotonic()
    wait_until("the new partitions", lambda: held(members) == list(range(AFTER)), 60)
    stage.step(f"3. the members have all {AFTER} partitions, {time.monotonic() - began + APART_S:.0f} s after the second Envoy's change")
    wait_until("records in new partitions", lambda: len(set(ledger.home.values())) == AFTER, 30)
    time.sleep(2)
    writer.stop()
    wait_until("all is read", lambda: not billing.missing(), 60)
    time.sleep(1)  # for records that come twice
    new = sum(v >= BEFORE for v in ledger.home.values())
    stage.step("the ledger")
    stage.check(f"{len(ledger.home):,} records acknowledged, {written:,} before the change; {new:,} on new partitions", ledger.all_acknowledged())
    stage.check(billing.verdict(), billing.is_good() and not billing.repeated)
    check_stored(stage, second.bootstrap, TOPIC, AFTER, ledger)


def held(members: list[Member]) -> list[int]:
    """The partitions of all members."""
    return sorted(p for member in members for p in member.partitions)


if __name__ == "__main__":
    sys.exit(perform("grow", play))
