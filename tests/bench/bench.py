"""`make bench`: what the filter costs, against Envoy's tcp_proxy alone.

Broker, Envoy and clients share this machine's cores, so MB/s says what the others leave of them rather than
what Envoy could do; the figure to go by is Envoy's own CPU time per GB of records as clients count them.
Every figure is the median of rounds, in each of which the ways (tcp_proxy alone, the filter with an unmapped
topic, the filter with a mapped one) take turns, and the load is the same.
"""

import argparse
import contextlib
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.harness import groups
from tests.harness.paths import REPO
from tests.harness.process import free_ports, wait_until
from tests.harness.raw import Raw, encode, request_header

from .loads import (
    COMMITS, COMMITTED, COMMITTED_PHYSICAL, IDLE_CONNECTIONS, LOADS, MEMBERS, NARROW, PACE_PER_S, PHYSICAL, RECORD_BYTES, WAYS, Load,
    filter_config, prefix,
)  # fmt: skip
from .report import report
from .servers import WORKERS, LoadProgram, Proxy, machine_cpu_s, proxied, start_broker

PACE = Load("", "pace")


class Bench:
    def __init__(self, directory: Path, running: contextlib.ExitStack, quick: bool, share: str):
        self.rounds = 1 if quick else 5
        self.records = 40_000 if quick else 400_000
        self.paced = 2 * PACE_PER_S if quick else 6 * PACE_PER_S
        self.share = share
        self.directory = directory
        ports = {workers: free_ports(2) for workers in WORKERS}
        self.cluster = running.enter_context(start_broker(directory, ports))
        self.proxies: dict[tuple[str, int], Proxy] = {}
        """(way, workers) → Envoy."""
        for workers, port in ports.items():
            plain = Proxy(directory, f"tcp_proxy-{workers}", port, self.cluster.port(proxied(workers)), None, workers)
            running.callback(plain.process.stop)
            remapper = self._filter_proxy(f"filter-{workers}", port + 1, workers)
            running.callback(remapper.process.stop)
            for way, proxy in zip(WAYS, (plain, remapper, remapper), strict=True):
                self.proxies[way, workers] = proxy
        self.load = LoadProgram(directory / "load.log")
        running.callback(self.load.stop)
        self.results: dict[tuple[str, str], list[dict]] = {}
        self.others = 0.0
        """The share of the machine's CPU time that programs other than these took while it was measured."""

    def measure(self) -> None:
        self._prepare()
        machine, own = machine_cpu_s(), self._own_cpu_s()
        for number in range(self.rounds):
            for name, load in {**LOADS, "pace": PACE}.items():
                # Not always the same first: a load's first run may find caches cold, or the machine busy.
                for way in in_turn(number):
                    self.results.setdefault((name, way), []).append(self._run(load, way))
            say(f"round {number + 1} of {self.rounds} is done")
        busy, every = (after - before for after, before in zip(machine_cpu_s(), machine))
        self.others = max(busy - (self._own_cpu_s() - own), 0) / every

    def amplifications(self) -> dict[str, float]:
        """Of what is not compared with tcp_proxy: the least C, and a member of a group whose members have an
        Envoy of their own each, by either layout."""
        proxy = self.proxies["mapped", 1]
        found = {}
        for name, topic, virtual, words in (
            ("C = 1", NARROW.topic("mapped"), NARROW.virtual, ("consume", NARROW.consumers)),
            ("range, modulo", LOADS["consume"].topic("mapped"), 20, ("range", MEMBERS)),
            ("range, block", "block-20-read", 20, ("range", MEMBERS)),
        ):
            if topic not in (load.topic("mapped") for load in LOADS.values()):
                self.cluster.create_topic(topic, PHYSICAL)
                self.load.run("produce", proxy.bootstrap, topic, virtual, self.records)
            command, parts = words
            found[name] = amplification(proxy, lambda: self.load.run(command, proxy.bootstrap, topic, virtual, self.records, parts))
        return found

    def idle_rss_mb(self) -> dict[str, float]:
        """RSS of a fresh Envoy, alone and with connections that have asked ApiVersions and Metadata."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        workers = max(WORKERS)
        former = self.proxies["mapped", workers]
        former.process.stop()
        proxy = self._filter_proxy("filter-idle", former.port, workers)
        found = {}
        try:
            with contextlib.ExitStack() as connections:
                wait_until("Envoy", lambda: connected(proxy.port), 30)
                found["fresh"] = memory_mb(proxy)
                for _ in range(IDLE_CONNECTIONS):
                    connection = connections.enter_context(Raw(proxy.port))
                    connection.announce("apache-kafka-java")
                    connection.metadata([LOADS["consume"].topic("mapped")])
                time.sleep(1)
                found["idle"] = memory_mb(proxy)
        finally:
            proxy.process.stop()
        return found

    def commits_per_s(self) -> dict[str, float]:
        """How often a lone member that owns every partition can commit them all,
        one commit after the other."""
        topics = {"commits-plain": COMMITTED, "commits-mapped": COMMITTED_PHYSICAL}
        for topic, partitions in topics.items():
            self.cluster.create_topic(topic, partitions)
        found: dict[str, list[float]] = {}
        for number in range(self.rounds + 1):
            for way in in_turn(number):
                topic = "commits-mapped" if way == "mapped" else "commits-plain"
                port = self.proxies[way, max(WORKERS)].port
                found.setdefault(way, []).append(commits_per_s(port, topic, f"bench-{way}-{number}"))
        # The first round finds the coordinator cold.
        return {way: median(found[way][1:]) for way in WAYS}

    def _own_cpu_s(self) -> float:
        proxies = sum(proxy.process.cpu_s() for proxy in set(self.proxies.values()))
        return time.process_time() + self.load.cpu_s() + self.cluster.cpu_s() + proxies

    def _filter_proxy(self, name: str, port: int, workers: int) -> Proxy:
        return Proxy(self.directory, name, port, self.cluster.ports[1], filter_config(self.share), workers)

    def _prepare(self) -> None:
        """Topics to read, written the way that they are read; that also warms everything up."""
        for proxy in set(self.proxies.values()):
            wait_until("Envoy", lambda: connected(proxy.port), 30)
        consumed = [load for load in LOADS.values() if load.command == "consume"]
        for way in ("unmapped", "mapped"):
            for load in {load.virtual: load for load in consumed}.values():
                self.cluster.create_topic(load.topic(way), PHYSICAL if way == "mapped" else load.virtual)
                self._command("produce", load, way, load.topic(way))
            for load in consumed:
                self._command("consume", load, way, load.topic(way))
        say("topics are filled, programs are warm")

    def _run(self, load: Load, way: str) -> dict:
        if load.command == "consume":
            return self._measured(load, way, load.topic(way))
        topic = f"{prefix(way)}-{load.virtual}-{random.randrange(1 << 30)}"
        self.cluster.create_topic(topic, PHYSICAL if way == "mapped" else load.virtual)
        try:
            return self._measured(load, way, topic)
        finally:
            self.cluster.delete_topic(topic)

    def _measured(self, load: Load, way: str, topic: str) -> dict:
        proxy = self.proxies[way, load.workers]
        result: dict = {}
        before, doorbells = proxy.process.threads_cpu_s(), proxy.doorbell_bytes()
        read = amplification(proxy, lambda: result.update(self._command(load.command, load, way, topic)))
        payload_bytes = result["records"] * RECORD_BYTES
        result["cpu_s_per_gb"] = (proxy.process.threads_cpu_s() - before) / (payload_bytes / 1e9)
        result["mb_per_s"] = payload_bytes / 1e6 / result["seconds"]
        result["rss_mb"] = memory_mb(proxy)
        if way == "mapped" and load.command == "consume":
            result["amplification"] = read
            result["doorbells"] = (proxy.doorbell_bytes() - doorbells) / payload_bytes
        return result

    def _command(self, command: str, load: Load, way: str, topic: str) -> dict:
        where = (self.proxies[way, load.workers].bootstrap, topic, load.virtual)
        return {
            "produce": lambda: self.load.run("produce", *where, self.records),
            "pace": lambda: self.load.run("pace", *where, self.paced, PACE_PER_S),
            "consume": lambda: self.load.run("consume", *where, self.records, load.consumers),
        }[command]()

    def median(self, load: str, way: str, figure: str) -> float:
        return median(result[figure] for result in self.results[load, way])


def in_turn(number: int) -> list[str]:
    """The ways, in an order of each round's own."""
    return random.Random(number).sample(list(WAYS), len(WAYS))


