"""Runs the files of an example as a user would take them, with ports, paths and addresses of this machine."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.harness.envoy import EnvoyProcess, wasm_file
from tests.harness.kafka import KafkaCluster
from tests.harness.process import free_ports

GATEWAY, ANY, BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT = "envoy.example.com", "0.0.0.0", "19092", "19093", "19901"
"""As in the examples' envoy.yaml: in front of one broker, which is broker 1."""
DIRECTORY, WASM = "/etc/envoy/", "/etc/envoy/kafka_partition_remapper.wasm"


def fill_in(text: str, values: dict[str, str]) -> str:
    """Exchanges whole words; what has been put in is not looked at again."""
    longest_first = sorted(values, key=len, reverse=True)
    words = "|".join(re.escape(w) if w.endswith("/") else rf"{re.escape(w)}(?!\w)" for w in longest_first)
    return re.sub(rf"(?<![\w.]){'(?:' + words + ')'}", lambda m: values[m[0]], text)


class ExampleEnvoy(EnvoyProcess):
    """Envoy with the files of `sources`, of which the first is the bootstrap. `brokers`: the addresses of
    brokers in these files, with those that they have here; `more`: what else is to be exchanged."""

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


def start_clusters(directory: Path, *names: str) -> list[KafkaCluster]:
    """Clusters of one broker each, started side by side."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda name: KafkaCluster(directory / name), names))
