"""Envoy with envoy.yaml and filter.yaml, before a broker of the tests' harness, for as long as the demo runs."""

import re
from pathlib import Path

from tests.harness.envoy import EnvoyProcess, wasm_file
from tests.harness.kafka import KafkaCluster
from tests.harness.process import free_ports, is_free

HERE = Path(__file__).parent
BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT, KAFKA_PORT = 19092, 19093, 19901, 9092
"""The ports in the files."""
HISTOGRAM = re.compile(r"_bucket\{|_(sum|count)\{|^#")


class QuickstartEnvoy(EnvoyProcess):
    """Envoy with envoy.yaml, its ports exchanged where other programs have taken them."""

    log_level = "warn"
    workers = 1
    """Envoy's workers share nothing that they have read: each would read the topic once."""

    def __init__(self, directory: Path, cluster: KafkaCluster, share: str):
        """`share`: the filter's fetch.share."""
        bootstrap, admin = _ports()
        self.bootstrap = f"127.0.0.1:{bootstrap}"
        self._numbers = {BOOTSTRAP_PORT: bootstrap, BROKER_PORT: bootstrap + 1, ADMIN_PORT: admin}
        self._broker = cluster.bootstrap
        self.filter = directory / "filter.yaml"
        self.filter.write_text(self._filled_in("filter.yaml").replace('"share": "auto"', f'"share": "{share}"'))
        file = directory / "envoy.yaml"
        file.write_text(self._filled_in("envoy.yaml"))
        super().__init__(file, directory / "envoy.log", admin)

    def grow(self, before: int, virtual: int) -> None:
        """Changes V of the topic in the file, as a user would: a changed copy is renamed into place."""
        new = self.filter.with_suffix(".new")
        text = self.filter.read_text()
        new.write_text(text.replace(f'"virtual_partitions": {before}', f'"virtual_partitions": {virtual}'))
        new.rename(self.filter)

    def counted(self) -> list[str]:
        """What the filter has counted, without histograms and what is 0."""
        lines = [line for line in self.prometheus().splitlines() if line.startswith("kafka_remapper_")]
        return sorted(line for line in lines if not HISTOGRAM.search(line) and not line.endswith(" 0"))

    def _filled_in(self, name: str) -> str:
        """A file with this machine's broker, filter and paths, and with other port numbers."""
        text = (HERE / name).read_text().replace(f"127.0.0.1:{KAFKA_PORT}", self._broker)
        text = text.replace("/etc/envoy/kafka_partition_remapper.wasm", wasm_file())
        text = text.replace("/etc/envoy/filter.yaml", str(self.filter))
        return re.sub("|".join(rf"\b{n}\b" for n in self._numbers), lambda m: str(self._numbers[int(m[0])]), text)


def _ports() -> tuple[int, int]:
    """The bootstrap port, whose neighbour is the broker's, and the admin port."""
    if all(map(is_free, (BOOTSTRAP_PORT, BROKER_PORT, ADMIN_PORT))):
        return BOOTSTRAP_PORT, ADMIN_PORT
    first = free_ports(3)
    return first, first + 2
