"""`make demo`: a topic of 4 partitions that clients see as 20 and then as 40, written and read through Envoy, and
checked record by record.

--keep (`make demo-up`) leaves Kafka and Envoy running afterwards. Nothing is left behind but the logs of a run
that failed.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.harness.kafka import JAVA, KafkaCluster, run_tool
from tests.harness.paths import KAFKA_JARS, REPO

from .screen import Screen, View
from .servers import QuickstartEnvoy
from .traffic import GROUP, Ledger, Member, Reader, Writer

TOPIC, VIRTUAL, PHYSICAL = "orders", 20, 4
"""As in filter.yaml."""
GROWN = 40
PER_SECOND = 3000
MEMBERS = 2
REFRESH_S = 0.5
DRAIN_S = 30
"""Readers may take this long after the last write."""
GROWTH_S = 40
"""The writer, whose connections end within 13 s, may take this long to use what is new."""
QUIET_S = 1.0
"""How long to watch, after everything was read, for records that come twice."""
AMPLIFICATION_MAX = 1.3
"""What Envoy may fetch for each byte that clients get, where its connections share what they read. 1 would be
each byte once; more is what Envoy fetches while readers still come, each at a place of its own, and what the
broker sends along when it is asked whether a reader may have a record."""


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, interrupt)
    (REPO / "target").mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="quickstart-", dir=REPO / "target"))
    failed = False
    try:
        with quiet_clients(directory / "clients.log"), contextlib.ExitStack() as running:
            failed = not demonstrate(options, directory, running)
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    except Exception as error:  # whatever it is, a newcomer wants words and the logs
        failed = True
        print(f"\nerror: {error}", file=sys.stderr)
    finally:
        if not failed:
            shutil.rmtree(directory, ignore_errors=True)
    if failed:
        print(f"logs: {directory} (delete it when you have read them)")
    return int(failed)


def interrupt(*_) -> None:
    """Ctrl-C, once: more of them would interrupt the tidying up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kafka and Envoy with the partition remapper, and clients that check it.")
    parser.add_argument("--keep", action="store_true", help="leave Kafka and Envoy running, and say what to try")
    parser.add_argument("--seconds", type=float, default=8, help="how long to write before V grows, and after (default %(default)s)")
    parser.add_argument("--fast", action="store_true", help="the same in less time: --seconds 2")
    parser.add_argument("--share", default="auto", choices=("auto", "never"), help="the filter's fetch.share (default %(default)s)")
    options = parser.parse_args()
    options.seconds = 2 if options.fast else options.seconds
    return options


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
    # What a JVM would leave in /tmp when it is killed.
    java = (*JAVA, "-XX:-UsePerfData", f"-Djava.io.tmpdir={directory}")
    cluster = running.enter_context(KafkaCluster(directory, java=java))
    cluster.create_topic(TOPIC, PHYSICAL)
    print("starting Envoy with the filter ...", flush=True)
    envoy = running.enter_context(QuickstartEnvoy(directory, cluster, options.share))
    demo = Demo(options, cluster, envoy)
    good = demo.run()
    print(what_next(envoy))
    if options.keep:
        print(what_to_try(cluster, envoy), flush=True)
        wait_for_interrupt(envoy)
    return good


