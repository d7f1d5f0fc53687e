"""Runs an example's Envoy with TLS for clients: its envoy.yaml as a user would take it, with ports, paths and
addresses of this machine. And clients that write and read all partitions, and compare."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.harness.certificates import Authority, Certificate
from tests.harness.envoy import EnvoyProcess, network_filter_named, wasm_file
from tests.harness.kafka import run_tool
from tests.harness.process import free_ports, wait_until

TOPIC, PHYSICAL, VIRTUAL = "orders", 4, 20
"""As in the examples' envoy.yaml."""
CLIENT_PORT, ADMIN_PORT = 9093, 9901
BROKER_PORTS = range(9100, 9110)
DIRECTORY = "/etc/envoy/"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"


class Gateway(EnvoyProcess):
    """Envoy with `source`. `change` may change the filter's configuration, whose `route.dynamic.bootstrap`
    becomes `brokers`; `others` are more ports in the file, with those that they have here."""

    # The access log is written after 50 ms, not after ten seconds.
    options = ("--file-flush-interval-msec", "50")
    log_level = "warn"

    def __init__(
        self,
        directory: Path,
        source: Path,
        authority: Authority,
        names: tuple[str, ...],
        brokers: list[str],
        change: Callable[[dict, "Gateway"], None],
        others: dict[int, int] | None = None,
        environment: dict | None = None,
        broker_authority: Path | None = None,
    ):
        """`names`: what Envoy's certificate is for."""
        directory.mkdir(parents=True)
        first = free_ports(len(BROKER_PORTS) + 2)
        self._ports = {CLIENT_PORT: first, ADMIN_PORT: first + 1, **(others or {})}
        self._ports |= {port: first + 2 + n for n, port in enumerate(BROKER_PORTS)}
        self.port, self.base = first, self._ports[BROKER_PORTS[0]]
        install(directory, authority.issue(f"/CN={names[0].removeprefix('*.')}", names), broker_authority)
        text = source.read_text().replace(f"{DIRECTORY}kafka_partition_remapper.wasm", wasm_file())
        config = self._here(yaml.safe_load(text.replace(DIRECTORY, f"{directory}/")))
        text = network_filter_named(config, "kafka_partition_remapper")["config"]["configuration"]
        filter_config = json.loads(text["value"])
        # No pattern gives the addresses of brokers on one machine: the brokers tell them.
        filter_config["route"]["dynamic"] = {"bootstrap": brokers}
        change(filter_config, self)
        text["value"] = json.dumps(filter_config)
        file = directory / "envoy.json"
        file.write_text(json.dumps(config))
        super().__init__(file, directory / "envoy.log", self._ports[ADMIN_PORT], environment)

    def access_log(self) -> list[dict]:
        """A line for each connection that has ended."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def wait_logged(self, field: str, value: str) -> dict:
        """The last line with this value in a field; waits for such a line."""

        def found() -> list[dict]:
            return [line for line in self.access_log() if line[field] == value]

        return wait_until(f"{field} {value} in the access log", found, 10)[-1]

    def _here(self, part):
        """The configuration with addresses of this machine in the place of those that the file names."""
        if isinstance(part, list):
            return [self._here(p) for p in part]
        if not isinstance(part, dict):
            return part
        if set(part) == {"address", "port_value"}:
            return {"address": "127.0.0.1", "port_value": self._ports[part["port_value"]]}
        return {name: self._here(value) for name, value in part.items()}


def install(directory: Path, shown: Certificate, broker_authority: Path | None) -> None:
    """Puts certificates where the files look for them."""
    files = {"certificate.pem": shown.certificate, "key.pem": shown.key, "broker-ca.pem": broker_authority}
    for name, file in files.items():
        if file:
            shutil.copy(file, directory / name)


def values(partition: int, count: int) -> list[str]:
    """What clients write to a partition."""
    return [f"{partition}-{n}" for n in range(count)]


def read_by_java(
    bootstrap: str, properties: dict[str, str], directory: Path, count: int, options: tuple[str, ...] = ()
) -> dict[int, list[str]]:
    """What Kafka's console consumer reads from the topic's beginning, `count` records at most, by partition.
    RuntimeError with what the tool said, if it fails."""
    file = directory / "java.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    what = ("--bootstrap-server", bootstrap, "--topic", TOPIC, "--command-config", file, "--formatter-property", "print.partition=true")
    limits = ("--from-beginning", "--max-messages", count, "--timeout-ms", 20_000)
    done = run_tool(CONSOLE_CONSUMER, *what, *limits, options=options)
    found: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        partition, value = line.removeprefix("Partition:").split("\t")
        found.setdefault(int(partition), []).append(value)
    if not found:
        raise RuntimeError(done.stderr)
    return found


def trusting(authority: Authority) -> dict[str, str]:
    """Java's settings for TLS."""
    return {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(authority.certificate)}