def commits_per_s(port: int, topic: str, group: str) -> float:
    with Raw(port) as connection:
        groups.wait_for_coordinator(connection, group)
        me = groups.Member(connection, group, topics=[topic]).join()
        offsets = {(topic, v): groups.Offset(v) for v in range(COMMITTED)}
        assert set(groups.commit(connection, group, offsets, who=me).values()) == {0}
        # Coded once: Python takes longer over a hundred partitions than the broker.
        frame = request_header(groups.OFFSET_COMMIT, 8, 1) + encode(groups.OFFSET_COMMIT, 8, groups.commit_body(group, offsets, me))
        start = time.monotonic()
        for _ in range(COMMITS):
            connection.send_frame(frame)
            connection.receive_frame()
        return COMMITS / (time.monotonic() - start)


def amplification(proxy: Proxy, act: Callable[[], object]) -> float:
    """Bytes of records that Envoy has fetched of mapped topics while `act` ran, for each that clients got; 0
    where clients got none."""
    before = proxy.fetched_bytes()
    act()
    upstream, downstream = (after - then for after, then in zip(proxy.fetched_bytes(), before, strict=True))
    return upstream / downstream if downstream else 0.0


def memory_mb(proxy: Proxy) -> float:
    """Resident memory in MB of 10^6 bytes."""
    return proxy.memory_mib() * (1 << 20) / 1e6


def connected(port: int) -> bool:
    try:
        with Raw(port, timeout=2) as connection:
            connection.announce("bench")
            return True
    except (OSError, AssertionError):
        return False


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Envoy with the filter against tcp_proxy alone.")
    parser.add_argument("--quick", action="store_true", help="a smoke test: a tenth of the load, once; its figures mean little")
    parser.add_argument("--share", default="auto", choices=("auto", "never"), help="fetch.share in the filter's configuration")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    in_memory = memory.exists() and shutil.disk_usage(memory).free > 8 << 30
    directory = Path(tempfile.mkdtemp(prefix="kpr-bench-", dir=memory if in_memory else None))
    say(f"the broker's log is {'in memory' if in_memory else 'on disk'}: {directory}")
    try:
        with contextlib.ExitStack() as running:
            bench = Bench(directory, running, options.quick, options.share)
            bench.measure()
            result = report(bench, bench.amplifications(), bench.commits_per_s(), bench.idle_rss_mb())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    target = REPO / "target/bench.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    say(f"\nall runs: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
