"""examples/istio: the resources are right by Istio's own schemas, their ports agree, and what Istio makes of
them (by tests/harness/istio.py; no Istio runs here) are listeners that a real Envoy loads and that serve real
clients, by EnvoyFilter as by WasmPlugin, in a gateway as in a sidecar."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.harness import clients, topics
from tests.harness.envoy import EnvoyProcess, address, static_cluster, wasm_file
from tests.harness.istio import apply_envoy_filter, apply_wasm_plugin, documents, validate, without_istios_own
from tests.harness.kafka import KafkaCluster
from tests.harness.load import read_to_the_end
from tests.harness.paths import REPO
from tests.harness.process import free_ports

pytestmark = pytest.mark.remap
EXAMPLE = REPO / "examples/istio"
RESOURCES = list(documents(*(EXAMPLE / d for d in ("gateway", "sidecar", "envoy-filter"))))
WAYS = pytest.mark.parametrize("way", ["WasmPlugin", "EnvoyFilter"])
BROKER = 1


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: f"{r['kind']}-{r['metadata']['namespace']}-{r['metadata']['name']}")
def test_resources_fit_istios_schemas(resource):
    validate(resource)


def test_the_schemas_would_find_a_slip():
    plugin = of_kind("WasmPlugin", "kafka")
    for wrong in ({"failStrategy": "FAIL_CLOSED"}, {"pluginconfig": {}}, {"match": [{"port": []}]}):
        with pytest.raises(jsonschema.ValidationError):
            validate({**plugin, "spec": {**plugin["spec"], **wrong}})


def of_kind(kind: str, namespace: str) -> dict:
    (found,) = (r for r in RESOURCES if (r["kind"], r["metadata"]["namespace"]) == (kind, namespace))
    return found


def filter_config(resource: dict) -> dict:
    """The filter's own configuration in a resource."""
    if resource["kind"] == "WasmPlugin":
        return resource["spec"]["pluginConfig"]
    return json.loads(resource["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]["config"]["configuration"]["value"])


def test_both_ways_say_the_same_and_the_gateways_ports_agree():
    for namespace in ("kafka", "payments"):
        plugin, envoy_filter = of_kind("WasmPlugin", namespace), of_kind("EnvoyFilter", namespace)
        assert filter_config(plugin) == filter_config(envoy_filter)
        assert ports_of(plugin) == ports_of(envoy_filter)
        labels = (plugin["spec"]["selector"]["matchLabels"], envoy_filter["spec"]["workloadSelector"]["labels"])
        assert labels[0] == labels[1]
    ports = ports_of(of_kind("WasmPlugin", "kafka"))
    assert ports == [s["port"]["number"] for s in of_kind("Gateway", "kafka")["spec"]["servers"]]
    routes = of_kind("VirtualService", "kafka")["spec"]["tcp"]
    assert ports == [r["match"][0]["port"] for r in routes]
    hosts = [r["spec"]["hosts"][0] for r in RESOURCES if r["kind"] == "ServiceEntry"]
    assert hosts == [r["route"][0]["destination"]["host"] for r in routes]
    base = filter_config(of_kind("WasmPlugin", "kafka"))["advertise"]["ports"]["base"]
    assert hosts[1:] == [f"kafka-{port - base}.kafka.internal" for port in ports[1:]]
    assert of_kind("Gateway", "kafka")["spec"]["selector"] == of_kind("WasmPlugin", "kafka")["spec"]["selector"]["matchLabels"]


def ports_of(resource: dict) -> list[int]:
    if resource["kind"] == "WasmPlugin":
        return [p["number"] for p in resource["spec"]["match"][0]["ports"]]
    return [p["match"]["listener"]["portNumber"] for p in resource["spec"]["configPatches"]]


def generated(name: str) -> dict:
    return yaml.safe_load((EXAMPLE / f"generated/{name}.yaml").read_text())


def test_listeners_at_other_ports_are_left_alone(tmp_path):
    other = generated("gateway")["listeners"]
    for listener in other:
        listener["address"]["socket_address"]["port_value"] = 5432
    assert apply_envoy_filter(of_kind("EnvoyFilter", "kafka"), "GATEWAY", other) == other
    assert apply_wasm_plugin(of_kind("WasmPlugin", "kafka"), "CLIENT", other, Path(wasm_file()), tmp_path) == other
    inbound = generated("sidecar")["listeners"]
    assert apply_envoy_filter(of_kind("EnvoyFilter", "payments"), "SIDECAR_INBOUND", inbound) == inbound
    assert apply_wasm_plugin(of_kind("WasmPlugin", "payments"), "SERVER", inbound, Path(wasm_file()), tmp_path) == inbound


@pytest.fixture(scope="module")
def intercepted() -> int:
    """Where the sidecar takes connections that clients make to the broker's own address."""
    return free_ports(1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory, intercepted):
    advertised = {"MESH": f"127.0.0.1:{intercepted}"}
    with KafkaCluster(tmp_path_factory.mktemp("istio-kafka"), listeners={"MESH": "PLAINTEXT"}, advertised=advertised) as cluster:
        yield cluster


def with_the_filter(way: str, namespace: str, generated_for: str, change, directory: Path) -> list[dict]:
    """Listeners as the control plane would send them, with a change of the filter's configuration."""
    resource = of_kind(way, namespace)
    listeners = generated(generated_for)["listeners"]
    if way == "WasmPlugin":
        resource = json.loads(json.dumps(resource))
        change(resource["spec"]["pluginConfig"])
        patched = apply_wasm_plugin(resource, "CLIENT", listeners, Path(wasm_file()), directory)
    else:
        context = "GATEWAY" if generated_for == "gateway" else "SIDECAR_OUTBOUND"
        patched = apply_envoy_filter(resource, context, listeners)
        for listener in patched:
            config = listener["filter_chains"][0]["filters"][1]["typed_config"]["config"]
            config["vm_config"]["code"]["local"]["filename"] = wasm_file()
            own = json.loads(config["configuration"]["value"])
            change(own)
            config["configuration"]["value"] = json.dumps(own)
    names = [[f["name"] for f in listener["filter_chains"][0]["filters"]] for listener in patched]
    filters = {"WasmPlugin": [f"{namespace}.kafka-remapper", "istio.stats"], "EnvoyFilter": ["istio.stats", "kafka_partition_remapper"]}
    assert names == [[*filters[way], "envoy.filters.network.tcp_proxy"]] * len(patched)
    return without_istios_own(patched)


def run(directory: Path, listeners: list[dict], clusters: list[dict]) -> EnvoyProcess:
    admin = free_ports(1)
    config = {
        "node": {"id": "istio", "cluster": "istio"},
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }
    file = directory / "envoy.json"
    file.write_text(json.dumps(config))
    return EnvoyProcess(file, directory / "envoy.log", admin)


def serves(library: clients.Library, bootstrap: str, topic: str) -> None:
    acked = clients.produce(library, bootstrap, topic, 20, 10, "lz4", True, "istio")
    assert read_to_the_end(bootstrap, topic, 20) == acked


def new_topic(broker: KafkaCluster, family: str) -> str:
    name = topics.unique(family)
    broker.create_topic(name, 4)
    return name


@WAYS
def test_gateway(way, broker, programs, tmp_path):
    base = free_ports(2)

    def change(config: dict) -> None:
        mapped(config, "orders")
        config["advertise"]["ports"] = {"host": "127.0.0.1", "base": base}

    listeners = with_the_filter(way, "kafka", "gateway", change, tmp_path)
    for listener, port in zip(listeners, (base, base + BROKER), strict=True):
        listener["address"] = address(port)
    clusters = [static_cluster(c["name"], broker.ports[BROKER]) for c in generated("gateway")["clusters"]]
    topic = new_topic(broker, "orders")
    with run(tmp_path, listeners, clusters):
        serves(programs["librdkafka"], f"127.0.0.1:{base}", topic)
    ends = broker.end_offsets(topic, 4)
    assert ends == [50] * 4, "modulo: each physical partition holds five virtual ones"


@WAYS
def test_sidecar(way, broker, intercepted, programs, tmp_path):
    listeners = with_the_filter(way, "payments", "sidecar", lambda config: mapped(config, "payments"), tmp_path)
    # No iptables here: clients find Envoy where the broker says that it is, and what was the connection's
    # original destination is written into the cluster.
    (listener,) = listeners
    assert listener.pop("bind_to_port") is False
    listener["address"] = address(intercepted)
    (cluster,) = generated("sidecar")["clusters"]
    assert cluster["type"] == "ORIGINAL_DST"
    topic = new_topic(broker, "payments")
    with run(tmp_path, listeners, [static_cluster(cluster["name"], broker.port("MESH"))]):
        serves(programs["java" if way == "WasmPlugin" else "librdkafka"], f"127.0.0.1:{intercepted}", topic)
    assert broker.end_offsets(topic, 4) == [50] * 4


def mapped(config: dict, family: str) -> None:
    """The topics of the tests have names of their own."""
    (topic,) = config["mapping"]["topics"]
    assert topic.pop("name") == family
    topic["regex"] = rf"{family}\..*"
