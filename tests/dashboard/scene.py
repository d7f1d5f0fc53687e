"""What the picture shows: two brokers, two Envoys, applications that write and read several topics, and an
incident. Somebody adds a partition to a topic on the brokers, behind the filter's back; an application has an old
password; a configuration with a mistake is rolled out, and refused."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import NewPartitions

from tests.harness.guarded_envoy import PASSWORDS, section
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.prometheus import Prometheus
from tests.harness.secured_brokers import USERS, secured_cluster
from tests.harness.shipped_envoy import Trust

SCRAPE_S = 5
MAPPING = {
    "topics": [
        {"name": "orders", "virtual_partitions": 20, "physical_partitions": 4},
        {"name": "payments", "virtual_partitions": 12, "physical_partitions": 3},
        {"name": "clicks.web", "virtual_partitions": 24, "physical_partitions": 4},
        {"regex": "audit\\..*", "virtual_partitions": 8, "physical_partitions": 2},
    ]
}
TOPICS = {"orders": 4, "payments": 3, "clicks.web": 4, "audit.logins": 2}


class GatewayEnvoy(LiveEnvoy):
    """Clients log in to it, and it logs in to brokers."""

    def __init__(self, directory: Path, name: str, cluster):
        config = {
            "stat_prefix": name,
            "mapping": MAPPING,
            "sasl": section(),
            "upstream": {"sasl": {"mechanism": "PLAIN", "username": "gateway", "password": USERS["gateway"]}},
            "limits": {"worker_bytes": 64 << 20},
        }
        super().__init__(directory, cluster, config, environment={"ALICE_PASSWORD": PASSWORDS["alice"]})

    def _complete(self, config: dict) -> dict:
        return {**super()._complete(config), "route": {"dynamic": {"bootstrap": self.cluster.addresses("SASL")}}}

    def _filter(self) -> dict:
        wasm = super()._filter()
        wasm["typed_config"]["config"]["name"] = "kafka_partition_remapper"
        wasm["typed_config"]["config"]["vm_config"]["environment_variables"] = {"host_env_keys": ["ALICE_PASSWORD"]}
        return wasm


class Scene:
    def __init__(self, directory: Path):
        self._stack, self._ended, self._threads = ExitStack(), threading.Event(), []
        trust = Trust.make(directory, 2)
        self._cluster = self._stack.enter_context(secured_cluster(directory / "kafka", trust))
        for topic, partitions in TOPICS.items():
            self._cluster.create_topic(topic, partitions, 1)
        names = ("gateway-a", "gateway-b")
        self._envoys = [GatewayEnvoy(directory / name, name, self._cluster) for name in names]
        for envoy in self._envoys:
            self._stack.callback(envoy.stop, expected="failed to load")
        ports = {f"envoy-{name[-1]}:9902": envoy.admin_port for name, envoy in zip(names, self._envoys)}
        self.prometheus = self._stack.enter_context(Prometheus(directory / "prometheus", ports, SCRAPE_S))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def play(self, seconds: float) -> None:
        """Runs for so long; what happens, happens at its share of the time."""
        a, b = self._envoys
        for topic, per_second, swing, size in (
            ("orders", 250, 0.5, 900), ("payments", 120, 0.2, 700), ("clicks.web", 500, 0.8, 350), ("audit.logins", 40, 0, 300)
        ):  # fmt: skip
            self._start(self._write, a if topic != "clicks.web" else b, topic, per_second, swing, size)
        for topic, group, members in (("orders", "billing", 3), ("payments", "ledger", 2), ("clicks.web", "sessions", 4)):
            for n in range(members):
                self._start(self._read, self._envoys[n % 2], topic, group)
        self._start(self._read, b, "audit.logins", "watch")
        self._start(self._come_and_go, a, "orders", "billing")
        acts: list[tuple[float, Callable[[], object]]] = [
            (0.15, b.restart),
            (0.4, self._add_a_partition),
            (0.55, lambda: self._start(self._read, a, "orders", "reports", "an old password")),
            (0.7, lambda: a.refuse("limits", {"worker_bytes": 1})),
        ]
        started = time.monotonic()
        for share, act in acts:
            time.sleep(max(0, started + share * seconds - time.monotonic()))
            act()
        time.sleep(max(0, started + seconds - time.monotonic()))

    def _add_a_partition(self) -> None:
        admin = self._cluster.admin
        admin.create_partitions([NewPartitions("payments", 4)])["payments"].result(10)

    def _start(self, what: Callable, *arguments: object) -> None:
        self._threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    @staticmethod
    def _settings(envoy: GatewayEnvoy, password: str = PASSWORDS["carol"]) -> dict:
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "carol", "sasl.password": password}
        return {"bootstrap.servers": envoy.bootstrap, "log_level": 0, "error_cb": lambda error: None, **login}

    def _write(self, envoy: GatewayEnvoy, topic: str, per_second: float, swing: float, size: int) -> None:
        producer = Producer({**self._settings(envoy), "linger.ms": 50, "message.timeout.ms": 10_000})
        started, sent = time.monotonic(), 0.0
        while not self._ended.wait(0.1):
            rate = per_second * (1 + swing * math.sin((time.monotonic() - started) / 90))
            for _ in range(int(sent + rate * 0.1) - int(sent)):
                # The topic may be refused meanwhile.
                with suppress(BufferError, KafkaException):
                    producer.produce(topic, b"x" * size, str(time.monotonic_ns()))
            sent += rate * 0.1
            producer.poll(0)

    def _read(self, envoy: GatewayEnvoy, topic: str, group: str, password: str = PASSWORDS["carol"], seconds: float = math.inf) -> None:
        settings = {"group.id": group, "auto.offset.reset": "earliest", "auto.commit.interval.ms": 2000, "fetch.wait.max.ms": 200}
        consumer, until = Consumer({**self._settings(envoy, password), **settings}), time.monotonic() + seconds
        consumer.subscribe([topic])
        while not self._ended.is_set() and time.monotonic() < until:
            with suppress(KafkaException):
                consumer.consume(500, 0.5)
        consumer.close()

    def _come_and_go(self, envoy: GatewayEnvoy, topic: str, group: str) -> None:
        """A member that is there for a minute, and then is not."""
        while not self._ended.wait(60):
            self._read(envoy, topic, group, seconds=60)
