"""`make demo`: a topic of 4 partitions that clients see as 20, written and read through
Envoy, and checked record by record.

--keep (`make demo-up`) leaves Kafka and Envoy running afterwards, and says what to try.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.harness.kafka import KafkaCluster
from tests.harness.paths import KAFKA_JARS, REPO

from .screen import Screen, View
from .servers import QuickstartEnvoy
from .traffic import Ledger, Reader, Writer

TOPIC, VIRTUAL, PHYSICAL = "orders", 20, 4
"""As in envoy.yaml."""
PER_SECOND = 3000
REFRESH_S = 0.5
DRAIN_S = 20
"""Readers may take this long after the last write."""
QUIET_S = 1.0
"""How long to watch, after everything was read, for records that come twice."""
AMPLIFICATION_MAX = 1.3
"""What Envoy may fetch for each byte that clients get, where its connections share what they read. 1 would be
each byte once; more is what Envoy fetches while readers still come, each at a place of its own, and what the
broker sends along when it is asked whether a reader may have a record."""


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    (REPO / "target").mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="quickstart-", dir=REPO / "target"))
    good = False
    try:
        with quiet_clients(directory / "clients.log"), contextlib.ExitStack() as running:
            good = demonstrate(options, directory, running)
    except KeyboardInterrupt:
        good = True
        print("\nstopped")
        return 130
    except Exception as error:  # whatever it is, a newcomer wants words and the logs
        print(f"\nerror: {error}", file=sys.stderr)
    finally:
        if good:
            shutil.rmtree(directory, ignore_errors=True)
    if not good:
        print(f"logs: {directory}")
    return 0 if good else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kafka and Envoy with the partition remapper, and clients that check it.")
    parser.add_argument("--keep", action="store_true", help="leave Kafka and Envoy running, and say what to try")
    parser.add_argument("--seconds", type=float, default=20, help="how long to write (default %(default)s)")
    parser.add_argument("--share", default="auto", choices=("auto", "never"), help="the filter's fetch.share (default %(default)s)")
    return parser.parse_args()


@contextlib.contextmanager
def quiet_clients(log: Path):
    """Client libraries tell stderr of every connection that ends; that goes into a file."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("wb") as out:
        os.dup2(out.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def demonstrate(options: argparse.Namespace, directory: Path, running: contextlib.ExitStack) -> bool:
    print("starting Kafka ...", flush=True)
    cluster = running.enter_context(KafkaCluster(directory))
    cluster.create_topic(TOPIC, PHYSICAL)
    print("starting Envoy with the filter ...", flush=True)
    envoy = running.enter_context(QuickstartEnvoy(directory, cluster, options.share))
    good = run_traffic(options, cluster, envoy)
    if options.keep:
        print(what_to_try(cluster, envoy), flush=True)
        wait_for_interrupt(envoy)
    return good


def run_traffic(options: argparse.Namespace, cluster: KafkaCluster, envoy: QuickstartEnvoy) -> bool:
    ledger, screen = Ledger(VIRTUAL), Screen(TOPIC, VIRTUAL, PHYSICAL, options.share)
    readers = [Reader(envoy.bootstrap, TOPIC, v, ledger) for v in range(VIRTUAL)]
    writer = Writer(envoy.bootstrap, TOPIC, ledger, PER_SECOND, options.seconds)
    try:
        for reader in readers:
            reader.start()
        writer.warm_up()
        wait_for_readers(ledger)
        ledger.latencies_ms.clear()
        ledger.recent_ms.clear()
        started = time.monotonic()
        screen.begin()
        writer.start()
        while writer.is_alive():
            writer.join(REFRESH_S)
            screen.show(look(time.monotonic() - started, ledger, cluster, envoy))
        wait_for_readers(ledger)
        time.sleep(QUIET_S)
    finally:
        for thread in [writer, *readers]:
            thread.stop()
    view = look(time.monotonic() - started, ledger, cluster, envoy)
    view.latencies_ms = ledger.latencies_ms
    screen.end(view)
    good = judge(ledger, view, screen)
    if options.share != "never":
        aim = "as it should be" if view.amplification <= AMPLIFICATION_MAX else "MORE than it should be"
        screen.say(f"read amplification x{view.amplification:.2f}: {aim}, at most {AMPLIFICATION_MAX}")
    return good


def wait_for_readers(ledger: Ledger) -> None:
    deadline = time.monotonic() + DRAIN_S
    while ledger.missing() and time.monotonic() < deadline:
        time.sleep(0.1)


def look(seconds: float, ledger: Ledger, cluster: KafkaCluster, envoy: QuickstartEnvoy) -> View:
    return View(
        seconds=seconds,
        written=list(ledger.written),
        read=list(ledger.read),
        end_offsets=cluster.end_offsets(TOPIC, PHYSICAL),
        upstream_bytes=envoy.stat("kafka_remapper_fetch_bytes_upstream_total"),
        downstream_bytes=envoy.stat("kafka_remapper_fetch_bytes_downstream_total"),
        latencies_ms=list(ledger.recent_ms),
        wrong=f"{ledger.leaked} leaked, {ledger.repeated} repeated",
    )


def judge(ledger: Ledger, view: View, screen: Screen) -> bool:
    sent, lost = len(ledger.home), ledger.missing()
    unwritten = sent - sum(view.written)
    order = "in order" if not ledger.disordered else f"{ledger.disordered} out of order"
    verdict = f"{lost} lost, {ledger.leaked} leaked, {ledger.repeated} repeated, {order}"
    good = sent > 0 and not any((lost, ledger.leaked, ledger.repeated, ledger.disordered, unwritten))
    if unwritten:
        verdict += f"; {unwritten} of {sent} could not be written"
    screen.verdict(verdict, good)
    for error in ledger.errors if not good else ():
        print(f"  {error}")
    return good


def what_to_try(cluster: KafkaCluster, envoy: QuickstartEnvoy) -> str:
    return f"""
Kafka and Envoy go on until you press ctrl-C here. In another terminal:

  # Kafka's own tools
  cd {REPO}
  kafka() {{ java -Dorg.slf4j.simpleLogger.defaultLogLevel=error \\
      -cp '{KAFKA_JARS.relative_to(REPO)}/*' org.apache.kafka.tools."$@"; }}
  envoy={envoy.bootstrap}
  broker={cluster.bootstrap}

  # {VIRTUAL} partitions through Envoy, {PHYSICAL} on the broker
  kafka TopicCommand --bootstrap-server $envoy --describe --topic {TOPIC}
  kafka TopicCommand --bootstrap-server $broker --describe --topic {TOPIC}

  # partition 7 through Envoy; its neighbours' records leave gaps in the offsets
  kafka consumer.ConsoleConsumer --bootstrap-server $envoy --topic {TOPIC} \\
      --partition 7 --offset earliest --max-messages 5 --formatter-property print.offset=true

  # partition 3 on the broker, where it is stored: those of 3, 7, 11, 15 and 19
  kafka consumer.ConsoleConsumer --bootstrap-server $broker --topic {TOPIC} \\
      --partition 3 --offset earliest --max-messages 5 --formatter-property print.offset=true

  # write a record per line, key:value, until ctrl-D
  kafka ConsoleProducer --bootstrap-server $envoy --topic {TOPIC} \\
      --reader-property parse.key=true --reader-property key.separator=:

  # what the filter has counted, and the configuration that Envoy runs
  curl -s {envoy.admin}/stats/prometheus | grep ^kafka_remapper
  less {envoy.file.relative_to(REPO)}
"""


def wait_for_interrupt(envoy: QuickstartEnvoy) -> None:
    try:
        while envoy.process.alive():
            time.sleep(0.5)
        print("\nEnvoy has ended by itself")
    except KeyboardInterrupt:
        print("\nstopping ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
