"""Clients log in with tokens of an OpenID provider, whose keys change meanwhile."""

import sys
import time
from pathlib import Path

from examples.common.gateway import PHYSICAL, TOPIC, VIRTUAL, Gateway, read_by_java, trusting, values
from examples.common.librdkafka import read, refused, write
from examples.common.stage import Stage, perform
from tests.harness.certificates import Authority
from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until
from tests.harness.tokens import Key

from .provider import CLIENTS, Provider

COUNT = 50
"""Records for each partition."""
REFRESH_S = 10
"""In the place of the file's 60: the least that the filter takes."""
PROVIDER_PORT = 8080
"""As in envoy.yaml."""
HANDLER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"


def play(stage: Stage) -> None:
    provider = stage.running.enter_context(Provider(stage.directory))
    stage.step(f"a provider at {provider.issuer}; starting Kafka, and Envoy with TLS")
    cluster = stage.running.enter_context(KafkaCluster(stage.directory / "kafka"))
    cluster.create_topic(TOPIC, PHYSICAL)
    authority = Authority(stage.directory / "certificates")
    envoy = stage.running.enter_context(start(stage.directory, cluster, authority, provider))
    bootstrap = f"127.0.0.1:{envoy.port}"
    wanted = {v: values(v, COUNT) for v in range(VIRTUAL)}

    stage.step("orders-web (librdkafka) gets a token by its secret, and writes to all partitions")
    failed = write(bootstrap, by_secret("orders-web", authority, provider), VIRTUAL, COUNT)
    stage.check(f"{VIRTUAL * COUNT} records acknowledged", not failed)
    stage.step("orders-batch (Kafka's console consumer, Java) gets a token by its secret, and reads them")
    allowed = (f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={provider.issuer}/token",)
    found = read_by_java(bootstrap, java_login("orders-batch", authority, provider), stage.directory, VIRTUAL * COUNT, allowed)
    stage.check("each partition shows its own", found == wanted)

    old = provider.token("orders-web")
    stage.step(f"the provider signs by a new key, {provider.rotate()}, and publishes both")
    settings = by_secret("orders-batch", authority, provider)
    stage.check("a token of the new key is taken", read(bootstrap, settings, VIRTUAL, COUNT) == wanted)
    stage.check("a token of the old key is taken still", not write(bootstrap, by_token(old, authority), 1, 1))
    stage.step(f"the provider withdraws the old key; Envoy asks for the keys each {REFRESH_S} s")
    provider.withdraw()
    asked = provider.keys_asked
    wait_until("each worker has fetched the keys", lambda: provider.keys_asked >= asked + 2 * envoy.workers, 3 * REFRESH_S)
    stage.check("a token of the old key is refused", refused(bootstrap, by_token(old, authority)))
    stage.check("a token of the new key is taken", not write(bootstrap, by_secret("orders-web", authority, provider), 1, 1))

    stage.step("what is not to be let in")
    now = int(time.time())
    stranger = Key(stage.directory, "RS256", "key-2", "stranger")
    for who, token in {
        "a program that may not use Kafka (another scope)": provider.token("reports"),
        "a token for somebody else (another audience)": provider.token("orders-web", aud="payments"),
        "a token that has ended": provider.token("orders-web", exp=now - 120),
        "a token signed by somebody else": stranger.token(iss=provider.issuer, sub="orders-web"),
    }.items():
        stage.check(f"{who} is refused", refused(bootstrap, by_token(token, authority)))
    stage.step("who it was")
    for name in ("orders-web", "orders-batch"):
        stage.check(f"{name} stands in Envoy's access log", bool(envoy.wait_logged("principal", name)))


def start(directory: Path, cluster: KafkaCluster, authority: Authority, provider: Provider) -> Gateway:
    def change(config: dict, envoy: Gateway) -> None:
        config["advertise"]["ports"] = {"host": "127.0.0.1", "base": envoy.base}
        tokens = config["sasl"]["oauthbearer"]
        tokens["issuer"] = provider.issuer
        tokens["jwks"]["http"]["refresh_s"] = REFRESH_S

    source, names = Path(__file__).with_name("envoy.yaml"), ("127.0.0.1",)
    brokers, others = cluster.bootstrap.split(","), {PROVIDER_PORT: provider.port}
    return Gateway(directory / "envoy", source, authority, names, brokers, change, others)


def by_secret(client: str, authority: Authority, provider: Provider) -> dict:
    """librdkafka's settings: it asks the provider for a token."""
    return {
        **tls(authority),
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": f"{provider.issuer}/token",
        "sasl.oauthbearer.client.id": client,
        "sasl.oauthbearer.client.secret": CLIENTS[client],
        "sasl.oauthbearer.scope": "kafka",
    }


def by_token(token: str, authority: Authority) -> dict:
    """librdkafka's settings: it shows this token."""
    return {**tls(authority), "oauth_cb": lambda _: (token, time.time() + 300)}


def tls(authority: Authority) -> dict:
    return {"security.protocol": "SASL_SSL", "ssl.ca.location": str(authority.certificate), "sasl.mechanism": "OAUTHBEARER"}


def java_login(client: str, authority: Authority, provider: Provider) -> dict[str, str]:
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    return {
        "security.protocol": "SASL_SSL",
        **trusting(authority),
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": HANDLER,
        "sasl.oauthbearer.token.endpoint.url": f"{provider.issuer}/token",
        "sasl.jaas.config": f'{module} required clientId="{client}" clientSecret="{CLIENTS[client]}" scope="kafka";',
    }


if __name__ == "__main__":
    sys.exit(perform("oauth", play))