class Demo:
    """The traffic, and what is shown of it."""

    def __init__(self, options: argparse.Namespace, cluster: KafkaCluster, envoy: QuickstartEnvoy):
        self._options, self._cluster, self._envoy = options, cluster, envoy
        self._ledger = Ledger(VIRTUAL, GROWN)
        self._screen = Screen(TOPIC, VIRTUAL, PHYSICAL, options.share, GROUP)
        self._writer = Writer(envoy.bootstrap, TOPIC, self._ledger, PER_SECOND)
        self._readers = [self._reader(v) for v in range(VIRTUAL)]
        self._members = [Member(envoy.bootstrap, TOPIC, n + 1, self._ledger) for n in range(MEMBERS)]

    def run(self) -> bool:
        try:
            for thread in [*self._readers, *self._members]:
                thread.start()
            self._writer.warm_up()
            self._wait_for_readers()
            self._ledger.latencies_ms.clear()
            self._ledger.recent_ms.clear()
            self._started = time.monotonic()
            self._screen.begin()
            self._writer.start()
            self._watch(self._options.seconds)
            amplification = self._look().amplification
            self._show_group(every_partition=True)
            self._grow()
            self._watch(self._options.seconds)
            self._show_group(every_partition=False)
            self._writer.stop()
            self._wait_for_readers()
            time.sleep(QUIET_S)
        finally:
            for thread in [self._writer, *self._readers, *self._members]:
                thread.stop()
        return self._judge(amplification)

    def _grow(self) -> None:
        """V grows while everybody is at work."""
        self._screen.note(
            f"V grows from {VIRTUAL} to {GROWN}: filter.yaml is changed, and Envoy takes it up. Connections end one by\n"
            f"one within 13 seconds, clients come again and see {GROWN}. Nobody is restarted."
        )
        self._ledger.grows(GROWN)
        self._envoy.grow(VIRTUAL, GROWN)
        self._wait(GROWTH_S, f"a new client to see {GROWN} partitions", lambda: self._partitions() == GROWN)
        grown = [self._reader(v) for v in range(VIRTUAL, GROWN)]
        self._readers += grown
        for reader in grown:
            reader.start()
        self._wait(GROWTH_S, "records on every new partition", lambda: all(self._ledger.written))

    def _reader(self, partition: int) -> Reader:
        return Reader(self._envoy.bootstrap, TOPIC, partition, self._ledger)

    def _partitions(self) -> int:
        client = AdminClient({"bootstrap.servers": self._envoy.bootstrap, "log_level": 0})
        return len(client.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)

    def _wait(self, seconds: float, what: str, is_so) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s in vain for {what}")
            self._watch(REFRESH_S)

    def _watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(REFRESH_S, left))
            self._screen.show(self._look())

    def _show_group(self, every_partition: bool) -> None:
        """What Kafka's own tool says of the group, while the traffic goes on."""
        with ThreadPoolExecutor(1) as pool:
            described: Future = pool.submit(describe_whole_group, self._envoy.bootstrap, self._partitions())
            while not described.done():
                self._watch(REFRESH_S)
        self._screen.note(f"$ kafka-consumer-groups --bootstrap-server {self._envoy.bootstrap} --describe --group {GROUP}")
        self._screen.group(described.result(), every_partition)

    def _wait_for_readers(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while (self._ledger.missing() or self._ledger.missing_in_group()) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _look(self) -> View:
        ledger, envoy = self._ledger, self._envoy
        return View(
            seconds=time.monotonic() - self._started,
            written=ledger.written[: ledger.partitions],
            read=ledger.read[: ledger.partitions],
            end_offsets=self._cluster.end_offsets(TOPIC, PHYSICAL),
            upstream_bytes=envoy.stat("kafka_remapper_fetch_bytes_upstream_total"),
            downstream_bytes=envoy.stat("kafka_remapper_fetch_bytes_downstream_total"),
            latencies_ms=list(ledger.recent_ms),
            wrong=f"{ledger.leaked} leaked, {ledger.repeated} repeated",
        )

    def _judge(self, amplification: float) -> bool:
        ledger, screen, view = self._ledger, self._screen, self._look()
        view.latencies_ms = ledger.latencies_ms
        screen.end(view)
        sent, lost = len(ledger.homes), ledger.missing()
        unwritten = sent - sum(view.written)
        order = "in order" if not ledger.disordered else f"{ledger.disordered} out of order"
        verdict = f"{lost} lost, {ledger.leaked} leaked, {ledger.repeated} repeated, {order}"
        missed = ledger.missing_in_group()
        grown = sum(view.written[VIRTUAL:])
        good = grown > 0 and not any((lost, ledger.leaked, ledger.repeated, ledger.disordered, unwritten, missed))
        if unwritten:
            verdict += f"; {unwritten} of {sent} could not be written"
        screen.verdict(verdict, good)
        again = sum(times > 1 for times in ledger.by_group)
        screen.say(
            f"{sent:,} records, {grown:,} of them on partitions that were new; the group missed {missed}, and got {again:,} again,"
            "\nas any group does that is rebalanced before it has committed"
        )
        for error in ledger.errors if not good else ():
            print(f"  {error}")
        if self._options.share != "never":
            aim = "as it should be" if amplification <= AMPLIFICATION_MAX else "MORE than it should be"
            screen.say(f"read amplification before the growth x{amplification:.2f} (fillers count as given): {aim}, at most {AMPLIFICATION_MAX}")
        return good


def describe_whole_group(bootstrap: str, partitions: int) -> list[dict[str, str]]:
    """As `describe_group`, once the group has all of the partitions, or has had time enough for it."""
    deadline = time.monotonic() + GROWTH_S
    while True:
        rows = describe_group(bootstrap)
        owned = sum(row["CONSUMER-ID"] != "-" for row in rows)
        if owned == partitions or time.monotonic() > deadline:
            return rows


def describe_group(bootstrap: str) -> list[dict[str, str]]:
    """A row for each partition, by the tool's own columns."""
    tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    options = ("-XX:-UsePerfData",)
    done = run_tool(tool, "--bootstrap-server", bootstrap, "--describe", "--group", GROUP, options=options)
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["GROUP"], [GROUP])]
    if not rows:
        raise RuntimeError(f"kafka-consumer-groups says: {done.stdout}{done.stderr}")
    found = [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]
    return sorted(found, key=lambda row: int(row["PARTITION"]))


