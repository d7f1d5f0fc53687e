"""Kafka, and Envoy with envoy.yaml, for as long as the demo runs."""

import re
import socket
import urllib.request
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic, OffsetSpec

from tests.harness.kafka import KafkaCluster
from tests.harness.paths import ENVOY_BINARY, KAFKA_JARS, WASM
from tests.harness.process import Process, free_ports, wait_until

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT, KAFKA_PORT = 19092, 19093, 19901, 9092
"""The ports in envoy.yaml."""


class Broker:
    """One Kafka broker, which holds the topic with its physical partitions."""

    def __init__(self, directory: Path, topic: str, partitions: int):
        self._cluster = KafkaCluster(directory)
        self._topic, self._partitions = topic, partitions
        client = self._cluster.admin
        client.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
        self._ends = wait_until("the topic's leaders", self._ask_ends, 60, every=0.2)

    @property
    def address(self) -> str:
        return self._cluster.bootstrap

    def end_offsets(self) -> list[int]:
        """Of each physical partition, asked for around Envoy."""
        self._ends = self._ask_ends() or self._ends
        return self._ends

    def _ask_ends(self) -> list[int] | None:
        """None when they cannot be told just now. A client that has seen a topic without leaders may go on saying so: each time a new one."""
        asked = [TopicPartition(self._topic, p) for p in range(self._partitions)]
        client = self._cluster.admin
        answers = client.list_offsets({a: OffsetSpec.latest() for a in asked}, request_timeout=5)
        try:
            return [answers[a].result(5).offset for a in asked]
        except KafkaException:
            return None

    def stop(self) -> None:
        self._cluster.stop()


class Envoy:
    """Envoy with envoy.yaml, its ports exchanged where others have taken them."""

    def __init__(self, directory: Path, broker: Broker):
        if not WASM.exists():
            raise SystemExit(f"no filter at {WASM}: run `make wasm`")
        bootstrap, admin = self._ports()
        self.bootstrap = f"127.0.0.1:{bootstrap}"
        self.admin = f"http://127.0.0.1:{admin}"
        self.config = directory / "envoy.yaml"
        numbers = {BOOTSTRAP_PORT: bootstrap, BROKER_PORT: bootstrap + 1, ADMIN_PORT: admin}
        self.config.write_text(self._filled_in(numbers, broker.address))
        argv = [ENVOY_BINARY, "-c", self.config, "--disable-hot-restart", "--concurrency", "2", "--log-level", "warn"]
        self._process = Process(argv, directory / "envoy.log")
        wait_until("Envoy to be ready", self._ready, 30)

    def stat(self, name: str) -> float:
        """The sum of all series of one of the filter's counters."""
        with urllib.request.urlopen(f"{self.admin}/stats/prometheus", timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"kafka_remapper_{name}{{"))

    def stop(self) -> None:
        self._process.stop()

    def alive(self) -> bool:
        return self._process.alive()

    @staticmethod
    def _ports() -> tuple[int, int]:
        """The bootstrap port, whose neighbour is the broker's, and the admin port."""
        if all(map(is_free, (BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT))):
            return BOOTSTRAP_PORT, ADMIN_PORT
        first = free_ports(3)
        return first, first + 2

    @staticmethod
    def _filled_in(numbers: dict[int, int], broker: str) -> str:
        text = (HERE / "envoy.yaml").read_text()
        text = text.replace(f"127.0.0.1:{KAFKA_PORT}", broker)
        text = text.replace("/etc/envoy/kafka_partition_remapper.wasm", str(WASM))
        return re.sub("|".join(rf"\b{n}\b" for n in numbers), lambda m: str(numbers[int(m[0])]), text)

    def _ready(self) -> bool:
        if not self.alive():
            raise SystemExit(f"Envoy does not start:\n{self._process.log_tail()}")
        try:
            with urllib.request.urlopen(f"{self.admin}/ready", timeout=5) as answer:
                return answer.read().strip() == b"LIVE"
        except OSError:
            return False


def is_free(port: int) -> bool:
    with socket.socket() as s:
        # Connections of an earlier run that linger do not count.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
