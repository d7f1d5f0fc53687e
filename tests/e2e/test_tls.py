"""envoy/mutual-tls.yaml as it is shipped: TLS on both sides, brokers by server name, a
limit, and an end in good order."""

import contextlib
import socket
import ssl
import urllib.request

import pytest

from tests.harness import apis, batch, clients
from tests.harness.client_security import Security
from tests.harness.process import wait_until
from tests.harness.raw import fetch_body, partitions_of, produce_body
from tests.harness.secured_brokers import TlsRaw, learn_brokers
from tests.harness.shipped_envoy import BOOTSTRAP, SERVICE, ShippedEnvoy, network_filter_of

pytestmark = pytest.mark.remap
FILE = "mutual-tls.yaml"
MANY = 3


def low_limit(resources: dict) -> None:
    """The shipped limit is a thousand."""
    filters = resources["listeners"][0]["filter_chains"][0]["filters"]
    limit = network_filter_of(filters, "envoy.filters.network.connection_limit")
    assert limit["max_connections"] == 1000
    limit["max_connections"] = MANY


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, secured, trust):
    with ShippedEnvoy(tmp_path_factory.mktemp("tls"), secured, FILE, trust, "TLS") as envoy:
        yield envoy


@pytest.fixture
def known(gateway, trust, service):
    """A connection to broker 1, after the filter has learnt which broker is which."""
    learn_brokers(gateway, trust, service)
    with TlsRaw(gateway, trust, service) as raw:
        yield raw


def test_each_broker_is_reached_by_its_server_name(gateway, trust, service, known, secured_topic):
    metadata = known.metadata([secured_topic.name])
    assert {b["node_id"]: (b["host"], b["port"]) for b in metadata["brokers"]} == {
        i: (gateway.server_name(i), gateway.base) for i in gateway.cluster.ids
    }
    for broker in gateway.cluster.ids:
        led = [p["index"] for p in metadata["topics"][0]["partitions"] if p["leader_id"] == broker]
        assert led
        with TlsRaw(gateway, trust, service, gateway.server_name(broker)) as raw:
            offset = raw.append(secured_topic.name, led[-1], [b"by name"])
            assert raw.read_all(secured_topic.name, led[-1]) == [(offset, b"by name")]


