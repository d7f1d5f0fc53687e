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
from pathlib import Path
from statistics import median

from tests.harness import groups
from tests.harness.paths import REPO
from tests.harness.process import free_ports, wait_until
from tests.harness.raw import Raw, encode, request_header

from .servers import PROXIED, LoadProgram, Proxy, machine_cpu_s, start_broker

VIRTUAL, PHYSICAL = 20, 4
RECORD_BYTES = 1024
WAYS = {"tcp_proxy": ("plain", VIRTUAL), "unmapped": ("plain", VIRTUAL), "mapped": ("mapped", PHYSICAL)}
"""Way → (a topic's prefix, its partitions on the broker). Clients see VIRTUAL of each."""
COMMITTED, COMMITTED_PHYSICAL = 100, 10
"""Partitions of the topic whose offsets are committed, as clients see them and as the broker holds them."""
FILTER = {
    "stat_prefix": "bench",
    "mapping": {
        "topics": [
            {"regex": "mapped-.*", "virtual_partitions": VIRTUAL, "physical_partitions": PHYSICAL},
            {"name": "commits-mapped", "virtual_partitions": COMMITTED, "physical_partitions": COMMITTED_PHYSICAL},
        ]
    },
}
LOADS = {
    "produce": "produce, all partitions in turn",
    "consume": "consume, one consumer of all partitions",
    "consume each": "consume, one consumer per partition",
}
PACE_PER_S = 2000
AIMS = {
    ("produce", "unmapped"): {"cpu": 1.1, "rate": 0.97},
    ("consume", "unmapped"): {"cpu": 1.1, "rate": 0.97},
    ("consume each", "unmapped"): {"cpu": 1.1, "rate": 0.97},
    ("produce", "mapped"): {"cpu": 1.3, "rate": 0.9},
    ("consume", "mapped"): {"cpu": 1.6, "rate": 0.9},
}
"""Aims as ratios to tcp_proxy: CPU time per GB at most, MB/s at least."""
P99_AIM_MS = 0.5
"""The p99 may be at most so much above tcp_proxy's."""
OTHERS_SHARE_MAX = 0.05
COMMITS = 500
IDLE_CONNECTIONS, IDLE_RSS_AIM_MIB = 1000, 200


