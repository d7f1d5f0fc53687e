"""docs/troubleshooting.md is true: each line of the log that it explains is made to happen, here on a real
Envoy, or by the test that `ELSEWHERE` names. And a line says whose connection it is about."""

import contextlib
import re
import socket
import ssl
import struct
import threading

import pytest
import yaml

from tests.harness import apis, batch, topics
from tests.harness.client_security import MECHANISMS
from tests.harness.envoy import Envoy
from tests.harness.guarded_envoy import PASSWORDS
from tests.harness.paths import REPO
from tests.harness.process import wait_until
from tests.harness.raw import Raw, framed, produce_body, request_header
from tests.harness.raw_sasl import HANDSHAKE, Refused, authenticate, log_in, offer
from tests.harness.shipped_envoy import ShippedEnvoy

pytestmark = pytest.mark.remap
DOCUMENT = (REPO / "docs/troubleshooting.md").read_text()
ROWS = re.findall(r"^\| `(.*?)` \|", DOCUMENT.partition("## Lines of the log")[2].partition("## What the client sees")[0], re.M)

ELSEWHERE = {
    "a client's TLS handshake": "worker/tests.rs::why_a_tls_handshake_failed_is_said",
    "a client sent": "connection/tests/memory.rs::strangers_may_not_pipeline",
    "group …: the offsets of all topics": "apis/groups/offset_fetch/tests.rs::what_cannot_be_told_is_an_error_and_not_a_guess",
    "limits.worker_bytes is used up, and": "worker/tests.rs::who_holds_the_most_ends_where_others_wait_for_long",
    "limits.worker_bytes is used up: there": "connection/tests/memory.rs::an_answer_without_room_ends_its_connection",
    "a frame of … bytes has to be put": "connection/tests/memory.rs::a_frame_that_can_never_have_room_is_refused",
    "SaslHandshake v0": "connection/tests/authentication.rs::sasl_of_the_broker_passes_with_bare_tokens_too",
    "a session is over": "connection/tests/authentication.rs::a_session_ends_unless_the_client_proves_itself_again",
    "a client's certificate": "connection/tests/authentication.rs::a_certificate_names_its_client",
    "a client cannot be authenticated now: too many": "connection/tests/verdicts.rs::who_has_waited_too_long_is_to_come_again",
    "a client cannot be authenticated now: …": "tests/e2e/test_tokens.py::test_no_keys_yet",
    "a connection is closed after … ms (limits.authentication_ms): its broker": "connection/tests/deadline.rs"
    "::a_broker_that_does_not_answer_is_to_blame_itself",
    "a connection is closed after … ms (limits.authentication_ms): it": "connection/tests/deadline.rs"
    "::who_is_late_is_closed_with_a_line_that_says_why",
    "a client wants to authenticate by SASL, but": "apis/sasl_handshake.rs::sasl_of_clients_does_not_reach_the_filters_own_session",
    "sasl.users: ": "worker/tests.rs::credentials_that_are_still_to_be_derived_are_told_of",
    "sasl.oauthbearer.jwks.http: ": "worker/tests.rs::keys_are_asked_for_once_and_again_after_a_failure",
    "the login at the broker": "connection/tests/logins.rs::a_login_that_fails_is_told_to_the_client",
    "this connection was meant for": "connection/tests.rs::a_connection_at_the_wrong_broker_is_closed",
    "a client uses": "connection/tests/logins.rs::a_version_that_the_broker_lacks_ends_the_connection_when_it_is_used",
    "the broker ended the": "worker/tests.rs::a_broker_that_closes_instead_of_answering_is_told_of",
    "no connection to the broker": "worker/tests.rs::why_a_broker_is_not_reached_is_said",
    "advertise gives": "apis/cluster/metadata/tests.rs::a_broker_that_is_named_by_its_own_address_is_counted",
    "advertise names no": "apis/cluster/describe_cluster.rs::a_cluster_is_described_by_the_brokers_that_clients_reach",
    "clients are told for a while": "worker/tests.rs::a_broker_that_nobody_comes_for_is_told_of_once_in_a_process",
    "topic …: dropped": "apis/records/fetch/tests.rs::a_lane_that_the_mapping_does_not_have_is_nobody_s_where_v_may_grow",
    "topic …, partition …": "apis/records/fetch/tests.rs::in_the_block_layout_it_stops_the_readers",
    "topic …: offset": "apis/records/fetch/tests.rs::an_offset_beyond_the_range_is_an_error_of_its_partition",
    "group …, topic …: offset": "apis/groups/offset_fetch/tests.rs::what_cannot_be_told_is_an_error_and_not_a_guess",
    "kafka partition remapper: the": "tests/e2e/test_first_contact.py::test_what_the_filter_refuses",
    "kafka partition remapper …, ": "worker/greeting.rs::each_configuration_is_told_once_and_when_it_comes_back",
    "a newer configuration": "worker/tests.rs::connections_of_a_former_configuration_end_one_by_one",
    "this configuration is still": "worker/tests/gauges.rs::gauges_show_the_configuration_in_force_whichever_worker_says_so",
    "mapping: … more": "memory/placements/tests.rs::what_is_said_and_what_is_remembered_is_bounded",
    "mapping: …: mapped by": "memory/placements/tests.rs::entries_are_told_apart_as_the_configuration_names_them",
    "mapping: …: ": "memory/placements/tests.rs::what_may_be_meant_is_accepted_with_a_warning",
    "mapping: the layout": "memory/placements/tests.rs::it_is_said_which_topics_must_keep_their_number",
    "… in shared data": "worker/tests.rs::changes_that_others_are_always_faster_with_are_told",
    "the filter is out of step": "testing/troubleshooting.rs::every_fault_is_explained",
    "a … could not be encoded": "testing/troubleshooting.rs::every_fault_is_explained",
}
"""How rows begin → the test that makes their lines: of the core's sources, or of these."""
IMPOSSIBLE = ["… failed: …"]
"""Such a call of Envoy's cannot be made to happen."""