def what_next(envoy: QuickstartEnvoy) -> str:
    counted = "\n".join(f"  {line}" for line in envoy.counted() if 'api="Produce"' in line or "{remapper=" in line and "api=" not in line)
    return f"""
Some of what the filter has counted ({envoy.admin}/stats/prometheus while it runs):

{counted}

What to try next

  make demo-up                        the same, left running, with commands to look around with
  examples/quickstart/filter.yaml     what was configured here: five lines of JSON
  envoy/README.md                     configurations for real clusters; start with dynamic-live.yaml
  docs/first-contact.md               when it does not work: what you see, and what to do
  docs/security.md                    TLS, SASL, who clients are to brokers
  docs/checker.md                     checks a configuration against your cluster, and says if V may grow"""


def what_to_try(cluster: KafkaCluster, envoy: QuickstartEnvoy) -> str:
    return f"""
Kafka and Envoy go on until you press ctrl-C here. In another terminal:

  # Kafka's own tools
  cd {REPO}
  kafka() {{ java -Dorg.slf4j.simpleLogger.defaultLogLevel=error \\
      -cp '{KAFKA_JARS.relative_to(REPO)}/*' org.apache.kafka.tools."$@"; }}
  envoy={envoy.bootstrap}
  broker={cluster.bootstrap}

  # {GROWN} partitions through Envoy, {PHYSICAL} on the broker
  kafka TopicCommand --bootstrap-server $envoy --describe --topic {TOPIC}
  kafka TopicCommand --bootstrap-server $broker --describe --topic {TOPIC}

  # partition 7 through Envoy; its neighbours' records leave gaps in the offsets
  kafka consumer.ConsoleConsumer --bootstrap-server $envoy --topic {TOPIC} \\
      --partition 7 --offset earliest --max-messages 5 --formatter-property print.offset=true

  # partition 3 on the broker, where it is stored: those of 3, 7, 11, ... 39
  kafka consumer.ConsoleConsumer --bootstrap-server $broker --topic {TOPIC} \\
      --partition 3 --offset earliest --max-messages 5 --formatter-property print.offset=true

  # write a record per line, key:value, until ctrl-D
  kafka ConsoleProducer --bootstrap-server $envoy --topic {TOPIC} \\
      --reader-property parse.key=true --reader-property key.separator=:

  # what the filter has counted, without histograms
  curl -s {envoy.admin}/stats/prometheus | grep ^kafka_remapper | grep -v _bucket

  # the configuration that Envoy runs: change V once more, in a copy that you rename into place
  cd {envoy.filter.parent.relative_to(REPO)}
  sed 's/"virtual_partitions": {GROWN}/"virtual_partitions": 80/' filter.yaml >new.yaml && mv new.yaml filter.yaml
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