def test_a_client_produces_and_consumes(gateway, trust, service, programs, secured_topic, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", gateway.java_hosts(tmp_path))
    security = Security(ca=trust.clients.certificate, certificate=service.certificate, key=service.key)
    java, bootstrap = programs["java"], f"{BOOTSTRAP}:{gateway.base}"
    acked = clients.produce(java, bootstrap, secured_topic.name, secured_topic.virtual, 20, "lz4", True, "tls", security=security)
    with clients.Consumer(java, bootstrap, secured_topic.name, 0, tmp_path / "consumer.log", security=security) as consumer:
        for v in consumer.each(secured_topic.name, secured_topic.virtual):
            consumer.expect(acked[v])


def forged(trust) -> dict:
    """Certificates with a subject that is let in, which are not the authority's, or not any more;
    by what Envoy says of them."""
    return {
        "did_not_provide_required_client_certificate": None,
        "unable_to_get_local_issuer_certificate": trust.brokers.issue(SERVICE),
        "self_signed_certificate": trust.clients.self_signed(SERVICE),
        "certificate_has_expired": trust.clients.issue(SERVICE, days=-1),
    }


def test_without_a_good_certificate_of_the_right_authority_nobody_gets_in(gateway, trust):
    for says, certificate in forged(trust).items():
        # With TLS 1.3 a client hears of it only when it reads.
        with pytest.raises((ssl.SSLError, ConnectionError)), TlsRaw(gateway, trust, certificate) as raw:
            raw.metadata([])
        found = lambda s=says: [line for line in gateway.access_log() if s in str(line["client_tls_failure"])]  # noqa: E731
        line = wait_until(f"{says} in the access log", found, 5)[-1]
        assert (line["principal"], line["received"], line["broker"]) == (None, 0, None), line


@pytest.mark.parametrize(
    ("checks", "principal"),
    [(None, "ANONYMOUS"), ({}, "ANONYMOUS"), ({"trust_chain_verification": "ACCEPT_UNTRUSTED"}, "orders-web")],
    ids=["no validation_context", "an empty one", "ACCEPT_UNTRUSTED"],
)
def test_require_client_certificate_alone_checks_nothing(checks, principal, tmp_path, secured, trust):
    """The documentation warns of this. Without an authority Envoy does not even ask for a certificate, and
    everybody is ANONYMOUS, whom RBAC refuses; where Envoy is told to accept any certificate, whoever makes a
    certificate chooses the name."""

    def unchecked(resources: dict) -> None:
        context = resources["listeners"][0]["filter_chains"][0]["transport_socket"]["typed_config"]
        assert context["require_client_certificate"]
        common = context["common_tls_context"]
        assert common.pop("validation_context")["trusted_ca"]
        if checks is not None:
            common["validation_context"] = checks

    with ShippedEnvoy(tmp_path / "envoy", secured, FILE, trust, "TLS", edit=unchecked) as envoy:
        certificate = trust.clients.self_signed(SERVICE)
        with contextlib.suppress(ConnectionError), TlsRaw(envoy, trust, certificate) as raw:
            raw.metadata([])  # RBAC ends it where nobody has a name
        line = envoy.wait_logged(principal=principal)
        assert ("rbac" in str(line["ended"])) == (principal == "ANONYMOUS")


def test_a_broker_that_cannot_show_its_name_gets_nothing(tmp_path, secured, trust, service):
    """127.0.0.1 is not in the broker's certificate, although the authority's signature is good."""

    def by_address(config: dict) -> None:
        config["route"]["dynamic"]["bootstrap"] = [f"127.0.0.1:{secured.port('TLS')}"]

    with ShippedEnvoy(tmp_path / "envoy", secured, FILE, trust, "TLS", change=by_address) as envoy:
        with pytest.raises((ssl.SSLError, ConnectionError)), TlsRaw(envoy, trust, service, "any.kafka.example.com") as raw:
            raw.metadata([])
        assert "CERTIFICATE_VERIFY_FAILED" in envoy.wait_logged(server_name="any.kafka.example.com")["broker_tls_failure"]


def test_one_connection_too_many(tmp_path, secured, trust, service):
    with ShippedEnvoy(tmp_path / "envoy", secured, FILE, trust, "TLS", edit=low_limit) as envoy, contextlib.ExitStack() as stack:
        taken = []
        for _ in range(MANY):
            taken.append(stack.enter_context(TlsRaw(envoy, trust, service, BOOTSTRAP)))
            assert taken[-1].metadata([])["brokers"]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            TlsRaw(envoy, trust, service, BOOTSTRAP).metadata([])
        assert envoy.stat("envoy_connection_limit_limited_connections") == 1
        taken.pop().close()
        wait_until("room for another", lambda: envoy.stat("envoy_connection_limit_active_connections") < MANY, 5)
        with TlsRaw(envoy, trust, service, BOOTSTRAP) as next_one:
            assert next_one.metadata([])["brokers"], "and those that were there were not disturbed"
        assert taken[0].metadata([])["brokers"]


def test_what_is_asked_before_the_end_is_answered(tmp_path, secured, trust, service, secured_topic):
    """Envoy is stopped as the file says: drain, wait, SIGTERM. Meanwhile a Fetch waits at the broker
    and Produce requests go on."""
    name = BOOTSTRAP
    with ShippedEnvoy(tmp_path / "envoy", secured, FILE, trust, "TLS") as envoy:
        with TlsRaw(envoy, trust, service, name) as first:
            leader = {p["index"]: p["leader_id"] for p in first.metadata([secured_topic.name])["topics"][0]["partitions"]}[1]
        at = envoy.server_name(leader)
        with TlsRaw(envoy, trust, service, at) as reader, TlsRaw(envoy, trust, service, at) as writer:
            fetching = reader.send(apis.FETCH, 11, fetch_body(secured_topic.name, {1: 0}, max_wait_ms=20000))
            drain(envoy)
            wait_until("no new connections", lambda: not is_open(envoy.base), 10)
            offset = writer.append(secured_topic.name, 1, [b"while it drains"])
            answer = partitions_of(reader.receive(apis.FETCH, 11, fetching))[1]
            assert batch.parse(answer["records"])[0].records() == [(offset, b"while it drains")]
            storing = writer.send(apis.PRODUCE, 9, produce_body(secured_topic.name, {1: batch.build([b"the last"])}))
            assert partitions_of({"topics": writer.receive(apis.PRODUCE, 9, storing)["topics"]})[1]["error_code"] == 0


def drain(envoy: ShippedEnvoy) -> None:
    url = f"http://127.0.0.1:{envoy.admin_port}/drain_listeners?graceful"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5) as answer:
        assert answer.status == 200


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
