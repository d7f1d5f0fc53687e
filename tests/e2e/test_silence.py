"""Connections that stay silent, or never say who they are: what they hold, how they end, and which
clients are never taken for silent.

Counted at the broker's port, where a stand-in sees every connection.
"""

import concurrent.futures
import contextlib
import socket
import ssl
import struct
import threading
import time

import pytest

from tests.harness import apis, batch, topics
from tests.harness.certificates import Authority
from tests.harness.client_security import Security
from tests.harness.clients import LIBRARIES, Consumer, produce
from tests.harness.counting_broker import CountingBroker
from tests.harness.envoy import Envoy
from tests.harness.guarded_envoy import PASSWORDS, GuardedEnvoy, section
from tests.harness.process import wait_until
from tests.harness.raw import Raw, produce_body
from tests.harness.raw_sasl import HANDSHAKE, log_in, offer

pytestmark = pytest.mark.remap
DEADLINE_MS = 2000
MANY = 20
MODES = pytest.mark.parametrize("mode", ["routed", "dynamic"])


class HurriedEnvoy(GuardedEnvoy):
    """Gives clients only DEADLINE_MS to prove who they are. `sasl`: clients have to log in."""

    def __init__(self, *arguments, sasl: bool = True, **more):
        self._sasl = sasl
        super().__init__(*arguments, **more)

    def _complete(self, config: dict) -> dict:
        config = {**config, "limits": {"authentication_ms": DEADLINE_MS}}
        if not self._sasl:
            del config["sasl"]
        return super()._complete(config)

    def unproven(self) -> float:
        return self.stat("kafka_remapper_reconnects_total", reason="unproven")

    def open(self) -> float:
        return self.stat("kafka_remapper_connections_active")


class OneWorkerEnvoy(HurriedEnvoy):
    """All connections share one VM."""

    workers = 1


@pytest.fixture
def broker():
    with CountingBroker() as broker:
        yield broker


def test_who_stays_silent_is_closed_and_costs_the_broker_nothing(tmp_path, broker):
    """No byte at all; a TLS handshake that never ends; a TLS handshake and nothing
    after it; a part of a frame."""
    clients = Authority(tmp_path / "clients")
    own = clients.issue("/CN=client")
    context = ssl.create_default_context(cafile=str(clients.certificate))
    context.load_cert_chain(own.certificate, own.key)
    with contextlib.ExitStack() as stack:
        for tls in (None, clients):
            with HurriedEnvoy(tmp_path / f"envoy-{bool(tls)}", broker, section(), tls=tls) as envoy:
                opened = []
                for i in range(MANY):
                    raw = stack.enter_context(Raw(envoy.base))
                    if tls and i % 2:
                        raw.socket = context.wrap_socket(raw.socket, server_hostname="127.0.0.1")
                    elif tls and i % 4:
                        raw.socket.sendall(bytes.fromhex("1603010200010001fc0303"))
                    elif not tls and i % 2:
                        raw.socket.sendall(struct.pack(">ihh", 100, 18, 0))
                    opened.append(raw)
                wait_until("all of them", lambda e=envoy: e.open() == MANY, 1)
                assert not any(raw.is_closed_by_peer(0.001) for raw in opened), "it has its time"
                start = time.monotonic()
                assert all(raw.is_closed_by_peer(DEADLINE_MS / 1000 + 2) for raw in opened)
                assert time.monotonic() - start < DEADLINE_MS / 1000 + 2
                assert broker.connections == 0
                wait_until("all forgotten", lambda e=envoy: e.open() == 0, 5)
                assert (envoy.unproven(), envoy.stat("kafka_remapper_errors_total")) == (MANY, 0)
                lines = envoy.logged("did not authenticate")
                assert 1 <= len(lines) <= envoy.workers, "one a worker, however many there are"


def test_a_crowd_that_is_closed_at_once_takes_nobody_with_it(tmp_path, broker):
    """Envoy nests the calls that end connections of one tick: a thousand were too many for
    the stack of the worker's VM, and ended every connection of the worker."""
    crowd = 2_000
    with OneWorkerEnvoy(tmp_path, broker, section()) as envoy, contextlib.ExitStack() as stack:
        known = stack.enter_context(Raw(envoy.base))
        log_in(known, "PLAIN", "alice", PASSWORDS["alice"])
        silent = [stack.enter_context(Raw(envoy.base)) for _ in range(crowd)]
        wait_until("all of them", lambda: envoy.open() == crowd + 1, 5)
        wait_until("all but one closed", lambda: envoy.open() == 1, DEADLINE_MS / 1000 + 10)
        assert all(raw.is_closed_by_peer(0.1) for raw in silent)
        assert envoy.unproven() == crowd
        assert known.call(apis.API_VERSIONS, 0, {})["error_code"] == 0, "whoever was there before still is"


