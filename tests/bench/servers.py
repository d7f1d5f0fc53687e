"""What the benchmark runs: one broker, an Envoy that is tcp_proxy alone, an Envoy with the
filter, and the load program."""

import json
import subprocess
from pathlib import Path

import yaml

from tests.harness.envoy import EnvoyProcess, address, static_cluster, tcp_proxy, wasm_filter
from tests.harness.kafka import QUIET, KafkaCluster
from tests.harness.paths import ENVOY_STATS_BOOTSTRAP, KAFKA_JARS, REPO
from tests.harness.process import CLOCK_TICKS, cpu_s, free_ports

CLASSES = REPO / "target/bench-classes"
JAVA = ("java", "-XX:+UseG1GC", QUIET, "-Xms1g")
"""Unlike the tests: with the optimising compiler, and Kafka's own choice of a collector."""
SETTINGS = {
    # Deletes soon, so that files of the last run are out of the way of the next.
    "file.delete.delay.ms": 100,
    # Kafka's own values, where the harness has shorter ones for its tests.
    "offsets.topic.num.partitions": 50,
    "group.initial.rebalance.delay.ms": 3000,
    "log.cleaner.backoff.ms": 15000,
    "broker.session.timeout.ms": 9000,
    "broker.heartbeat.interval.ms": 2000,
}
WORKERS = (1, 2)
"""Each Envoy runs twice: with one worker, and with as many as this."""


def proxied(workers: int) -> str:
    """The broker's listener behind the Envoy that is tcp_proxy alone and has so many workers."""
    return f"PROXIED{workers}"


def start_broker(directory: Path, advertised: dict[int, int]) -> KafkaCluster:
    """One broker. Whoever asks it at its listener `proxied(workers)` is sent to the port
    `advertised[workers]`, so that nobody goes around tcp_proxy alone."""
    return KafkaCluster(
        directory,
        overrides=SETTINGS,
        listeners={proxied(workers): "PLAINTEXT" for workers in WORKERS},
        advertised={proxied(workers): f"127.0.0.1:{port}" for workers, port in advertised.items()},
        java=JAVA,
        heap="1g",
    )


class Proxy(EnvoyProcess):
    """An Envoy with one listener in front of one port; with the filter if it has a configuration for it."""

    log_level = "warn"

    def __init__(self, directory: Path, name: str, port: int, broker_port: int, filter_config: dict | None, workers: int):
        self.port = port
        self.workers = workers
        admin_port = free_ports(1)
        filters = [tcp_proxy("broker")]
        if filter_config is not None:
            filters.insert(0, wasm_filter({**filter_config, "advertise": {"table": {"1": f"127.0.0.1:{port}"}}}))
        bootstrap = {
            # For the names of the filter's stats.
            "stats_config": yaml.safe_load(ENVOY_STATS_BOOTSTRAP.read_text())["stats_config"],
            "admin": {"address": address(admin_port)},
            "static_resources": {
                "listeners": [{"name": "kafka", "address": address(port), "filter_chains": [{"filters": filters}]}],
                "clusters": [{**static_cluster("broker", broker_port), "circuit_breakers": {"thresholds": [{"max_connections": 65536}]}}],
            },
        }
        file = directory / f"{name}.json"
        file.write_text(json.dumps(bootstrap, indent=1))
        super().__init__(file, directory / f"{name}.log", admin_port)

    def fetched_bytes(self) -> tuple[float, float]:
        """What Envoy has fetched of mapped topics from the broker, and what clients have got of it."""
        prefix = "kafka_remapper_fetch_bytes"
        return self.stat(f"{prefix}_upstream_total"), self.stat(f"{prefix}_downstream_total")

    def doorbell_bytes(self) -> float:
        """What came along when brokers were asked whether a client may have what another one has read."""
        return self.stat("kafka_remapper_shared_doorbell_bytes_total")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"


class LoadProgram:
    """Runs Load.java, compiled when it has changed; every command is a line."""

    def __init__(self, log: Path):
        source = Path(__file__).with_name("Load.java")
        compiled = CLASSES / "Load.class"
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["javac", "-cp", f"{KAFKA_JARS}/*", "-d", str(CLASSES), str(source)], check=True)
        argv = ["java", "-Xmx2g", "-Xms2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{KAFKA_JARS}/*:{CLASSES}", "Load"]
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )

    def cpu_s(self) -> float:
        """User and system time in seconds."""
        return cpu_s(Path(f"/proc/{self._child.pid}"))

    def run(self, *words) -> dict:
        print(*words, file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line.startswith("{"):
            raise RuntimeError(f"{' '.join(map(str, words))}: {line.strip() or 'the load program has ended'}")
        return json.loads(line)

    def stop(self) -> None:
        self._child.stdin.close()
        self._child.kill()
        self._child.wait()


def machine_cpu_s() -> tuple[float, float]:
    """CPU time of all programs, and the time of all cores, idle time included."""
    user, nice, system, idle, wait, *rest = (int(n) / CLOCK_TICKS for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + wait
