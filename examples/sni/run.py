"""One port for all brokers, which TLS server names tell apart."""

import socket
import ssl
import sys
from pathlib import Path

import kafka as kafka_python

from examples.common.gateway import PHYSICAL, TOPIC, VIRTUAL, Gateway, read_by_java, trusting, values
from examples.common.stage import Stage, perform
from tests.harness.certificates import Authority
from tests.harness.kafka import KafkaCluster

DOMAIN = "kafka.example.com"
COUNT = 50
"""Records for each partition."""


def play(stage: Stage) -> None:
    stage.step("starting Kafka, two brokers, and Envoy with a certificate for *.kafka.example.com")
    cluster = stage.running.enter_context(KafkaCluster(stage.directory / "kafka", brokers=2))
    cluster.create_topic(TOPIC, PHYSICAL, 1)
    authority = Authority(stage.directory / "certificates")
    envoy = stage.running.enter_context(start(stage.directory, cluster, authority))
    bootstrap = f"bootstrap.{DOMAIN}:{envoy.port}"
    lead_names_here()

    stage.step(f"a client (kafka-python) writes to all {VIRTUAL} partitions, by {bootstrap}, and reads them")
    tls = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context(cafile=str(authority.certificate))}
    producer = kafka_python.KafkaProducer(bootstrap_servers=bootstrap, **tls)
    sent = [producer.send(TOPIC, value.encode(), partition=v) for v in range(VIRTUAL) for value in values(v, COUNT)]
    acknowledged = [s.get(30) for s in sent]
    producer.close()
    stage.check(f"{len(acknowledged)} records acknowledged", len(acknowledged) == VIRTUAL * COUNT)
    stage.check("each partition shows its own, in order", read(bootstrap, tls) == {v: values(v, COUNT) for v in range(VIRTUAL)})

    stage.step("Kafka's console consumer (Java) reads them too")
    hosts = stage.directory / "hosts"
    hosts.write_text(f"127.0.0.1 bootstrap.{DOMAIN} b1.{DOMAIN} b2.{DOMAIN}\n")
    properties = {"security.protocol": "SSL", **trusting(authority)}
    found = read_by_java(bootstrap, properties, stage.directory, VIRTUAL * COUNT, (f"-Djdk.net.hosts.file={hosts}",))
    stage.check("each partition shows its own, in order", found == {v: values(v, COUNT) for v in range(VIRTUAL)})

    stage.step("who was asked for, as Envoy's access log has it")
    for broker, port in cluster.ports.items():
        line = envoy.wait_logged("server_name", f"b{broker}.{DOMAIN}")
        stage.tell(f"server name {line['server_name']} led to {line['broker']}")
        stage.check(f"that is broker {broker}", line["broker"].endswith(f":{port}"))

    stage.step("what is not to be let in")
    stage.check("a client without TLS gets no answer", not answers(envoy.port))
    stranger = Authority(stage.directory / "stranger", "stranger")
    stage.check("a client that trusts another authority refuses Envoy", not trusts(envoy.port, stranger))


def start(directory: Path, cluster: KafkaCluster, authority: Authority) -> Gateway:
    def change(config: dict, envoy: Gateway) -> None:
        config["advertise"]["sni"]["port"] = envoy.port

    source = Path(__file__).with_name("envoy.yaml")
    return Gateway(directory / "envoy", source, authority, (f"*.{DOMAIN}",), cluster.bootstrap.split(","), change)


def lead_names_here() -> None:
    """What DNS does for *.kafka.example.com."""
    resolve = socket.getaddrinfo

    def resolved(host, *arguments, **more):
        return resolve("127.0.0.1" if str(host).endswith(f".{DOMAIN}") else host, *arguments, **more)

    socket.getaddrinfo = resolved


def read(bootstrap: str, tls: dict) -> dict[int, list[str]]:
    """All records, by partition."""
    settings = {"auto_offset_reset": "earliest", "group_id": None, "consumer_timeout_ms": 10_000}
    consumer = kafka_python.KafkaConsumer(bootstrap_servers=bootstrap, **settings, **tls)
    consumer.assign([kafka_python.TopicPartition(TOPIC, v) for v in range(VIRTUAL)])
    found: dict[int, list[str]] = {v: [] for v in range(VIRTUAL)}
    left = VIRTUAL * COUNT
    for message in consumer:
        found[message.partition].append(message.value.decode())
        left -= 1
        if not left:
            break
    consumer.close()
    return found


def answers(port: int) -> bool:
    """Whether ApiVersions in clear text is answered."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(bytes.fromhex("0000000a00120000000000010000"))
        try:
            return client.recv(1) == b"\0"
        except ConnectionError:
            return False


def trusts(port: int, authority: Authority) -> bool:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as client, context.wrap_socket(client, server_hostname=f"b1.{DOMAIN}"):
            return True
    except ssl.SSLCertVerificationError:
        return False


if __name__ == "__main__":
    sys.exit(perform("sni", play))