def test_who_begins_and_does_not_end_is_closed(tmp_path, broker):
    """Each client holds a broker connection until then, since its ApiVersions was answered."""
    with HurriedEnvoy(tmp_path, broker, section()) as envoy, contextlib.ExitStack() as stack:
        begun = []
        for i in range(MANY):
            raw = stack.enter_context(Raw(envoy.base))
            raw.call(apis.API_VERSIONS, 0, {})
            if i % 2:
                offer(raw, "SCRAM-SHA-256", 1)
            begun.append(raw)
        with Raw(envoy.base) as known:
            log_in(known, "PLAIN", "alice", PASSWORDS["alice"])
            # Whoever goes on asking is no nearer to proof.
            busy = begun[0]
            deadline = time.monotonic() + DEADLINE_MS / 1000 + 2
            with pytest.raises(ConnectionError):
                while time.monotonic() < deadline:
                    busy.call(apis.API_VERSIONS, 0, {})
                    time.sleep(0.1)
            assert all(raw.is_closed_by_peer(DEADLINE_MS / 1000 + 2) for raw in begun)
            assert envoy.unproven() == MANY
            assert broker.connections == MANY + 1
            time.sleep(DEADLINE_MS / 1000 + 1.5)
            assert not known.is_closed_by_peer(0.1), "who has logged in may rest, and authenticate again at leisure"
            known.call(HANDSHAKE, 1, {"mechanism": "PLAIN"})
            time.sleep(DEADLINE_MS / 1000 + 1.5)
            assert not known.is_closed_by_peer(0.1)
        assert envoy.unproven() == MANY


@MODES
def test_without_sasl_the_first_request_is_enough(mode, tmp_path, broker):
    with HurriedEnvoy(tmp_path, broker, section(), mode, sasl=False) as envoy:
        with Raw(envoy.base) as served, Raw(envoy.base) as silent:
            served.call(apis.API_VERSIONS, 0, {})
            assert silent.is_closed_by_peer(DEADLINE_MS / 1000 + 2)
            time.sleep(1.5)
            assert not served.is_closed_by_peer(0.1)
            served.call(apis.API_VERSIONS, 0, {})
        assert envoy.unproven() == 1
        assert envoy.logged("brought no request")


def test_a_broker_that_does_not_answer_is_blamed_itself(tmp_path, broker, monkeypatch):
    monkeypatch.setattr(broker, "_answer", lambda frame: b"")
    with HurriedEnvoy(tmp_path, broker, section()) as envoy, Raw(envoy.base) as raw:
        raw.send(apis.API_VERSIONS, 0, {})
        assert raw.is_closed_by_peer(DEADLINE_MS / 1000 + 2)
        assert (envoy.unproven(), envoy.stat("kafka_remapper_errors_total", blame="broker")) == (0, 1)
        assert envoy.logged("its broker does not answer")


@MODES
def test_who_leaves_without_a_request_leaves_nothing(mode, tmp_path, broker):
    """As health checks of load balancers do, and scanners. An Envoy that waits for first bytes
    would keep them for an hour."""
    with GuardedEnvoy(tmp_path, broker, section(), mode) as envoy:
        for data in (b"", b"\0\0", struct.pack(">ihh", 100, 18, 0)):
            with socket.create_connection(("127.0.0.1", envoy.base)) as gone:
                gone.sendall(data)
            with Raw(envoy.base) as half, Raw(envoy.base) as reset:
                half.socket.sendall(data)
                half.socket.shutdown(socket.SHUT_WR)
                assert half.is_closed_by_peer(2)
                reset.socket.sendall(data)
                reset.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until("all forgotten", lambda: envoy.stat("kafka_remapper_connections_active") == 0, 5)
        assert broker.connections == 0
        with Raw(envoy.base) as asking:
            correlation = asking.send(apis.API_VERSIONS, 0, {})
            asking.socket.shutdown(socket.SHUT_WR)
            assert asking.receive(apis.API_VERSIONS, 0, correlation)["error_code"] == 0, "what was asked is answered"
            assert asking.is_closed_by_peer(2)


