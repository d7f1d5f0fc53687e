"""docs/migration.md. Its steps with MirrorMaker, and with files that are renamed, are those of the examples, which
follow every record; here the other commands are run, with a topic that stays empty."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, TopicPartition

from tests.harness.kafka import KafkaCluster
from tests.harness.process import free_ports
from tests.harness.sandbox import Sandbox

EXAMPLE = "examples/move-in runs it (test_examples_migration.py)"
NOT_RUN = {
    "connect-mirror-maker.sh": EXAMPLE,
    "kafka-console-consumer.sh --bootstrap-server envoy.example.com:19092 --topic mm2-offsets": EXAMPLE,
    "python3 examples/": EXAMPLE,
}
FAILS = {"kafka-remapper-check check config.json": "the copy is not made yet"}
SAYS = {
    "kafka-remapper-check check config.json": "orders: is in the mapping, and does not exist",
    "kafka-remapper-check check in-place.json": "orders: from 10 to 100: allowed while Envoy runs",
    "kafka-remapper-check check grow.json": "orders: from 20 to 40: allowed while Envoy runs",
}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    with ThreadPoolExecutor() as pool:
        clusters = list(pool.map(lambda name: KafkaCluster(sandbox.directory / name), ("old", "new")))
    with clusters[0] as old, clusters[1] as new:
        for cluster in (old, new):
            commit(cluster)
        old.create_topic("orders", 100)
        first = free_ports(3)
        ports = {19092: first, 19093: first + 1, 19901: first + 2}
        sandbox.words = {
            **{f"{host}, port_value: {port}": f"127.0.0.1, port_value: {here}" for host in ("0.0.0.0", "127.0.0.1") for port, here in ports.items()},
            "envoy.example.com:19092": f"127.0.0.1:{first}",
            "envoy.example.com": "127.0.0.1",
            '"base": 19092': f'"base": {first}',
            "old-kafka:9092": old.bootstrap,
            "new-kafka:9092": new.bootstrap,
            "kafka:9092": new.bootstrap,
        }
        for file, virtual in (("config", 100), ("in-place", 10), ("grow", 20)):
            topics = [{"name": "orders", "virtual_partitions": virtual, "physical_partitions": 10}]
            sandbox.write(f"{file}.json", json.dumps({"stat_prefix": "orders", "mapping": {"topics": topics}}))
        yield


def commit(cluster: KafkaCluster) -> None:
    """The group billing exists."""
    cluster.create_topic("other", 1)
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "billing"})
    consumer.commit(offsets=[TopicPartition("other", 0, 0)], asynchronous=False)
    consumer.close()
