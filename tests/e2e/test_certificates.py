"""Who a client is by a certificate whose subject is empty, as SPIFFE, Istio and
cert-manager issue them, or by none."""

import ssl
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.harness.certificates import Authority
from tests.harness.paths import KAFKA_JARS, REPO
from tests.harness.secured_brokers import TlsRaw
from tests.harness.shipped_envoy import ShippedEnvoy, allow_everybody

pytestmark = pytest.mark.remap
ENDED = (ssl.SSLError, ConnectionError)
URI, OTHER_URI = "spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org/ns/shop/sa/admin"
DNS, OTHER_DNS = "orders.shop.svc", "admin.shop.svc"
SPIFFE = {"source": "san_uri", "mapping_rules": [r"RULE:^spiffe:\/\/example\.org\/ns\/([^\/]+)\/sa\/([^\/]+)$/$1.$2/"]}


def started(directory, secured, trust, principal: dict, edit: Callable[[dict], None] = lambda tls: None) -> Iterator[ShippedEnvoy]:
    """envoy/mutual-tls.yaml with this way of naming clients; RBAC lets everybody through."""

    def change(config: dict) -> None:
        config["principal"] = principal

    def edit_all(resources: dict) -> None:
        allow_everybody(resources)
        edit(resources["listeners"][0]["filter_chains"][0]["transport_socket"]["typed_config"])

    with ShippedEnvoy(directory, secured, "mutual-tls.yaml", trust, "TLS", change, edit_all) as envoy:
        yield envoy


def optional(tls: dict) -> None:
    tls["require_client_certificate"] = False


@pytest.fixture(scope="module")
def by_subject(tmp_path_factory, secured, trust):
    yield from started(tmp_path_factory.mktemp("subject"), secured, trust, {"mapping_rules": ["DEFAULT"]}, optional)


@pytest.fixture(scope="module")
def by_empty_subject(tmp_path_factory, secured, trust):
    rules = {"mapping_rules": ["RULE:^$/nameless/", "DEFAULT"]}
    yield from started(tmp_path_factory.mktemp("empty"), secured, trust, rules, optional)


@pytest.fixture(scope="module")
def by_uri(tmp_path_factory, secured, trust):
    yield from started(tmp_path_factory.mktemp("uri"), secured, trust, SPIFFE, optional)


@pytest.fixture(scope="module")
def by_dns(tmp_path_factory, secured, trust):
    yield from started(tmp_path_factory.mktemp("dns"), secured, trust, {"source": "san_dns"}, optional)


def served(envoy: ShippedEnvoy, trust, certificate, name: str) -> dict:
    """The line of the access log for a client that is served."""
    server_name = f"{name}.kafka.example.com"
    with TlsRaw(envoy, trust, certificate, server_name) as raw:
        assert raw.metadata([])["brokers"]
    return envoy.wait_logged(server_name=server_name)


def refused(envoy: ShippedEnvoy, trust, certificate, name: str) -> dict:
    """The line of the access log for a client that is refused."""
    server_name = f"{name}.kafka.example.com"
    with pytest.raises(ENDED), TlsRaw(envoy, trust, certificate, server_name) as raw:
        raw.metadata([])
    line = envoy.wait_logged(server_name=server_name)
    assert (line["principal"], line["sent"]) == (None, 0)
    return line


@pytest.mark.parametrize("names", [(), (URI,), (DNS,), (URI, DNS)], ids=["bare", "uri", "dns", "both"])
def test_a_certificate_without_a_subject_is_not_anonymous(names, by_subject, trust):
    refused(by_subject, trust, trust.clients.issue("/", names), f"bare{len(names)}")
    assert "name it by a rule" in by_subject.log.read_text()


def test_a_rule_may_name_the_empty_subject(by_empty_subject, trust):
    line = served(by_empty_subject, trust, trust.clients.issue("/", (URI,)), "nameless")
    assert (line["principal"], line["mechanism"]) == ("nameless", "TLS")
    line = served(by_empty_subject, trust, trust.clients.issue("/CN=named", (URI,)), "named")
    assert (line["principal"], line["mechanism"]) == ("CN=named", "TLS")


@pytest.mark.parametrize("envoy", ["by_subject", "by_empty_subject", "by_uri", "by_dns"])
def test_without_a_certificate_a_client_is_anonymous(envoy, request, trust):
    line = served(request.getfixturevalue(envoy), trust, None, "anonymous")
    assert (line["principal"], line["mechanism"]) == ("ANONYMOUS", "NONE")


@pytest.mark.parametrize(
    ("subject", "names"),
    [("/", (URI,)), ("/", (DNS, URI, OTHER_URI)), ("/CN=admin", (URI, OTHER_DNS))],
    ids=["alone", "first of several", "beside a subject"],
)
def test_a_uri_names_a_client(subject, names, by_uri, trust):
    line = served(by_uri, trust, trust.clients.issue(subject, names), f"uri{len(names)}")
    assert (line["principal"], line["mechanism"]) == ("shop.orders", "TLS")


@pytest.mark.parametrize(
    ("subject", "names"),
    [("/", (DNS,)), ("/", (URI, DNS, OTHER_DNS)), ("/CN=admin", (DNS, OTHER_URI))],
    ids=["alone", "first of several", "beside a subject"],
)
def test_a_dns_name_names_a_client(subject, names, by_dns, trust):
    line = served(by_dns, trust, trust.clients.issue(subject, names), f"dns{len(names)}")
    assert (line["principal"], line["mechanism"]) == (DNS, "TLS")


def test_who_has_no_such_name_is_refused(by_uri, by_dns, trust):
    refused(by_uri, trust, trust.clients.issue("/CN=shop.orders", (DNS,)), "nouri")
    refused(by_dns, trust, trust.clients.issue(f"/CN={DNS}", (URI,)), "nodns")
    refused(by_uri, trust, trust.clients.issue("/", ("spiffe://elsewhere.org/ns/shop/sa/orders",)), "elsewhere")


def without_validation(tls: dict) -> None:
    del tls["common_tls_context"]["validation_context"]


def accepting_untrusted(tls: dict) -> None:
    tls["common_tls_context"]["validation_context"]["trust_chain_verification"] = "ACCEPT_UNTRUSTED"


@pytest.mark.parametrize(
    ("edit", "named"),
    [(without_validation, ("ANONYMOUS", "NONE")), (accepting_untrusted, ("CN=admin", "TLS"))],
    ids=["no validation_context", "ACCEPT_UNTRUSTED"],
)
def test_envoy_can_be_told_to_check_no_certificate(edit, named, tmp_path, secured, trust):
    """With `require_client_certificate` alone Envoy asks for no certificate: everybody gets in. With
    ACCEPT_UNTRUSTED anybody's certificate names its client, and a filter cannot tell such a certificate from
    a good one. docs/security.md warns of both."""
    stranger = Authority(tmp_path, "stranger").issue("/CN=admin")
    for envoy in started(tmp_path / "envoy", secured, trust, {}, edit):
        line = served(envoy, trust, stranger, "unchecked")
        assert (line["principal"], line["mechanism"]) == named


def test_the_table_of_rules_is_what_kafkas_class_says():
    """With Kafka's own SslPrincipalMapper; the filter's core is tested by that table."""
    rules, table = REPO / "tests/tools/principal-rules/Rules.java", REPO / "filter/core/src/principal/rules/tests/kafka.json"
    subprocess.run(["java", "-cp", f"{KAFKA_JARS}/*", rules, "check", table], check=True)
