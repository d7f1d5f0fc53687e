"""Every mistake of a newcomer: what client and operator see is what docs/first-contact.md says that they see."""

import copy
import json
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaException, Producer

from tests.harness import topics
from tests.harness.envoy import address, static_cluster, tcp_proxy, wasm_filter
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.mistakes import ENTRIES, MistakenEnvoy, Spot
from tests.harness.paths import ENVOY_BINARY
from tests.harness.process import free_ports, wait_until

pytestmark = pytest.mark.remap
STRING, STRUCT = (f"type.googleapis.com/google.protobuf.{kind}" for kind in ("StringValue", "Struct"))
MAPPING = {"mapping": {"topics": [topics.MODULO.entry()]}}
CLIENT_S = 2


# What Envoy itself refuses.


def validated(tmp_path, filters: list[dict]) -> tuple[int, str]:
    listener = {"name": "kafka", "address": address(0), "filter_chains": [{"filters": filters}]}
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [static_cluster("brokers", 9092)]}}))
    argv = [ENVOY_BINARY, "--mode", "validate", "--log-level", "warning", "-c", file]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def changed(*path: str, to: object) -> dict:
    """The filter with a field of its `config` changed, or left out."""
    wasm = copy.deepcopy(wasm_filter({}))
    place = wasm["typed_config"]["config"]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    if to is None:
        del place[path[-1]]
    return wasm


PROXY = tcp_proxy("brokers")
STATIC = {
    "The filter stands behind tcp_proxy": lambda: [PROXY, wasm_filter({})],
    "There is no tcp_proxy": lambda: [wasm_filter({})],
    "The wasm file is not where the configuration says": lambda: [
        changed("vm_config", "code", "local", "filename", to="/etc/envoy/absent.wasm"),
        PROXY,
    ],
    "The runtime is misspelt": lambda: [changed("vm_config", "runtime", to="v8"), PROXY],
    "failure_policy is left out": lambda: [changed("failure_policy", to=None), PROXY],
}


@pytest.mark.parametrize("mistake", STATIC)
def test_what_envoy_refuses(mistake, tmp_path):
    entry = ENTRIES[mistake]
    refused, log = validated(tmp_path, STATIC[mistake]())
    assert bool(refused) == bool(entry.envoy), log
    entry.assert_logged(log)


# What the filter refuses.


def routed(**dynamic) -> str:
    return json.dumps({"advertise": {"ports": {"host": "h", "base": 9100}}, "route": {"dynamic": dynamic}})


def mapped(virtual: object) -> str:
    return json.dumps({"mapping": {"topics": [{"name": "orders", "virtual_partitions": virtual, "physical_partitions": 4}]}})


REFUSED = {
    "A comma too many": '{"stat_prefix": "orders",}',
    "A comment, or single quotes": '{\n  // mine\n  "stat_prefix": "orders"\n}',
    "YAML in the place of JSON": "stat_prefix: orders\n",
    "A field is misspelt": '{"maping": {}}',
    "V is no multiple of P": mapped(21),
    "A number in quotes": mapped("20"),
    "A dot in stat_prefix": '{"stat_prefix": "orders.eu"}',
    "{id} in a port": routed(bootstrap=["kafka:9092"], address="kafka:909{id}"),
    "{id} elsewhere": routed(bootstrap=["kafka-{id}:9092"]),
    "A bootstrap address without a port": routed(bootstrap=["kafka"]),
    "route.dynamic without advertise": '{"route": {"dynamic": {"bootstrap": ["kafka:9092"]}}}',
    "advertise.ports.base is no port": '{"advertise": {"ports": {"host": "h", "base": 70000}}}',
    "An environment variable is missing": '{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "${NOT_SET}"}]}}',
    "A mechanism is misspelt": '{"sasl": {"mechanisms": ["SCRAM-SHA256"], "users": [{"username": "a", "password": "b"}]}}',
}


