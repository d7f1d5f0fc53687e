"""Two brokers with a listener for each way of logging in, whose ACLs tell users apart; and
clients and Envoys for them."""

import contextlib
import socket
import ssl
from pathlib import Path

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from .certificates import Certificate
from .client_security import PASSWORD_MECHANISMS
from .envoy import Envoy
from .kafka import KafkaCluster
from .raw import Raw
from .raw_sasl import log_in
from .shipped_envoy import ShippedEnvoy, Trust

USERS = {"alice": "alice-secret", "bob": "bob-secret", "gateway": "gateway-secret"}
"""The brokers' users, with their passwords."""
ENVIRONMENT = {f"{name.upper()}_PASSWORD": password for name, password in USERS.items()}
"""Where envoy/secured.yaml finds the passwords."""
REAUTHENTICATION_MS = 3000
LISTENERS = {"TLS": "SSL", "SASLTLS": "SASL_SSL", "SASL": "SASL_PLAINTEXT", "SHORT": "SASL_PLAINTEXT"}
"""The listener TLS wants a client certificate; sessions at SHORT end after REAUTHENTICATION_MS."""
MODULES = "org.apache.kafka.common.security."


def secured_cluster(directory: Path, trust: Trust) -> KafkaCluster:
    settings = {
        **trust.broker_settings(),
        "listener.name.tls.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": ",".join(PASSWORD_MECHANISMS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Whoever comes by PLAINTEXT may do anything, as the brokers among themselves; a topic with an ACL is
        # for its users.
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
        "delegation.token.secret.key": "of the tests",
    }
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    for listener in ("sasltls", "sasl", "short"):
        prefix = f"listener.name.{listener}."
        settings[f"{prefix}plain.sasl.jaas.config"] = f"{MODULES}plain.PlainLoginModule required {users};"
        for mechanism in PASSWORD_MECHANISMS:
            if mechanism != "PLAIN":
                settings[f"{prefix}{mechanism.lower()}.sasl.jaas.config"] = f"{MODULES}scram.ScramLoginModule required;"
            if listener == "short":
                settings[f"{prefix}{mechanism.lower()}.connections.max.reauth.ms"] = REAUTHENTICATION_MS
    scram = tuple(f"{m}=[name={u},password={p}]" for m in PASSWORD_MECHANISMS if m != "PLAIN" for u, p in USERS.items())
    return KafkaCluster(directory, brokers=2, overrides=settings, listeners=LISTENERS, scram=scram)


def reserve(cluster: KafkaCluster, topic: str, user: str) -> None:
    """From now on the topic is `user`'s alone."""
    acl = AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.ALL, AclPermissionType.ALLOW
    )
    admin = cluster.admin
    admin.create_acls([acl])[acl].result(10)


def learn_brokers(envoy: ShippedEnvoy, trust: Trust, certificate: Certificate) -> None:
    """Lets Envoy learn where each broker is: the first connections of all may be closed for that."""
    for broker in envoy.cluster.ids:
        with TlsRaw(envoy, trust, certificate, envoy.server_name(broker)) as raw, contextlib.suppress(ConnectionError):
            raw.metadata([])


def connect(port: int, user: str | None = None, tries: int = 4) -> Raw:
    """A connection on which everything works: connections from which the filter
    learns may be closed before. The filter knows `user` by the password that `at_filter` gives."""
    while True:
        raw, tries = Raw(port), tries - 1
        try:
            raw.announce("apache-kafka-java")
            if user:
                log_in(raw, "PLAIN", user, at_filter(user))
            raw.metadata([])
            return raw
        except ConnectionError:
            raw.close()
            if not tries:
                raise


def at_filter(user: str) -> str:
    """A user's password at the filter, where it is another than at the brokers."""
    return f"{user}-here"


class OnlyTheFirst(Envoy):
    """An Envoy whose filter is told of broker 1 only."""

    def _complete(self, config: dict) -> dict:
        self._brokers = self._brokers[:1]
        return super()._complete(config)


class TlsRaw(Raw):
    """A raw client with TLS, which trusts the clients' authority and may show a certificate. The client asks
    for `server_name`, by default broker 1's, at Envoy's port: no name needs to be resolved."""

    def __init__(
        self,
        envoy: ShippedEnvoy,
        trust: Trust,
        certificate: Certificate | None = None,
        server_name: str | None = None,
        source: str = "",
    ):
        super().__init__(envoy.base, source=source)
        context = ssl.create_default_context(cafile=str(trust.clients.certificate))
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        self.socket: socket.socket = context.wrap_socket(self.socket, server_hostname=server_name or envoy.server_name())
