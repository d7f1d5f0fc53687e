"""Clients that guess passwords from one address: what Envoy can do about them, with the chains that
docs/security.md shows in envoy/secured.yaml.

This machine has all of 127.0.0.0/8, so clients come from several addresses.
"""

import contextlib
import re
import socket
import ssl
import time

import pytest
import yaml

from tests.harness.paths import REPO
from tests.harness.process import wait_until
from tests.harness.raw_sasl import Refused, log_in
from tests.harness.secured_brokers import ENVIRONMENT, USERS, TlsRaw
from tests.harness.shipped_envoy import ShippedEnvoy, network_filter_of

pytestmark = pytest.mark.remap
HONEST, BARRED, APART = "127.0.0.1", "127.0.0.2", "127.0.0.3"
ENDED = (ssl.SSLError, ConnectionError)


def shown() -> list[dict]:
    """The chains in docs/security.md, for this machine's addresses."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (REPO / "docs/security.md").read_text(), re.S)
    chains = yaml.safe_load(text)
    for chain, address in zip(chains, (BARRED, APART), strict=True):
        chain["filter_chain_match"]["source_prefix_ranges"] = [{"address_prefix": address, "prefix_len": 32}]
    return chains


def with_chains(resources: dict) -> None:
    barred, apart = shown()
    (main,) = resources["listeners"][0]["filter_chains"]
    for field in ("transport_socket_connect_timeout", "transport_socket"):
        apart[field] = main[field]
    names = [f["name"] for f in main["filters"]]
    apart["filters"] += main["filters"][names.index("kafka_partition_remapper") :]
    # The main chain stays the first: the order of chains means nothing to Envoy.
    resources["listeners"][0]["filter_chains"] += [barred, apart]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, secured, trust):
    directory = tmp_path_factory.mktemp("guesses")
    with ShippedEnvoy(directory, secured, "secured.yaml", trust, "SASLTLS", edit=with_chains, environment=ENVIRONMENT) as envoy:
        for _ in range(5):  # until the brokers' addresses and API versions are known
            attempt(envoy, trust, HONEST, USERS["alice"])
        yield envoy


def attempt(gateway, trust, address: str, password: str) -> str:
    try:
        with TlsRaw(gateway, trust, source=address) as raw:
            log_in(raw, "PLAIN", "alice", password)
            return "let in" if raw.metadata([])["brokers"] else ""
    except Refused:
        return "refused"
    except ENDED:
        return "closed"


def limited(gateway, chain: str) -> float:
    """Connections that the chain's bucket refused."""
    stats = gateway._admin("/stats?filter=local_rate_limit").splitlines()
    return sum(float(line.split(": ")[1]) for line in stats if line.startswith(f"local_rate_limit.{chain}.rate_limited:"))


def test_a_barred_address_gets_no_handshake(gateway, trust):
    failures = gateway.stat("kafka_remapper_auth_total", outcome="failure")
    assert {attempt(gateway, trust, BARRED, USERS["alice"]) for _ in range(20)} == {"closed"}
    assert gateway.stat("kafka_remapper_auth_total", outcome="failure") == failures
    assert attempt(gateway, trust, HONEST, USERS["alice"]) == "let in"


def test_an_address_with_a_share_of_its_own_takes_nothing_from_others(gateway, trust):
    """Five tries at once, then one a second; meanwhile others come and go."""
    start, got = time.monotonic(), []
    while time.monotonic() < start + 5:
        got.append(attempt(gateway, trust, APART, "a guess"))
        if len(got) % 10 == 0:
            assert attempt(gateway, trust, HONEST, USERS["alice"]) == "let in"
    judged = got.count("refused")
    assert 5 <= judged <= 5 + 6, f"{judged} of {len(got)} tries were judged"
    assert got.count("closed") == len(got) - judged > judged
    assert limited(gateway, "apart") > 0.9 * (len(got) - judged), "a few may have left before"
    wait_until("a token", lambda: attempt(gateway, trust, APART, USERS["alice"]) == "let in", 5, every=1.1)


def test_the_file_bounds_new_connections(gateway, trust):
    """As the file is shipped: 1000 connections at once, then 200 a second. A client that
    has logged in notices nothing."""
    with TlsRaw(gateway, trust) as known:
        log_in(known, "PLAIN", "alice", USERS["alice"])
        start, tries = time.monotonic(), 0
        while limited(gateway, "kafka") < 500 and time.monotonic() < start + 30:
            for _ in range(250):
                with socket.create_connection(("127.0.0.1", gateway.base)) as sock, contextlib.suppress(OSError):
                    sock.sendall(b"GET / HTTP/1.1\r\n")  # enough for the listener to see that it is no TLS
                    sock.recv(1)
            tries += 250
        seconds = time.monotonic() - start
        let_in = tries - limited(gateway, "kafka")
        assert 500 <= let_in <= 1000 + 200 * (seconds + 1) + 250, f"{let_in} of {tries} in {seconds} s"
        assert known.metadata([])["brokers"]
        active = gateway._admin("/stats?filter=connection_limit.kafka.active").strip()
        assert active == "connection_limit.kafka.active_connections: 1", "those that were refused are not counted"
    # And new ones are taken again.
    wait_until("tokens", lambda: attempt(gateway, trust, HONEST, USERS["alice"]) == "let in", 5)


def test_whoever_sends_no_client_hello_is_closed_after_5_seconds(gateway):
    """No network filter sees these connections, so neither the remapper's deadline nor the
    limit of connections ends them."""
    before = gateway.stat("kafka_remapper_connections_total")
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", gateway.base), timeout=8)) for _ in range(20)]
        wait_until("all of them", lambda: gateway.stat("envoy_listener_downstream_pre_cx_active") == 20, 2)
        for sock in silent:
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""
        assert 3 < time.monotonic() - start < 7
    assert gateway.stat("kafka_remapper_connections_total") == before


def test_all_connections_together_are_bounded(tmp_path, secured, trust):
    """Also connections that no filter sees. Connections to the admin port do not count."""

    class Small(ShippedEnvoy):
        def _bootstrap_config(self) -> dict:
            config = super()._bootstrap_config()
            (monitor,) = config["overload_manager"]["resource_monitors"]
            monitor["typed_config"]["max_active_downstream_connections"] = 10
            return config

    with Small(tmp_path / "envoy", secured, "secured.yaml", trust, "SASLTLS", environment=ENVIRONMENT) as envoy:
        with contextlib.ExitStack() as stack:
            for _ in range(15):
                stack.enter_context(socket.create_connection(("127.0.0.1", envoy.base)))
            wait_until("those too many", lambda: envoy.stat("envoy_listener_downstream_global_cx_overflow") == 5, 3)
        wait_until("room again", lambda: envoy.stat("envoy_listener_downstream_pre_cx_active") == 0, 8)


def test_the_file_has_the_numbers_of_the_documentation(gateway):
    """The numbers are those of docs/security.md, where it speaks of strangers."""
    listener = gateway._shipped["static_resources"]["listeners"][0]
    filters = listener["filter_chains"][0]["filters"]
    bucket = network_filter_of(filters, "envoy.filters.network.local_ratelimit")["token_bucket"]
    assert bucket == {"max_tokens": 1000, "tokens_per_fill": 20, "fill_interval": "0.1s"}
    limit = network_filter_of(filters, "envoy.filters.network.connection_limit")
    (monitor,) = gateway._shipped["overload_manager"]["resource_monitors"]
    assert (limit["max_connections"], monitor["typed_config"]["max_active_downstream_connections"]) == (1000, 3000)
