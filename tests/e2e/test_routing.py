"""How a connection finds its broker where the TLS server name names the broker, or where brokers have IPv6
addresses; and how it ends."""

import socket
import ssl
import struct
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.harness import apis, batch, clients, topics
from tests.harness.certificates import Authority
from tests.harness.envoy import TYPE, Envoy, tls_socket
from tests.harness.kafka import KafkaCluster
from tests.harness.raw import Raw, produce_body

pytestmark = pytest.mark.remap


class SniEnvoy(Envoy):
    """One TLS listener; a broker is a server name, not a port."""

    def __init__(self, directory, cluster, config):
        self.authority = Authority(directory)
        self.shown = self.authority.issue("/CN=envoy", ("*.kafka.test",))
        super().__init__(directory, cluster, config)

    def _complete(self, config: dict) -> dict:
        advertise = {"sni": {"host": "b{id}.kafka.test", "port": self.base}}
        return {**super()._complete(config), "advertise": advertise}

    def _dynamic(self) -> dict:
        resources = super()._dynamic()
        listener = resources["listeners"][0]
        del listener["additional_addresses"]
        inspector = TYPE + "filters.listener.tls_inspector.v3.TlsInspector"
        listener["listener_filters"] = [{"name": "tls_inspector", "typed_config": {"@type": inspector}}]
        listener["filter_chains"][0]["transport_socket"] = tls_socket(self.shown)
        return resources


class Tls(Raw):
    """A connection that asks for a server name."""

    def __init__(self, envoy: SniEnvoy, name: str):
        super().__init__(envoy.base)
        context = ssl.create_default_context(cafile=str(envoy.authority.certificate))
        self.socket = context.wrap_socket(self.socket, server_hostname=name)


def test_the_server_name_names_the_broker(tmp_path, cluster, new_topic):
    topic = new_topic()
    with SniEnvoy(tmp_path / "sni", cluster, topics.MAPPING) as envoy:
        with Tls(envoy, "bootstrap.kafka.test") as bootstrap:
            metadata = bootstrap.metadata([topic.name])
            assert [(b["host"], b["port"]) for b in metadata["brokers"]] == [("b1.kafka.test", envoy.base)]
            assert len(metadata["topics"][0]["partitions"]) == topic.virtual
        with Tls(envoy, "B1.kafka.test") as broker:
            offset = broker.append(topic.name, 7, [b"by name"])
            assert broker.read_all(topic.name, 7) == [(offset, b"by name")]


class Ipv6Envoy(Envoy):
    """Listens on the loopback of IPv6, and calls itself so."""

    def _complete(self, config: dict) -> dict:
        config = super()._complete(config)
        config["advertise"]["ports"]["host"] = "::1"
        return config

    def _dynamic(self) -> dict:
        resources = super()._dynamic()
        listener = resources["listeners"][0]
        for address in (listener["address"], *(a["address"] for a in listener["additional_addresses"])):
            address["socket_address"]["address"] = "::1"
        return resources


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_brokers_and_envoy_with_ipv6_addresses(tmp_path):
    """Clients come first by the bootstrap port, then by the broker's own port,
    whose address Metadata tells."""
    with KafkaCluster(tmp_path / "kafka", host="[::1]") as cluster:
        topic = topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))
        cluster.create_topic(topic.name, topic.family.physical)
        with Ipv6Envoy(tmp_path / "envoy", cluster, topics.MAPPING) as envoy:
            bootstrap = f"[::1]:{envoy.base}"
            told = AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic.name, timeout=20)
            assert [(b.host, b.port) for b in told.brokers.values()] == [("::1", envoy.port(1))]
            acks = clients.produce(clients.LIBRARIES["librdkafka"], bootstrap, topic.name, topic.virtual, 3, "none", True, "six")
            stored = sum(cluster.end_offsets(topic.name, topic.family.physical))
            assert stored == sum(len(records) for records in acks.values()) == 3 * topic.virtual


def test_what_was_sent_before_a_half_close_arrives(envoy, raw, new_topic):
    """A producer without acknowledgements may write, close its sending side, and be gone."""
    topic = new_topic()
    with Raw(envoy.port(1)) as client:
        siblings = {3: batch.build([b"three"]), 7: batch.build([b"seven"])}
        client.send(apis.PRODUCE, 9, produce_body(topic.name, siblings, 0))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.socket.recv(1) == b"", "the broker closes in its turn"
    assert [value for _, value in raw.read_all(topic.name, 3)] == [b"three"]
    assert [value for _, value in raw.read_all(topic.name, 7)] == [b"seven"]


def test_an_unfinished_frame_before_a_half_close_ends_the_connection(envoy):
    with Raw(envoy.port(1)) as client:
        client.socket.sendall(struct.pack(">i", 100) + b"\0\0\0\x09")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.socket.recv(1) == b""
