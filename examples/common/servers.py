"""Runs the files of an example as a user would take them, with ports, paths and addresses of this machine."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from tests.harness.connect import Java
from tests.harness.envoy import EnvoyProcess, wasm_file
from tests.harness.kafka import KafkaCluster, run_tool
from tests.harness.process import free_ports

GATEWAY, BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT = "envoy.example.com", "19092", "19093", "19901"
ANY = "0.0.0.0"
"""As in the examples' envoy.yaml: one broker, which is broker 1."""
DIRECTORY, WASM = "/etc/envoy/", "/etc/envoy/kafka_partition_remapper.wasm"
SOON = {"plugin.discovery": "service_load"}
"""Connect starts without looking for plugins in all jars."""


def fill_in(text: str, values: dict[str, str]) -> str:
    """Exchanges whole words; what has been put in is not looked at again."""
    longest_first = sorted(values, key=len, reverse=True)
    words = "|".join(re.escape(w) if w.endswith("/") else rf"{re.escape(w)}(?!\w)" for w in longest_first)
    return re.sub(rf"(?<![\w.]){'(?:' + words + ')'}", lambda m: values[m[0]], text)


class ExampleEnvoy(EnvoyProcess):
    """Envoy with the files of `sources`, of which the first is the bootstrap. `brokers`: the addresses of brokers
    in these files, with those that they have here."""

    log_level = "warn"

    def __init__(self, directory: Path, sources: list[Path], brokers: dict[str, str], more: dict[str, str] | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        first = free_ports(3)
        self.bootstrap = f"127.0.0.1:{first}"
        ports = {BOOTSTRAP_PORT: str(first), BROKER_PORT: str(first + 1), ADMIN_PORT: str(first + 2)}
        self.values = {**ports, **brokers, GATEWAY: "127.0.0.1", ANY: "127.0.0.1", WASM: wasm_file(), DIRECTORY: f"{directory}/", **(more or {})}
        """What stands in the files, and what it is here."""
        for source in sources:
            (directory / source.name).write_text(fill_in(source.read_text(), self.values))
        super().__init__(directory / sources[0].name, directory / "envoy.log", first + 2)

    def change(self, name: str, old: str, new: str) -> None:
        """Renames a changed file into place, as mv does."""
        file = self.file.with_name(name)
        text = file.read_text()
        assert old in text, f"{name} has no {old}"
        changed = file.with_suffix(".new")
        changed.write_text(text.replace(old, new))
        changed.rename(file)

    def filter_configuration(self, name: str) -> dict:
        """The filter's own configuration in a live file."""
        (resource,) = yaml.safe_load(self.file.with_name(name).read_text())["resources"]
        return json.loads(resource["typed_config"]["config"]["configuration"]["value"])


class ExampleMirror(Java):
    """MirrorMaker 2 with a file of the example. `values`: as of ExampleEnvoy."""

    # Tells where it begins to read, as with Kafka's own log4j2.yaml.
    options = ("-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.consumer=info",)

    def __init__(self, directory: Path, source: Path, values: dict[str, str]):
        lines = (line.partition("=") for line in fill_in(source.read_text(), values).splitlines() if not line.startswith("#"))
        settings = {key.strip(): value.strip() for key, _, value in lines if key.strip()}
        super().__init__(directory, source.stem, "org.apache.kafka.connect.mirror.MirrorMaker", {**SOON, **settings})

    def finish(self) -> None:
        """Ends in good order: what is copied is remembered."""
        assert self.alive(), f"MirrorMaker has ended:\n{self.log_tail(60)}"
        self.stop(60)


def start_clusters(directory: Path, *names: str) -> list[KafkaCluster]:
    """Clusters of one broker each, started side by side."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda name: KafkaCluster(directory / name), names))


TOOLS = {
    "kafka-topics": "TopicCommand",
    "kafka-get-offsets": "GetOffsetShell",
    "kafka-consumer-groups": "consumer.group.ConsumerGroupCommand",
    "kafka-console-consumer": "consumer.ConsoleConsumer",
}


def kafka(tool: str, bootstrap: str, *arguments: str) -> str:
    """Runs one of Kafka's tools, and gives what it prints."""
    done = run_tool(f"org.apache.kafka.tools.{TOOLS[tool]}", "--bootstrap-server", bootstrap, *arguments)
    assert done.returncode == 0, f"{tool} {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def lags(bootstrap: str, group: str, topic: str) -> dict[int, int | None]:
    """By partition, what kafka-consumer-groups shows as LAG; None where the group has no offset."""
    found = {}
    for line in kafka("kafka-consumer-groups", bootstrap, "--describe", "--group", group).splitlines():
        fields = line.split()
        if fields[:2] == [group, topic]:
            found[int(fields[2])] = int(fields[5]) if fields[5].isdigit() else None
    return found


def next_records(bootstrap: str, group: str, topic: str) -> int:
    """How many records the group would get next, while it has no members. Commits nothing."""
    own = ("--group", group, "--command-property", "enable.auto.commit=false", "--from-beginning", "--timeout-ms", "3000")
    return kafka("kafka-console-consumer", bootstrap, "--topic", topic, *own, "--formatter-property", "print.value=true").count("\n")


def offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """What the group has committed, by partition: what kafka-consumer-groups shows as CURRENT-OFFSET."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    return {p.partition: p.offset for p in found.topic_partitions if p.topic == topic}
