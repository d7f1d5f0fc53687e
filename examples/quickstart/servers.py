"""Envoy with envoy.yaml, before a broker of the tests' harness, for as long as the demo runs."""

import re
from pathlib import Path

from tests.harness.envoy import EnvoyProcess, wasm_file
from tests.harness.kafka import KafkaCluster
from tests.harness.process import free_ports, is_free

CONFIGURATION = Path(__file__).with_name("envoy.yaml")
BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT, KAFKA_PORT = 19092, 19093, 19901, 9092
"""The ports in envoy.yaml."""


class QuickstartEnvoy(EnvoyProcess):
    """Envoy with envoy.yaml, its ports exchanged where other programs have taken them."""

    log_level = "warn"
    workers = 1
    """Envoy's workers share nothing that they have read: each would read the topic once."""

    def __init__(self, directory: Path, cluster: KafkaCluster, share: str):
        """`share`: the filter's fetch.share."""
        bootstrap, admin = _ports()
        self.bootstrap = f"127.0.0.1:{bootstrap}"
        numbers = {BOOTSTRAP_PORT: bootstrap, BROKER_PORT: bootstrap + 1, ADMIN_PORT: admin}
        file = directory / "envoy.yaml"
        file.write_text(_filled_in(numbers, cluster.bootstrap, share))
        super().__init__(file, directory / "envoy.log", admin)


def _ports() -> tuple[int, int]:
    """The bootstrap port, whose neighbour is the broker's, and the admin port."""
    if all(map(is_free, (BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT))):
        return BOOTSTRAP_PORT, ADMIN_PORT
    first = free_ports(3)
    return first, first + 2


def _filled_in(numbers: dict[int, int], broker: str, share: str) -> str:
    """The configuration with this machine's broker and filter, and with other port numbers."""
    text = CONFIGURATION.read_text().replace('"share": "auto"', f'"share": "{share}"')
    text = text.replace(f"127.0.0.1:{KAFKA_PORT}", broker)
    text = text.replace("/etc/envoy/kafka_partition_remapper.wasm", wasm_file())
    return re.sub("|".join(rf"\b{n}\b" for n in numbers), lambda m: str(numbers[int(m[0])]), text)