class PatientEnvoy(Envoy):
    """Waits longer for brokers that do not take its connection."""

    def _bootstrap_config(self) -> dict:
        config = super()._bootstrap_config()
        for cluster in config["static_resources"]["clusters"]:
            cluster["connect_timeout"] = "60s"
        return config


class FullBroker(CountingBroker):
    """Its queue of connections is full until `serve`: whoever comes waits for the handshake of TCP."""

    def __init__(self):
        super().__init__(backlog=0)
        self._fill = []
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", self.ports[1]))
            self._fill.append(waiting)

    def _accept(self) -> None:
        """Takes no connection yet: `serve` begins."""

    def serve(self) -> None:
        for waiting in self._fill:
            waiting.close()
        threading.Thread(target=super()._accept, daemon=True).start()


def test_what_comes_before_the_broker_is_reached_is_kept(tmp_path):
    """Far more than Envoy takes in advance, while the connection to the broker is not there yet:
    all of it arrives, in order. The broker answers no Produce, so the requests are fewer than
    `limits.in_flight_requests`: from then on Envoy rightly reads no more."""
    sizes = [3_000_000, 100, 3_000_000, *([200] * 50)]
    batches = [batch.build([bytes([n % 251]) * min(size, 1000)] * max(size // 1000, 1)) for n, size in enumerate(sizes)]
    with FullBroker() as broker:
        with PatientEnvoy(tmp_path, broker, topics.MAPPING, "routed") as envoy, Raw(envoy.base, timeout=30) as raw:

            def send() -> None:
                for records in batches:
                    raw.send(apis.PRODUCE, 9, produce_body("unmapped", {0: records}))

            with concurrent.futures.ThreadPoolExecutor() as pool:
                sending = pool.submit(send)
                time.sleep(1)
                assert not sending.done(), "Envoy reads no more than it may keep"
                assert broker.frames == []
                broker.serve()
                sending.result(60)
            produced = lambda: [f.data for f in broker.frames if f.key == apis.PRODUCE.key]  # noqa: E731
            # The kernel asks a full broker again after 1 s, 3 s, 7 s, 15 s and 31 s.
            wait_until("all requests", lambda: len(produced()) == len(batches), 60)
            assert all(records[100:-1] in data for data, records in zip(produced(), batches, strict=True)), "in their order"
            assert broker.broken == []


@MODES
def test_a_broker_that_is_down_closes_the_client_and_no_more(mode, tmp_path, broker):
    """The client is not left waiting; the next one is served when the broker is back."""
    with Envoy(tmp_path, broker, topics.MAPPING, mode) as envoy:
        with Raw(envoy.base) as raw:
            raw.call(apis.API_VERSIONS, 0, {})
        broker.stop()
        with Raw(envoy.base) as raw:
            with contextlib.suppress(ConnectionError):
                raw.send(apis.API_VERSIONS, 0, {})
            assert raw.is_closed_by_peer(5)
        wait_until("all forgotten", lambda: envoy.stat("kafka_remapper_connections_active") == 0, 5)


@pytest.mark.parametrize("sasl", [True, False], ids=["sasl", "no sasl"])
def test_clients_that_rest_are_left_alone(sasl, programs, tmp_path, cluster, new_topic):
    """All libraries: consumers that have nothing to read for several deadlines, and whatever else they
    keep open, read on after that."""
    security = Security("SCRAM-SHA-256", "bob", PASSWORDS["bob"]) if sasl else Security()
    names = {name: new_topic().name for name in LIBRARIES}
    with HurriedEnvoy(tmp_path, cluster, section(), sasl=sasl) as envoy, contextlib.ExitStack() as stack:

        def start(name: str) -> Consumer:
            return Consumer(programs[name], envoy.bootstrap, names[name], 0, tmp_path / f"{name}.log", security=security)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            consumers = {name: stack.enter_context(c) for name, c in zip(names, pool.map(start, names), strict=True)}
        before = envoy.unproven()
        opened = envoy.stat("kafka_remapper_connections_total")
        time.sleep(4 * DEADLINE_MS / 1000)
        for name, consumer in consumers.items():
            acked = produce(programs["librdkafka"], envoy.bootstrap, names[name], 1, 5, "none", True, "rested", security=security)
            consumer.expect(acked[0])
        assert envoy.unproven() == before
        opened = envoy.stat("kafka_remapper_connections_total") - opened
        assert opened <= 4 * len(names), f"{opened} connections were opened meanwhile"
