"""TLS and SCRAM on both sides: clients' passwords stay with clients, the brokers know the gateway only."""

import json
import subprocess
import sys
from pathlib import Path

from examples.common.gateway import PHYSICAL, TOPIC, VIRTUAL, Gateway, read_by_java, trusting, values
from examples.common.librdkafka import read, refused, write
from examples.common.stage import Stage, perform
from tests.harness import checker
from tests.harness.secured_brokers import USERS, reserve, secured_cluster
from tests.harness.shipped_envoy import Trust

PASSWORDS = {"alice": "alice-at-the-gateway", "bob": "bob-at-the-gateway"}
"""At the filter; the brokers know neither alice and bob by these, nor these for anybody."""
COUNT = 50
"""Records for each partition."""


def play(stage: Stage) -> None:
    stage.step("making credentials for alice and bob: kafka-remapper-check scram")
    users = [credentials(name, password) for name, password in PASSWORDS.items()]
    stage.tell(f"for alice: salt {users[0]['scram_sha_512']['salt']}, {users[0]['scram_sha_512']['iterations']} iterations")

    stage.step("starting Kafka, two brokers with SCRAM and TLS, and Envoy")
    trust = Trust.make(stage.directory / "certificates", 2)
    cluster = stage.running.enter_context(secured_cluster(stage.directory / "kafka", trust))
    cluster.create_topic(TOPIC, PHYSICAL, 1)
    reserve(cluster, TOPIC, "gateway")
    stage.tell("an ACL lets nobody but the user `gateway` use the topic")
    envoy = stage.running.enter_context(start(stage.directory, cluster, trust, users))
    bootstrap = f"127.0.0.1:{envoy.port}"

    stage.step("alice (librdkafka) writes to all partitions")
    failed = write(bootstrap, login("alice", PASSWORDS["alice"], trust), VIRTUAL, COUNT)
    stage.check(f"{VIRTUAL * COUNT} records acknowledged", not failed)

    stage.step("bob reads them, by librdkafka and by Kafka's console consumer (Java)")
    wanted = {v: values(v, COUNT) for v in range(VIRTUAL)}
    found = read(bootstrap, login("bob", PASSWORDS["bob"], trust), VIRTUAL, COUNT)
    stage.check("librdkafka: each partition shows its own", found == wanted)
    found = read_by_java(bootstrap, java_login("bob", PASSWORDS["bob"], trust), stage.directory, VIRTUAL * COUNT)
    stage.check("Java: each partition shows its own", found == wanted)

    stage.step("what is not to be let in")
    for name, password, who in (
        ("alice", "guessed", "a wrong password"),
        ("mallory", PASSWORDS["alice"], "an unknown user"),
        ("gateway", USERS["gateway"], "the gateway's own login at the brokers"),
    ):
        stage.check(f"{who} is refused", refused(bootstrap, login(name, password, trust)))
    stage.step("who it was, and what is kept")
    for name in PASSWORDS:
        stage.check(f"{name} stands in Envoy's access log", bool(envoy.wait_logged("principal", name)))
    shown = envoy.config_dump()
    secrets = [*PASSWORDS.values(), USERS["gateway"]]
    stage.check("no password stands in what Envoy shows of its configuration", not any(s in shown for s in secrets))


def credentials(name: str, password: str) -> dict:
    """An entry of sasl.users, by the tool."""
    command = [checker.program(), "scram", "--mechanism", "SCRAM-SHA-512", name]
    done = subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def start(directory: Path, cluster, trust: Trust, users: list[dict]) -> Gateway:
    def change(config: dict, envoy: Gateway) -> None:
        config["advertise"]["ports"] = {"host": "127.0.0.1", "base": envoy.base}
        assert [u["username"] for u in config["sasl"]["users"]] == [u["username"] for u in users]
        config["sasl"]["users"] = users

    return Gateway(
        directory / "envoy",
        Path(__file__).with_name("envoy.yaml"),
        trust.clients,
        ("127.0.0.1",),
        cluster.addresses("SASLTLS"),
        change,
        environment={"GATEWAY_PASSWORD": USERS["gateway"], "SALT_SECRET": "of this example, not yours"},
        broker_authority=trust.brokers.certificate,
    )


def login(name: str, password: str, trust: Trust) -> dict:
    """librdkafka's settings."""
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(trust.clients.certificate),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": name,
        "sasl.password": password,
    }


def java_login(name: str, password: str, trust: Trust) -> dict[str, str]:
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "security.protocol": "SASL_SSL",
        **trusting(trust.clients),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": f'{module} required username="{name}" password="{password}";',
    }


if __name__ == "__main__":
    sys.exit(perform("tls-scram", play))