class AnyText(LiveEnvoy):
    """An Envoy whose filter is given whatever stands in `given`."""

    given: dict | None = None

    def _filter(self) -> dict:
        wasm = super()._filter()
        if self.given:
            wasm["typed_config"]["config"]["configuration"] = self.given
        return wasm

    def give(self, kind: str, value: object) -> tuple[bool, str]:
        """Whether it was taken, and what Envoy has logged."""
        taken, failed, size = self.updates("config_reload"), self.updates("config_fail"), self.log.stat().st_size
        self.given = {"@type": kind, "value": value}
        self._write()
        wait_until("a verdict", lambda: self.updates("config_fail") > failed or self.updates("config_reload") > taken, 10)
        return self.updates("config_fail") == failed, self.log.read_text(errors="replace")[size:]


def test_what_the_filter_refuses(tmp_path, cluster):
    envoy = AnyText(tmp_path, cluster, {"stat_prefix": "t"})
    try:
        for mistake, text in REFUSED.items():
            taken, log = envoy.give(STRING, text)
            assert not taken, mistake
            ENTRIES[mistake].assert_logged(log)
            if text.startswith("{") and mistake not in NOT_JSON:
                # As a Struct, where numbers are doubles, the same is refused in the same words.
                taken, log = envoy.give(STRUCT, json.loads(text))
                assert not taken, mistake
                ENTRIES[mistake].assert_logged(log)
        config = {**envoy.filter_config, **MAPPING, "limits": {"worker_bytes": 536870912}}
        taken, log = envoy.give(STRUCT, config)
        assert taken, log
        assert partitions_seen(envoy.bootstrap, cluster, topics.unique("modulo")) == topics.MODULO.virtual
    finally:
        envoy.stop(expected="failed to load|Failed to configure")


NOT_JSON = {"A comma too many", "A comment, or single quotes"}


def partitions_seen(bootstrap: str, cluster, topic: str) -> int:
    cluster.create_topic(topic, topics.MODULO.physical)
    return len(Producer({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=10).topics[topic].partitions)


# What goes wrong when a client comes.

SCRAM = {"mechanisms": ["SCRAM-SHA-512"], "users": [{"username": "alice", "password": "secret"}]}
AS_ALICE = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "alice",
    "sasl.password": "secret",
}


@pytest.fixture(scope="module")
def mistaken(secured, tmp_path_factory):
    secured.create_topic("modulo.first", topics.MODULO.physical, 2)
    secured.create_topic("modulo.misfit", topics.MODULO.physical - 1, 1)
    nobody, http = free_ports(1), HttpServer()
    own = {str(i): f"127.0.0.1:{port}" for i, port in secured.ports.items()}
    elsewhere = {"bootstrap": secured.bootstrap.split(","), "address": "no-{id}.invalid:9092"}
    wrong = {"mechanism": "SCRAM-SHA-512", "username": "gateway", "password": "wrong"}
    spots = [
        Spot("right"),
        Spot("wrong-base", advertise={"ports": {"host": "127.0.0.1", "base": nobody}}),
        Spot("unlisted", listens=2),
        Spot("unresolved", advertise={"ports": {"host": "no-such-host.invalid", "base": 9100}}),
        Spot("own", advertise={"table": own}),
        Spot("half-a-table", advertise={"table": {"1": "127.0.0.1:1"}}),
        Spot("too-high", advertise={"ports": {"host": "127.0.0.1", "base": 65535}}),
        Spot("tls", tls=(True, False)),
        Spot("tls-broker", brokers="TLS"),
        Spot("tls-to-clear", tls=(False, True)),
        Spot("sasl", {"sasl": SCRAM}),
        Spot("login", {"upstream": {"sasl": wrong}}, brokers="SASL"),
        Spot("sasl-broker", brokers="SASL"),
        Spot("dead", route={"dynamic": {"bootstrap": [f"127.0.0.1:{nobody}"]}}),
        Spot("dead-name", route={"dynamic": {"bootstrap": ["no-such-host.invalid:9092"]}}),
        Spot("http", route={"dynamic": {"bootstrap": [f"127.0.0.1:{http.port}"]}}),
        Spot("elsewhere", route={"dynamic": elsewhere}),
    ]
    for spot in spots:
        spot.config = {**MAPPING, **spot.config}
    with MistakenEnvoy(tmp_path_factory.mktemp("mistaken"), secured, spots) as envoy, http:
        yield envoy


