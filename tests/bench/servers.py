"""What the benchmark runs: one broker, an Envoy that is tcp_proxy alone, an Envoy with the filter, and the load program."""

import json
import os
import subprocess
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tests.harness.envoy import address, network_filter, static_cluster, tcp_proxy
from tests.harness.paths import ENVOY_BINARY, KAFKA_JARS, WASM
from tests.harness.process import Process, wait_until

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
CLASSES = REPO / "target/bench-classes"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
BROKER = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "DIRECT",
    "listener.security.protocol.map": "DIRECT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "auto.create.topics.enable": "false",
    # So that what was measured before is out of the way of what is measured next.
    "file.delete.delay.ms": 100,
}


class Broker:
    """One Kafka node. Whoever asks it at `proxied` is sent to `advertised`, so that tcp_proxy alone is not gone around."""

    def __init__(self, directory: Path, direct: int, proxied: int, controller: int, advertised: int):
        self.direct, self.proxied = direct, proxied
        settings = {
            **BROKER,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"DIRECT://127.0.0.1:{direct},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"DIRECT://127.0.0.1:{direct},PROXIED://127.0.0.1:{advertised}",
            "log.dirs": directory / "data",
        }
        properties = directory / "server.properties"
        properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        java = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{KAFKA_JARS}/*"]
        storage = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties]
        subprocess.run([str(a) for a in storage], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Unlike the test harness: the optimising compiler, and Kafka's own choice of heap and collector.
        argv = [java[0], "-Xmx1g", "-Xms1g", "-XX:+UseG1GC", *java[1:], "kafka.Kafka", properties]
        self.process = Process(argv, directory / "broker.log")
        self._admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{direct}", "log_level": 0})
        wait_until("the broker", self._is_up, 60)

    def create_topic(self, name: str, partitions: int) -> None:
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        asked = {TopicPartition(name, p): OffsetSpec.latest() for p in range(partitions)}
        wait_until(f"{name}'s leaders", lambda: self._answers(asked), 60, every=0.2)

    def delete_topic(self, name: str) -> None:
        self._admin.delete_topics([name])[name].result(30)

    def _answers(self, asked: dict) -> bool:
        """Leaders stand in the metadata a little before they know it; so ask them something. Each time with a client of its own:
        one that has seen a topic without leaders may go on saying so."""
        assert self.process.alive(), self.process.log_tail()
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.direct}", "log_level": 0})
        return all(f.exception(10) is None for f in client.list_offsets(asked, request_timeout=5).values())

    def _is_up(self) -> bool:
        assert self.process.alive(), self.process.log_tail()
        try:
            return bool(self._admin.list_topics(timeout=2).brokers)
        except Exception:  # not up yet
            return False


class Proxy:
    """An Envoy with one listener in front of one port; with the filter if it has a configuration for it."""

    def __init__(self, directory: Path, name: str, port: int, broker_port: int, filter_config: dict | None):
        self.port = port
        filters = [tcp_proxy("broker")]
        if filter_config is not None:
            filters.insert(0, wasm({**filter_config, "advertise": {"table": {"1": f"127.0.0.1:{port}"}}}))
        bootstrap = {
            "static_resources": {
                "listeners": [{"name": "kafka", "address": address(port), "filter_chains": [{"filters": filters}]}],
                "clusters": [{**static_cluster("broker", broker_port), "circuit_breakers": {"thresholds": [{"max_connections": 65536}]}}],
            },
        }
        path = directory / f"{name}.json"
        path.write_text(json.dumps(bootstrap, indent=1))
        argv = [ENVOY_BINARY, "-c", path, "--disable-hot-restart", "--concurrency", "2", "--log-level", "warn"]
        self.process = Process(argv, directory / f"{name}.log")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def rss_mib(self) -> float:
        return self.process.memory_mib()


class LoadProgram:
    """Load.java, compiled when it has changed; every command is a line."""

    def __init__(self, log: Path):
        source = HERE / "Load.java"
        compiled = CLASSES / "Load.class"
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["javac", "-cp", f"{KAFKA_JARS}/*", "-d", str(CLASSES), str(source)], check=True)
        argv = ["java", "-Xmx2g", "-Xms2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{KAFKA_JARS}/*:{CLASSES}", "Load"]
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._child.pid

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


def cpu_s(pid: int) -> float:
    """User and system time of all threads of a process since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def machine_cpu_s() -> tuple[float, float]:
    """CPU time of all programs, and what there has been of it on all cores, idle time included."""
    user, nice, system, idle, wait, *rest = (int(n) / CLOCK_TICKS for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + wait


def wasm(filter_config: dict) -> dict:
    return network_filter(
        "wasm",
        "wasm.v3.Wasm",
        config={
            "name": "kafka",
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "vm_id": "kafka", "code": {"local": {"filename": str(WASM)}}},
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(filter_config)},
        },
    )