class Bench:
    def __init__(self, directory: Path, running: contextlib.ExitStack, quick: bool):
        self.rounds = 1 if quick else 3
        self.records = 40_000 if quick else 400_000
        self.paced = 2 * PACE_PER_S if quick else 6 * PACE_PER_S
        plain_port = free_ports(2)
        self.filter_port = plain_port + 1
        self.directory = directory
        self.cluster = running.enter_context(start_broker(directory, advertised=plain_port))
        plain = Proxy(directory, "tcp_proxy", plain_port, self.cluster.port(PROXIED), None)
        running.callback(plain.process.stop)
        remapper = self._filter_proxy("filter")
        running.callback(remapper.process.stop)
        self.proxies = {"tcp_proxy": plain, "unmapped": remapper, "mapped": remapper}
        self.load = LoadProgram(directory / "load.log")
        running.callback(self.load.stop)
        self.results: dict[tuple[str, str], list[dict]] = {}
        self.others = 0.0
        """The share of the machine's CPU time that programs other than these took while it was measured."""

    def measure(self) -> None:
        self._prepare()
        machine, own = machine_cpu_s(), self._own_cpu_s()
        for number in range(self.rounds):
            for load in (*LOADS, "pace"):
                # Not always the same first: a load's first run may find caches cold, or the machine busy.
                for way in in_turn(number):
                    self.results.setdefault((load, way), []).append(self._run(load, way))
            say(f"round {number + 1} of {self.rounds} is done")
        busy, every = (after - before for after, before in zip(machine_cpu_s(), machine))
        self.others = max(busy - (self._own_cpu_s() - own), 0) / every

    def idle_rss_mib(self) -> dict[str, float]:
        """RSS of fresh Envoys, alone and with connections that have asked ApiVersions and Metadata."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        proxy = self.proxies["mapped"]
        proxy.process.stop()
        proxy = self._filter_proxy("filter-idle")
        found = {}
        try:
            with contextlib.ExitStack() as connections:
                wait_until("Envoy", lambda: connected(proxy.port), 30)
                found["fresh"] = proxy.memory_mib()
                for _ in range(IDLE_CONNECTIONS):
                    connection = connections.enter_context(Raw(proxy.port))
                    connection.announce("apache-kafka-java")
                    connection.metadata(["mapped-read"])
                time.sleep(1)
                found["idle"] = proxy.memory_mib()
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
                found.setdefault(way, []).append(commits_per_s(self.proxies[way].port, topic, f"bench-{way}-{number}"))
        # The first round finds the coordinator cold.
        return {way: median(found[way][1:]) for way in WAYS}

    def _own_cpu_s(self) -> float:
        proxies = sum(proxy.process.cpu_s() for proxy in set(self.proxies.values()))
        return time.process_time() + self.load.cpu_s() + self.cluster.cpu_s() + proxies

    def _filter_proxy(self, name: str) -> Proxy:
        return Proxy(self.directory, name, self.filter_port, self.cluster.ports[1], FILTER)

    def _prepare(self) -> None:
        """Topics to read, written the way that they are read; that also warms everything up."""
        for proxy in set(self.proxies.values()):
            wait_until("Envoy", lambda: connected(proxy.port), 30)
        for way in ("unmapped", "mapped"):
            prefix, partitions = WAYS[way]
            self.cluster.create_topic(f"{prefix}-read", partitions)
            self._command("produce", way, f"{prefix}-read")
            self._command("consume", way, f"{prefix}-read")
        say("topics are filled, programs are warm")

    def _run(self, load: str, way: str) -> dict:
        prefix, partitions = WAYS[way]
        if load.startswith("consume"):
            return self._measured(load, way, f"{prefix}-read")
        topic = f"{prefix}-{random.randrange(1 << 30)}"
        self.cluster.create_topic(topic, partitions)
        try:
            return self._measured(load, way, topic)
        finally:
            self.cluster.delete_topic(topic)

    def _measured(self, load: str, way: str, topic: str) -> dict:
        proxy = self.proxies[way]
        before = proxy.process.cpu_s()
        result = self._command(load, way, topic)
        payload_bytes = result["records"] * RECORD_BYTES
        result["cpu_s_per_gb"] = (proxy.process.cpu_s() - before) / (payload_bytes / 1e9)
        result["mb_per_s"] = payload_bytes / 1e6 / result["seconds"]
        result["rss_mib"] = proxy.memory_mib()
        return result

    def _command(self, load: str, way: str, topic: str) -> dict:
        where = (self.proxies[way].bootstrap, topic, VIRTUAL)
        return {
            "produce": lambda: self.load.run("produce", *where, self.records),
            "pace": lambda: self.load.run("pace", *where, self.paced, PACE_PER_S),
            "consume": lambda: self.load.run("consume", *where, self.records, 1),
            "consume each": lambda: self.load.run("consume", *where, self.records, VIRTUAL),
        }[load]()

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


def report(bench: Bench, idle: dict[str, float], commits: dict[str, float]) -> dict:
    """Prints the tables; returns the same as JSON."""
    out: dict = {"rounds": bench.rounds, "records": bench.records, "record_bytes": RECORD_BYTES, "others_cpu_share": bench.others}
    out["loads"] = {}
    print(f"\nMedians of {bench.rounds}; {bench.records:,} records of {RECORD_BYTES} bytes; {VIRTUAL} partitions, mapped: over {PHYSICAL}")
    print(f"x: ratio to tcp_proxy. Other programs took {bench.others:.0%} of the machine's CPU time{disturbed(bench.others)}\n")
    print(f"{'':<12}{'Envoy CPU s/GB':>16}{'x':>7}{'aim':>8}{'MB/s':>10}{'x':>7}{'aim':>8}{'RSS MiB':>10}")
    for load, title in LOADS.items():
        print(title)
        for way in WAYS:
            out["loads"].setdefault(load, {})[way] = row(bench, load, way)
    print(f"latency of produce, {PACE_PER_S:,} records/s in batches of what comes within 1 ms")
    for way in WAYS:
        out["loads"].setdefault("pace", {})[way] = latency_row(bench, way)
    print(f"commits of all {COMMITTED} partitions by their one owner, mapped: over {COMMITTED_PHYSICAL}")
    for way, per_s in commits.items():
        print(f"  {way:<10} {per_s:.0f}/s, {per_s / commits['tcp_proxy']:.2f} x")
    out["commits_per_s"] = commits
    print(f"resident memory of Envoy with the filter, {IDLE_CONNECTIONS:,} idle connections")
    met = mark(idle["idle"] <= IDLE_RSS_AIM_MIB)
    print(f"  {idle['idle']:.0f} MiB (aim: at most {IDLE_RSS_AIM_MIB}); without any {idle['fresh']:.0f} MiB{met}")
    out["idle_rss_mib"] = idle
    return out


def row(bench: Bench, load: str, way: str) -> dict:
    cpu, rate, rss = (bench.median(load, way, figure) for figure in ("cpu_s_per_gb", "mb_per_s", "rss_mib"))
    cpu_ratio = cpu / bench.median(load, "tcp_proxy", "cpu_s_per_gb")
    rate_ratio = rate / bench.median(load, "tcp_proxy", "mb_per_s")
    aims = AIMS.get((load, way), {})
    met = cpu_ratio <= aims.get("cpu", cpu_ratio) and rate_ratio >= aims.get("rate", rate_ratio)
    cpu_aim, rate_aim = (f"<= {aims['cpu']}", f">= {aims['rate']}") if aims else ("", "")
    line = f"  {way:<10}{cpu:>16.2f}{cpu_ratio:>7.2f}{cpu_aim:>8}{rate:>10.0f}{rate_ratio:>7.2f}{rate_aim:>8}{rss:>10.0f}"
    print(line + (mark(met) if aims else ""))
    runs = bench.results[load, way]
    figures = {"cpu_s_per_gb": cpu, "cpu_ratio": cpu_ratio, "mb_per_s": rate, "mb_per_s_ratio": rate_ratio, "rss_mib": rss}
    return {**figures, "aims": aims, "runs": runs}


def latency_row(bench: Bench, way: str) -> dict:
    p50, p99 = (bench.median("pace", way, figure) for figure in ("p50_ms", "p99_ms"))
    more = p99 - bench.median("pace", "tcp_proxy", "p99_ms")
    end = "" if way == "tcp_proxy" else f"   p99 {more:+.2f} ms (aim: at most +{P99_AIM_MS}){mark(more <= P99_AIM_MS)}"
    print(f"  {way:<10} p50 {p50:.2f} ms, p99 {p99:.2f} ms{end}")
    return {"p50_ms": p50, "p99_ms": p99, "p99_more_ms": more, "runs": bench.results["pace", way]}


def disturbed(share: float) -> str:
    return ": MB/s and latency show it, and CPU time too" if share > OTHERS_SHARE_MAX else ""


def mark(met: bool) -> str:
    return "" if met else "   <- aim missed"


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
    options = parser.parse_args()
    memory = Path("/dev/shm")
    in_memory = memory.exists() and shutil.disk_usage(memory).free > 8 << 30
    directory = Path(tempfile.mkdtemp(prefix="kpr-bench-", dir=memory if in_memory else None))
    say(f"the broker's log is {'in memory' if in_memory else 'on disk'}: {directory}")
    try:
        with contextlib.ExitStack() as running:
            bench = Bench(directory, running, options.quick)
            bench.measure()
            commits = bench.commits_per_s()
            result = report(bench, bench.idle_rss_mib(), commits)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    target = REPO / "target/bench.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    say(f"\nall runs: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