SSL = {"security.protocol": "SSL"}
AT_FIRST = {
    "The bootstrap broker is not there": ("dead", {}),
    "The bootstrap broker's name is not resolved": ("dead-name", {}),
    "route.dynamic.address leads nowhere": ("elsewhere", {}),
    "Envoy's cluster has TLS, the broker's listener has none": ("tls-to-clear", {}),
    "The broker's listener has TLS, Envoy's cluster has none": ("tls-broker", {}),
    "The bootstrap address is no Kafka broker": ("http", {}),
    "The client speaks TLS, the listener does not": ("right", SSL),
    "The listener has TLS, the client speaks none": ("tls", {}),
    "The listener wants SASL, the client has none": ("sasl", {}),
    "A mechanism that is not offered": ("sasl", {**AS_ALICE, "sasl.mechanism": "PLAIN"}),
    "A wrong password": ("sasl", {**AS_ALICE, "sasl.password": "wrong"}),
    "SASL, where neither the filter nor the broker wants any": ("right", AS_ALICE),
    "The broker's listener wants SASL, and nobody has any": ("sasl-broker", {}),
    "The filter's own password is wrong": ("login", {}),
    "advertise.ports.base is wrong": ("wrong-base", {}),
    "A broker's port is not listed": ("unlisted", {}),
    "advertise names a host that is not resolved": ("unresolved", {}),
    "advertise names the brokers' own addresses": ("own", {}),
    "A broker that advertise.table lacks": ("half-a-table", {}),
    "base + id beyond 65535": ("too-high", {}),
    "Another number of partitions than the mapping says": ("right", {"topic": "modulo.misfit"}),
    "A mapped topic that does not exist": ("right", {"topic": "modulo.absent"}),
}
LATER = {"The client does not trust Envoy's certificate": ("tls", SSL)}
"""Behind another mistake that leads to the same kind of line, which is written once a minute."""


def test_what_goes_wrong_when_a_client_comes(mistaken):
    with ThreadPoolExecutor(8) as pool:
        said = dict(zip(AT_FIRST, pool.map(lambda at: client_says(mistaken, *at), AT_FIRST.values())))
    said |= {mistake: client_says(mistaken, *at) for mistake, at in LATER.items()}
    for mistake, (spot, _) in {**AT_FIRST, **LATER}.items():
        entry = ENTRIES[mistake]
        entry.assert_said(said[mistake])
        wait_until(f"{mistake}: {entry.envoy}", lambda: entry.is_logged("\n".join(mistaken.lines(spot))), 5)


def client_says(envoy: MistakenEnvoy, spot: str, config: dict) -> str:
    said, config = [], dict(config)
    topic = config.pop("topic", "modulo.first")
    producer = Producer(
        {
            "bootstrap.servers": envoy.spots[spot].bootstrap,
            "error_cb": lambda error: said.append(f"{error.name()}: {error.str()}"),
            "log_level": 6,
            "reconnect.backoff.max.ms": 500,
            **config,
        },
        logger=Lines(said),
    )
    for partition in range(topics.MODULO.physical):
        try:
            producer.produce(topic, b"x", partition=partition, on_delivery=lambda error, _: said.append(str(error)))
        except KafkaException as error:
            said.append(str(error))
    try:
        found = producer.list_topics(topic, timeout=CLIENT_S).topics[topic]
        said.append(f"{topic}: {found.error}")
    except KafkaException as error:
        said.append(str(error))
    producer.flush(CLIENT_S)
    producer.purge()
    producer.flush(0.1)
    return "\n".join(said)


class Lines:
    """A logger into a list."""

    def __init__(self, lines: list[str]):
        self._lines = lines

    def log(self, _level: int, text: str, *arguments: object, **_) -> None:
        self._lines.append(text % arguments)


class HttpServer:
    """Tells whoever says something that it is a bad request, as web servers do."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()

    def __exit__(self, *_):
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def test_every_entry_is_tested():
    assert set(ENTRIES) == {*STATIC, *REFUSED, *AT_FIRST, *LATER}
