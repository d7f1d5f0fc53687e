"""Who a client is, by its certificate or by SASL: in the access log, and for the RBAC
filter behind the remapper."""

import ssl

import pytest

from tests.harness.raw_sasl import Refused, log_in
from tests.harness.secured_brokers import ENVIRONMENT, USERS, TlsRaw
from tests.harness.shipped_envoy import BOOTSTRAP, SERVICE, ShippedEnvoy, allow_everybody

pytestmark = pytest.mark.remap
ENDED = (ssl.SSLError, ConnectionError)


@pytest.fixture(scope="module")
def by_certificate(tmp_path_factory, secured, trust):
    """envoy/mutual-tls.yaml: services by rule, one operator by the whole subject."""
    with ShippedEnvoy(tmp_path_factory.mktemp("mutual"), secured, "mutual-tls.yaml", trust, "TLS") as envoy:
        yield envoy


@pytest.fixture(scope="module")
def by_rules(tmp_path_factory, secured, trust):
    """Rules of many kinds without DEFAULT, and nobody that RBAC refuses."""

    def rules(config: dict) -> None:
        config["principal"]["mapping_rules"] = [
            "RULE:^CN=([^,]+),OU=lower$/$1@low/L",
            "RULE:^CN=([^,]+),OU=upper$/$1/U",
            "RULE:^CN=([^,]+),OU=([^,]+),O=([^,]+)$/$3-$2-$1/",
            "RULE:^CN=prefix/never/",
        ]

    with ShippedEnvoy(tmp_path_factory.mktemp("rules"), secured, "mutual-tls.yaml", trust, "TLS", rules, allow_everybody) as envoy:
        yield envoy


@pytest.mark.parametrize(
    ("subject", "principal"),
    [(SERVICE, "orders-web"), ("/O=Example/CN=admin", "CN=admin,O=Example")],
    ids=["rule", "default"],
)
def test_who_is_allowed_by_certificate(subject, principal, by_certificate, trust):
    with TlsRaw(by_certificate, trust, trust.clients.issue(subject), BOOTSTRAP) as raw:
        assert raw.metadata([])["brokers"]
    line = by_certificate.wait_logged(principal=principal)
    assert line["mechanism"] == "TLS"
    assert line["server_name"] == BOOTSTRAP


@pytest.mark.parametrize(
    ("subject", "principal"),
    [("/O=Example/OU=services/CN=Billing", "billing"), ("/O=Example/CN=Admin", "CN=Admin,O=Example")],
    ids=["rule", "default"],
)
def test_who_is_denied_by_certificate(subject, principal, by_certificate, trust):
    """The certificate is good and has a name, but not one of those that RBAC lists."""
    before = by_certificate.stat("envoy_rbac_denied")
    with pytest.raises(ENDED), TlsRaw(by_certificate, trust, trust.clients.issue(subject), BOOTSTRAP) as raw:
        raw.metadata([])
    assert "rbac" in str(by_certificate.wait_logged(principal=principal)["ended"])
    assert by_certificate.stat("envoy_rbac_denied") == before + 1


@pytest.mark.parametrize(
    ("subject", "principal"),
    [
        ("/OU=lower/CN=Alice", "alice@low"),
        ("/OU=upper/CN=Alice", "ALICE"),
        ("/O=Acme/OU=Web/CN=Bob", "Acme-Web-Bob"),
    ],
)
def test_the_first_rule_that_fits_counts(subject, principal, by_rules, trust):
    with TlsRaw(by_rules, trust, trust.clients.issue(subject), BOOTSTRAP) as raw:
        assert raw.metadata([])["brokers"]
    assert by_rules.wait_logged(principal=principal)["mechanism"] == "TLS"


def test_a_certificate_that_no_rule_fits(by_rules, trust):
    """A rule has to fit the whole subject, as the last one does not."""
    certificate = trust.clients.issue("/CN=prefix and more")
    with pytest.raises(ENDED), TlsRaw(by_rules, trust, certificate, BOOTSTRAP) as raw:
        raw.metadata([])
    line = by_rules.wait_logged(certificate="CN=prefix and more")
    assert line["principal"] is None
    assert line["sent"] == 0


@pytest.fixture(scope="module")
def by_sasl(tmp_path_factory, secured, trust):
    """envoy/secured.yaml, where RBAC lists alice and bob; carol has a password, but no leave."""

    def carol_too(config: dict) -> None:
        config["sasl"]["users"].append({"username": "carol", "password": "carol-secret"})

    with ShippedEnvoy(
        tmp_path_factory.mktemp("secured"), secured, "secured.yaml", trust, "SASLTLS", carol_too, environment=ENVIRONMENT
    ) as envoy:
        settle(envoy, trust)
        yield envoy


def settle(envoy: ShippedEnvoy, trust) -> None:
    """Until the filter knows the brokers and their API versions, it may close a connection
    from which it has learnt them."""
    for _ in range(3):
        for broker in envoy.cluster.ids:
            with TlsRaw(envoy, trust, server_name=envoy.server_name(broker)) as raw:
                try:
                    raw.announce("apache-kafka-java")
                    log_in(raw, "PLAIN", "alice", USERS["alice"])
                    raw.metadata([])
                except ConnectionError:
                    pass


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_who_is_allowed_by_sasl(mechanism, by_sasl, trust, secured, secured_topic):
    with TlsRaw(by_sasl, trust) as raw:
        log_in(raw, mechanism, "bob", USERS["bob"])
        led = [p["index"] for p in raw.metadata([secured_topic.name])["topics"][0]["partitions"] if p["leader_id"] == 1]
        offset = raw.append(secured_topic.name, led[-1], [b"of bob's"])
        assert raw.read_all(secured_topic.name, led[-1]) == [(offset, b"of bob's")]
    line = by_sasl.wait_logged(principal="bob", mechanism=mechanism)
    assert line["certificate"] is None
    assert (line["client_id"], line["broker_id"]) == ("raw", "1")


def test_who_is_denied_by_sasl(by_sasl, trust):
    """The login itself is good; the first thing after it is what RBAC cuts off."""
    with TlsRaw(by_sasl, trust) as raw, pytest.raises(ENDED):
        log_in(raw, "PLAIN", "carol", "carol-secret")
        raw.metadata([])
    assert "rbac" in str(by_sasl.wait_logged(principal="carol")["ended"])


def test_who_fails_has_no_name(by_sasl, trust):
    name = "nameless.kafka.example.com"
    with TlsRaw(by_sasl, trust, server_name=name) as raw, pytest.raises(Refused):
        log_in(raw, "PLAIN", "alice", "wrong")
    line = by_sasl.wait_logged(server_name=name)
    assert line["principal"] is None
    assert line["mechanism"] is None


def test_no_password_shows(by_sasl):
    """Neither in Envoy's log nor in the configuration that the admin port shows."""
    shown = by_sasl.log.read_text(errors="replace") + by_sasl.config_dump()
    assert "${ALICE_PASSWORD}" in shown
    for password in USERS.values():
        assert password not in shown