def int32(n: int) -> bytes:
    return struct.pack(">i", n)


def pattern(row: str) -> str:
    return ".*".join(map(re.escape, row.split("…")))


def rows(beginning: str) -> list[str]:
    return [row for row in ROWS if row.startswith(beginning)]


class Log:
    """What Envoy's filter has written since this was made."""

    def __init__(self, envoy):
        self._file, self._start = envoy.log, len(envoy.log.read_text(errors="replace"))

    def lines(self) -> list[str]:
        new = self._file.read_text(errors="replace")[self._start :]
        return [line.partition("wasm log ")[2].partition(": ")[2] for line in new.splitlines() if "wasm log " in line]

    def wait(self, row: str, head: str = "") -> str:
        """The line that `row` stands for, behind a head with `head` in it."""
        wanted = re.compile(rf"\[[^\]]*{re.escape(head)}[^\]]*\] {pattern(row)}")
        return wait_until(f"the line {row} of [{head}]", lambda: next(filter(wanted.match, self.lines()), None), 10)


def head(raw: Raw) -> str:
    return f"127.0.0.1:{raw.socket.getsockname()[1]}"


def ends(raw: Raw) -> None:
    assert raw.is_closed_by_peer(), "still open"


MADE = [
    *rows("the client speaks"), *rows("the broker speaks"), *rows("a frame of … bytes was announced"), *rows("a request frame"),
    *rows("the client was refused"), *rows("the client asks for"), *rows("the … request is malformed"),
    *rows("a Produce request with acks=0"), *rows("a request for … (API key …) came before"), *rows("the client wants a SASL"),
    *rows("a client failed to"), *rows("a client began to"), *rows("the broker's … answer"), *rows("the broker answered"),
    *rows("the broker sent an answer"), *rows("topic … has … partitions"), *rows("topic … is mapped and does not"),
]  # fmt: skip


def test_every_line_is_made_by_a_test():
    others = {row: [of for of in ELSEWHERE if row.startswith(of)] for row in ROWS if row not in MADE + IMPOSSIBLE}
    assert not [row for row, named in others.items() if not named], "no test is named for these"
    unused = set(ELSEWHERE) - {of for named in others.values() for of in named}
    assert not unused, f"{unused} begin no row"
    for file, test in (named.split("::") for named in ELSEWHERE.values()):
        text = (REPO / (file if file.startswith("tests/") else f"filter/core/src/{file}")).read_text()
        assert re.search(rf"\b(fn|def) {test}\(", text), f"{file} has no {test}"


def test_the_document_has_no_row_twice():
    assert len(ROWS) == len(set(ROWS)) > 50


