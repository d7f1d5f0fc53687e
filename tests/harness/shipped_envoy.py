"""Envoy with a file of envoy/ as a user would take it: ports, paths and names are those of the test."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from .certificates import Authority, Certificate
from .envoy import Envoy, address, wasm_file
from .kafka import KafkaCluster
from .paths import REPO
from .process import wait_until

DOMAIN = "kafka.example.com"
BOOTSTRAP = f"bootstrap.{DOMAIN}"
SERVICE = "/O=Example/OU=services/CN=Orders-Web"
"""A subject that the rules and the RBAC filter of envoy/mutual-tls.yaml let in, as `orders-web`."""


@dataclass(frozen=True)
class Trust:
    """Two authorities: `clients` issues certificates to clients, and to Envoy as it shows itself to clients;
    `brokers` to brokers, and to Envoy as it shows itself to brokers (`gateway`)."""

    clients: Authority
    brokers: Authority
    envoy: Certificate
    gateway: Certificate
    broker: Certificate

    @classmethod
    def make(cls, directory: Path, brokers: int) -> "Trust":
        clients, inside = Authority(directory, "clients"), Authority(directory, "brokers")
        names = tuple(f"kafka-{i}.localhost" for i in range(1, brokers + 1))
        return cls(
            clients,
            inside,
            clients.issue("/CN=envoy", (f"*.{DOMAIN}",)),
            inside.issue("/O=Example/CN=gateway"),
            inside.issue("/CN=broker", names),
        )

    def broker_settings(self) -> dict:
        """Lines of server.properties for listeners with TLS."""
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.broker.store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.brokers.certificate,
        }

    def install(self, directory: Path) -> None:
        """Copies the certificates to the names that the files of envoy/ give."""
        files = {
            "certificate.pem": self.envoy.certificate,
            "key.pem": self.envoy.key,
            "client-ca.pem": self.clients.certificate,
            "broker-ca.pem": self.brokers.certificate,
            "gateway.pem": self.gateway.certificate,
            "gateway-key.pem": self.gateway.key,
        }
        for name, file in files.items():
            shutil.copy(file, directory / name)


class ShippedEnvoy(Envoy):
    """Runs envoy/<file> with other ports, paths, names of brokers and topics. `change` may
    change the filter's configuration, `edit` the listeners and clusters. One port serves all
    brokers, told apart by server name."""

    # The access log is written after 50 ms, not after ten seconds.
    options = ("--file-flush-interval-msec", "50", "--drain-time-s", "2")

    def __init__(
        self,
        directory: Path,
        cluster: KafkaCluster,
        file: str,
        trust: Trust,
        listener: str,
        change: Callable[[dict], None] = lambda config: None,
        edit: Callable[[dict], None] = lambda resources: None,
        environment: dict | None = None,
    ):
        directory.mkdir(parents=True, exist_ok=True)
        trust.install(directory)
        text = (REPO / "envoy" / file).read_text().replace("/etc/envoy/kafka_partition_remapper.wasm", wasm_file())
        self._shipped = yaml.safe_load(text.replace("/etc/envoy/", f"{directory}/"))
        self._change, self._edit = change, edit
        super().__init__(directory, cluster, {}, environment=environment, listener=listener)

    def server_name(self, broker: int = 1) -> str:
        return f"b{broker}.{DOMAIN}"

    def java_hosts(self, directory: Path) -> str:
        """The option that makes a JVM resolve all names of this Envoy to this machine. No other library can
        be told where names lead without a change of this machine."""
        file = directory / "hosts"
        names = (BOOTSTRAP, *map(self.server_name, self.cluster.ids))
        file.write_text(f"127.0.0.1 {' '.join(names)}\n")
        return f"-Djdk.net.hosts.file={file}"

    def access_log(self) -> list[dict]:
        """The lines of connections that have ended."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def wait_logged(self, **fields: object) -> dict:
        """The latest line of the access log with these values; waits for such a line."""

        def found() -> list[dict]:
            return [line for line in self.access_log() if fields.items() <= line.items()]

        return wait_until(f"a line with {fields} in the access log", found, 10)[-1]

    def _complete(self, config: dict) -> dict:
        shipped = json.loads(self._remapper()["configuration"]["value"])
        shipped["mapping"] = {"topics": [{"regex": "modulo\\..*", "virtual_partitions": 20, "physical_partitions": 4}]}
        shipped["advertise"]["sni"]["port"] = self.base
        # No pattern of addresses: test brokers have ports that no pattern gives, so Metadata tells.
        shipped["route"]["dynamic"] = {"bootstrap": self._brokers}
        self._change(shipped)
        return shipped

    def _remapper(self) -> dict:
        filters = self._shipped["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
        return network_filter_of(filters, "kafka_partition_remapper")["config"]

    def _bootstrap_config(self) -> dict:
        self._remapper()["configuration"]["value"] = json.dumps(self.filter_config)
        self._shipped["admin"]["address"] = address(self.admin_port)
        resources = self._shipped["static_resources"]
        resources["listeners"][0]["address"] = address(self.base)
        self._edit(resources)
        return self._shipped


def allow_everybody(resources: dict) -> None:
    """For `edit`: the RBAC filter of the file lets everybody through."""
    filters = resources["listeners"][0]["filter_chains"][0]["filters"]
    network_filter_of(filters, "envoy.filters.network.rbac")["rules"]["policies"] = {
        "all": {"permissions": [{"any": True}], "principals": [{"any": True}]}
    }


def network_filter_of(filters: list[dict], name: str) -> dict:
    """The settings of a network filter."""
    (found,) = (f["typed_config"] for f in filters if f["name"] == name)
    return found
