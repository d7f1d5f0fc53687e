"""The way to start Kafka, for tests, demo and benchmark: a cluster in KRaft mode of one or more nodes, each
broker and controller, on free ports of this machine. And Kafka's own command-line tools.
"""

import shutil
import subprocess
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from .paths import KAFKA_JARS, KAFKA_VERSIONS, TOOLS
from .process import Process, free_ports, wait_until

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", QUIET)
"""Starts a JVM. Programs that live for seconds start twice as fast without the optimising compiler."""


def other_versions() -> list[str]:
    """The versions that tests/tools/install.sh kafka-versions fetches, besides the one of all other tests."""
    return [line for line in KAFKA_VERSIONS.read_text().split("\n") if line and not line.startswith("#")]


def jars_of(version: str | None) -> Path:
    """Where the jars of this version are; None: of the version of all tests."""
    directory = TOOLS / f"kafka-{version}" if version else KAFKA_JARS
    wanted = "kafka-versions" if version else "kafka"
    assert any(directory.glob("*.jar")), f"no Kafka jars in {directory}: run tests/tools/install.sh {wanted} or set KPR_TOOLS"
    return directory


class KafkaCluster:
    """Brokers with the ids 1..=brokers, which run until `stop`, or as long as a `with` statement.

    `overrides`: lines of server.properties that win over the harness's.
    `listeners`: more listeners beside PLAINTEXT, each a name (of capitals) with its security protocol. There
    broker n calls itself kafka-n.localhost, a name that Envoy and clients resolve by themselves (RFC 6761).
    `advertised`: for listeners of a cluster of one broker, by their names, the host:port
    that this broker calls itself.
    `scram`: users, as Kafka's StorageTool takes them.
    `java` starts a broker's JVM, with a heap of at most `heap`.
    `host`: the address of PLAINTEXT, and what brokers call themselves there.
    `version`: one of `other_versions`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        overrides: dict | None = None,
        listeners: dict[str, str] | None = None,
        advertised: dict[str, str] | None = None,
        scram: tuple[str, ...] = (),
        java: tuple[str, ...] = JAVA,
        heap: str = "512m",
        host: str = "127.0.0.1",
        version: str | None = None,
    ):
        self.host = host
        self.version = version
        self._jars = jars_of(version)
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ids = range(1, brokers + 1)
        self._protocols = listeners or {}
        self._advertised = advertised or {}
        self._java = (*java, f"-Xmx{heap}")
        first = free_ports((2 + len(self._protocols)) * brokers)
        self.ports = {i: first + i - 1 for i in self.ids}
        self._controller_ports = {i: first + brokers + i - 1 for i in self.ids}
        self._listener_ports = {
            name: {i: first + (2 + n) * brokers + i - 1 for i in self.ids} for n, name in enumerate(self._protocols)
        }
        self._processes: dict[int, Process] = {}
        for i in self.ids:
            self._write_properties(i, overrides or {})
        self._format(scram)
        try:
            for i in self.ids:
                self.start(i)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        """Stops the brokers. None may have ended by itself, unless the body of
        the `with` has failed already."""
        try:
            if failure is None:
                self.assert_alive()
        finally:
            self.stop()

    @property
    def bootstrap(self) -> str:
        """host:port of every broker, for clients that go around Envoy."""
        return ",".join(f"{self.host}:{p}" for p in self.ports.values())

    def addresses(self, listener: str) -> list[str]:
        """host:port of every broker at this listener."""
        return [f"kafka-{i}.localhost:{port}" for i, port in self._listener_ports[listener].items()]

    def port(self, listener: str, broker: int = 1) -> int:
        return self._listener_ports[listener][broker]

    @property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def log(self, broker: int) -> Path:
        return self.directory / f"broker-{broker}.log"

    def start(self, broker: int) -> None:
        argv = [*self._java, "-cp", f"{self._jars}/*", "kafka.Kafka", self._properties(broker)]
        self._processes[broker] = Process(argv, self.log(broker))

    def cpu_s(self) -> float:
        """User and system time of all brokers in seconds."""
        return sum(p.cpu_s() for p in self._processes.values())

    def signal(self, broker: int, number: int) -> None:
        """SIGSTOP: the broker's machine hangs; SIGCONT: it goes on."""
        self._processes[broker].child.send_signal(number)

    def kill(self, broker: int) -> None:
        """SIGKILL, as when a machine is lost."""
        self._processes[broker].kill()

    def restart(self, broker: int) -> None:
        """Starts a killed broker again on its old data, and waits until all brokers are in the metadata."""
        self.start(broker)
        self.wait_ready()

    def stop(self) -> None:
        for p in self._processes.values():
            p.child.kill()
        for p in self._processes.values():
            p.child.wait()
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def wait_ready(self, seconds: float = 60) -> None:
        """Waits until every broker is in the cluster's metadata."""
        admin = self.admin
        wait_until("all brokers in the metadata", lambda: self._brokers_seen(admin) == set(self.ids), seconds)

    def create_topic(self, name: str, partitions: int, replicas: int | None = None, config: dict | None = None) -> None:
        """Creates a topic on the brokers, around Envoy; returns when the leader
        of every partition answers."""
        replicas = replicas or len(self.ids)
        admin = self.admin
        admin.create_topics([NewTopic(name, partitions, replicas, config=config or {})])[name].result(30)
        self.wait_for_leaders(name, partitions)

    def wait_for_leaders(self, name: str, partitions: int) -> None:
        """Waits until the leader of every partition of a new topic answers."""
        wait_until(f"leaders of {name}", lambda: self._leaders_answer(name, partitions), 30)

    def delete_topic(self, name: str) -> None:
        admin = self.admin
        admin.delete_topics([name])[name].result(30)
        wait_until(f"{name} gone", lambda: name not in admin.list_topics(timeout=5).topics, 30)

    def end_offsets(self, topic: str, partitions: int) -> list[int]:
        """The end offset of each physical partition. KafkaException when a leader cannot tell it."""
        asked = [TopicPartition(topic, p) for p in range(partitions)]
        # A new client each time: a client that has seen a topic without leaders may go on saying so. The
        # client must live until it has answered.
        admin = self.admin
        answers = admin.list_offsets(dict.fromkeys(asked, OffsetSpec.latest()), request_timeout=5)
        return [answers[a].result(10).offset for a in asked]

    def set_topic_config(self, name: str, config: dict) -> None:
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config=config)
        admin = self.admin  # must live until it has answered
        admin.alter_configs([resource])[resource].result(30)

    def topic_config(self, name: str) -> dict[str, str]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        admin = self.admin
        return {k: entry.value for k, entry in admin.describe_configs([resource])[resource].result(30).items()}

    def wait_in_sync(self, topic: str, seconds: float = 60) -> None:
        """Waits until every replica of the topic's partitions is in sync again."""
        admin = self.admin
        wait_until(f"{topic} in sync", lambda: self._in_sync(admin, topic), seconds, every=0.2)

    def assert_alive(self) -> None:
        for i, p in self._processes.items():
            assert p.alive(), f"broker {i} has ended:\n{p.log_tail()}"

    def _brokers_seen(self, admin: AdminClient) -> set:
        self.assert_alive()
        try:
            return set(admin.list_topics(timeout=2).brokers)
        except Exception:  # not up yet
            return set()

    def _leaders_answer(self, topic: str, partitions: int) -> bool:
        """Whether the leaders tell their end offsets. A leader stands in the metadata a little
        before it knows that it leads."""
        try:
            return len(self.end_offsets(topic, partitions)) == partitions
        except KafkaException:
            return False

    @staticmethod
    def _in_sync(admin: AdminClient, topic: str) -> bool:
        partitions = admin.list_topics(topic, timeout=5).topics[topic].partitions.values()
        return bool(partitions) and all(len(p.isrs) == len(p.replicas) for p in partitions)

    def _properties(self, broker: int) -> Path:
        return self.directory / f"broker-{broker}.properties"

    def _write_properties(self, broker: int, overrides: dict) -> None:
        size = len(self.ids)
        copies = min(size, 3)
        settings = {
            "process.roles": "broker,controller",
            "node.id": broker,
            "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{p}" for i, p in self._controller_ports.items()),
            "listeners": ",".join(
                [
                    f"PLAINTEXT://{self.host}:{self.ports[broker]}",
                    f"CONTROLLER://127.0.0.1:{self._controller_ports[broker]}",
                    *(f"{name}://127.0.0.1:{ports[broker]}" for name, ports in self._listener_ports.items()),
                ]
            ),
            "advertised.listeners": ",".join(
                [
                    f"PLAINTEXT://{self.host}:{self.ports[broker]}",
                    *(f"{name}://{self._advertised.get(name) or self.addresses(name)[broker - 1]}" for name in self._protocols),
                ]
            ),
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}"
                for name, protocol in {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **self._protocols}.items()
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.directory / "data" / str(broker),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(copies, 2),
            "transaction.state.log.num.partitions": 3,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            # Compaction tests should not have to wait for the default 15 s between the cleaner's rounds.
            "log.cleaner.backoff.ms": 200,
            # A killed broker should be given up soon, and its partitions get other leaders.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 1000,
            **overrides,
        }
        self._properties(broker).write_text("".join(f"{k}={v}\n" for k, v in settings.items()))

    def _format(self, scram: tuple[str, ...]) -> None:
        argv = [*JAVA, "-cp", f"{self._jars}/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]
        for user in scram:
            argv += ["--add-scram", user]
        ends = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        formats = [subprocess.Popen([*argv, "-c", self._properties(i)], **ends) for i in self.ids]
        for f in formats:
            _, errors = f.communicate(timeout=60)
            assert f.returncode == 0, errors.decode()


def run_tool(
    main: str, *arguments: object, options: tuple[str, ...] = (), seconds: float = 60, version: str | None = None
) -> subprocess.CompletedProcess:
    """Runs one of Kafka's command-line tools, by the name of its class. `options` are for the JVM; `version` is
    the tool's own, one of `other_versions`."""
    command = [*JAVA, *options, "-cp", f"{jars_of(version)}/*", main, *arguments]
    return subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=seconds)