STRANGE = [
    (b"GET / HTTP/1.1\r\n\r\n", "the client speaks HTTP where"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the client speaks HTTP/2 where"),
    (bytes.fromhex("16030106000100"), "the client speaks TLS where"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 9092\r\n", "the client speaks the PROXY"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "the client speaks the PROXY"),
    (int32(-1) + b"x", "a frame of … bytes was announced: "),
    (int32(200 << 20) + b"x", "a frame of … bytes was announced (limits.frame_bytes: "),
    (framed(b"\0\3\0"), "a request frame has no whole"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, cluster):
    """An Envoy of its own: a line that another test has caused would be said again only after a minute."""
    with Envoy(tmp_path_factory.mktemp("troubleshooting"), cluster, topics.MAPPING) as envoy:
        yield envoy
        envoy.assert_well()


@pytest.mark.parametrize(("sent", "row"), STRANGE)
def test_what_is_no_kafka_is_named(sent, row, gateway):
    with Raw(gateway.port(1)) as raw:
        for byte in sent:
            with contextlib.suppress(ConnectionError):
                raw.socket.sendall(bytes([byte]))
        ends(raw)
    (row,) = rows(row)
    # Of all that was written: each worker says it once a minute.
    wait_until(f"the line {row}", lambda: re.search(pattern(row), gateway.log.read_text()), 10)


def test_what_clients_ask_in_vain_says_who_asked(gateway, cluster, misfit):
    log = Log(gateway)
    name = topics.unique(topics.MODULO.name)
    hello = {"client_software_name": "x", "client_software_version": "1"}

    def asking(client_id: str, port: int = gateway.port(1)) -> Raw:
        raw = Raw(port)
        raw.call(apis.API_VERSIONS, 3, hello, client_id=client_id.encode())
        return raw

    with asking('app-7"] \n\x1b[31m') as raw:
        raw.metadata([misfit])
        at = f'[t {head(raw)} client "app-7\\"] \\n\\u{{1b}}[31m"]'
        said = wait_until("the line", lambda: [line for line in log.lines() if line.startswith(at)], 10)
        assert re.fullmatch(re.escape(at) + " " + pattern(rows("topic … has … partitions")[0]), said[0])
    with asking("x" * 20_000) as raw:
        raw.call(apis.METADATA, 9, {"topics": [{"name": name}], "allow_auto_topic_creation": True})
        line = log.wait(rows("topic … is mapped and does not")[0], f'{head(raw)} client "{"x" * 100}…"')
        assert len(line) < 1_000
    with asking("asks-what-is-hidden") as raw:
        raw.send_frame(struct.pack(">hhih", 75, 0, 1, 5) + b"other" + b"\0")
        log.wait(rows("the client asks for")[0].replace("asks for …", "asks for DescribeTopicPartitions"), 'client "asks-what-is-hidden"')
        ends(raw)
    with asking("writes-nonsense") as raw:
        raw.send_frame(request_header(apis.PRODUCE, 7, 1) + b"\0\1")
        log.wait(rows("the … request is malformed")[0].replace("…", "Produce", 1), 'client "writes-nonsense"')
    with asking("transactional") as raw:
        raw.send_frame(struct.pack(">hhihh", 22, 1, 1, -1, 2) + b"tx" + int32(60_000))
        log.wait(rows("the client was refused")[0].replace("…", "InitProducerId", 1), 'client "transactional"')
    with asking("fire-and-forget") as raw:
        raw.send(apis.PRODUCE, 7, produce_body(misfit, {1: batch.build([b"x"])}, acks=0))
        log.wait(rows("a Produce request with acks=0")[0], 'client "fire-and-forget"')
        ends(raw)


def test_who_fails_to_authenticate(guarded, issuer):
    log = Log(guarded)
    failed, began = rows("a client failed to")[0], rows("a client began to")[0]
    with Raw(guarded.port(1)) as raw, pytest.raises(Refused):
        log_in(raw, "PLAIN", "who tried", "not-the-secret")
    log.wait(failed.replace("by …", "by PLAIN"), 'tried "who tried"')
    with Raw(guarded.port(1)) as raw:
        offer(raw, "SCRAM-SHA-256", 1)
        authenticate(raw, b"n,,n=who left,r=abcdefgh")
    log.wait(began.replace("…", "SCRAM-SHA-256"), 'tried "who left"')
    with Raw(guarded.port(1)) as raw, pytest.raises(Refused):
        log_in(raw, "OAUTHBEARER", "", issuer.token(sub="whose token is old", exp=1))
    log.wait(failed.replace("by …", "by OAUTHBEARER"), 'tried "whose token is old"')
    with Raw(guarded.port(1)) as raw, contextlib.suppress(ConnectionError):
        raw.metadata([])
    log.wait(rows("a request for …")[0].replace("…", "Metadata", 1), 'client "raw"')
    with Raw(guarded.port(1)) as raw, contextlib.suppress(ConnectionError):
        raw.call(HANDSHAKE, 1, {"mechanism": "GSSAPI"})
    log.wait(rows("the client wants a SASL")[0])
    with Raw(guarded.port(1)) as raw:
        log_in(raw, MECHANISMS[0], "alice", PASSWORDS["alice"])
        raw.send_frame(struct.pack(">hhih", 75, 0, 1, -1) + b"\0")
        log.wait(rows("the client asks for")[0], 'as "alice"')
    assert not any(secret in line for line in log.lines() for secret in ("not-the-secret", PASSWORDS["alice"]))


class WrongServer:
    """Something that listens where a broker is expected; the client id says what it answers."""

    def __init__(self):
        self.ids = [1]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.ports = {1: self._listener.getsockname()[1]}
        self.bootstrap = f"127.0.0.1:{self.ports[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    asked = connection.recv(1000)
                    ours = asked[8:12]
                    answer = {
                        b"http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
                        b"tls": bytes.fromhex("15030300020250"),
                        b"another": framed(int32(12345)),
                        b"malformed": framed(ours + b"\0"),
                        b"twice": framed(ours + bytes(10)) * 2,
                    }
                    connection.sendall(next(bytes_ for name, bytes_ in answer.items() if name in asked))
                    connection.recv(1000)


class BehindProxies(Envoy):
    """An Envoy that takes the PROXY protocol, and connections without it."""

    def _dynamic(self) -> dict:
        resources = super()._dynamic()
        name = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
        resources["listeners"][0]["listener_filters"] = [
            {
                "name": "envoy.filters.listener.proxy_protocol",
                "typed_config": {"@type": name, "allow_requests_without_proxy_protocol": True},
            }
        ]
        return resources


@pytest.fixture(scope="module")
def astray(tmp_path_factory):
    server = WrongServer()
    with BehindProxies(tmp_path_factory.mktemp("astray"), server, topics.MAPPING) as envoy:
        yield envoy
        envoy.assert_well()
    server.stop()


@pytest.mark.parametrize(
    ("answers", "row"),
    [
        ("http", "the broker speaks HTTP"),
        ("tls", "the broker speaks TLS"),
        ("another", "the broker answered"),
        ("malformed", "the broker's … answer"),
        ("twice", "the broker sent an answer"),
    ],
)
def test_what_is_no_broker_is_named(answers, row, astray):
    log = Log(astray)
    with Raw(astray.port(1)) as raw:
        raw.send(apis.API_VERSIONS, 0, {}, client_id=answers.encode())
        (row,) = rows(row)
        log.wait(row, f'{head(raw)} client "{answers}"')


def test_a_client_behind_a_load_balancer_has_its_own_address(astray):
    log = Log(astray)
    with Raw(astray.port(1)) as raw:
        raw.socket.sendall(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 9092\r\n" + int32(-2))
        ends(raw)
    log.wait(rows("a frame of … bytes was announced: ")[0], "203.0.113.9:4711")


def test_clear_text_to_a_broker_with_tls(secured, tmp_path):
    """What a Kafka broker really sends then."""
    with Envoy(tmp_path, secured, topics.MAPPING, listener="TLS") as envoy:
        log = Log(envoy)
        with Raw(envoy.port(1)) as raw, pytest.raises(ConnectionError):
            raw.metadata([])
        log.wait(rows("the broker speaks TLS")[0], 'client "raw"')


def test_tls_to_a_listener_without(gateway):
    """A real TLS client: its handshake ends, and the log says why."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", gateway.port(1))) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain)
    wait_until("the line", lambda: re.search(pattern(rows("the client speaks TLS")[0]), gateway.log.read_text()), 10)


class ShippedDynamic(Envoy):
    """envoy/dynamic.yaml with other ports, and the addresses and topics of the test."""

    options = ShippedEnvoy.options

    def _bootstrap_config(self) -> dict:
        shipped = yaml.safe_load((REPO / "envoy/dynamic.yaml").read_text())
        (listener,), ours = shipped["static_resources"]["listeners"], self._dynamic()
        filters = listener["filter_chains"][0]["filters"]
        assert filters[0]["name"] == "kafka_partition_remapper"
        filters[0] = ours["listeners"][0]["filter_chains"][0]["filters"][0]
        listener.update(address=ours["listeners"][0]["address"], additional_addresses=ours["listeners"][0]["additional_addresses"])
        shipped["admin"]["address"] = super()._bootstrap_config()["admin"]["address"]
        return shipped


def test_the_shipped_access_log_says_who_it_was(cluster, new_topic, tmp_path):
    topic = new_topic()
    with ShippedDynamic(tmp_path, cluster, topics.MAPPING) as envoy:
        for port, broker in ((envoy.port(1), "1"), (envoy.base, "0")):
            with Raw(port) as raw:
                raw.call(apis.API_VERSIONS, 3, {"client_software_name": "x", "client_software_version": "1"}, client_id=b'a "b"\n\x1bc')
                raw.metadata([topic.name])
                address = head(raw)
            line = wait_until("the line", lambda a=address: [found for found in access_log(envoy) if found["client"] == a], 10)[0]
            assert line["client_id"] == 'a "b"\\n\\u{1b}c'
            assert (line["broker_id"], line["principal"], line["mechanism"]) == (broker, None, None)
            assert line["broker"] == cluster.bootstrap
            assert line["sent"] > 100 and line["received"] > 50


access_log = ShippedEnvoy.access_log
