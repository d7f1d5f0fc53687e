"""docs/checker.md: Envoy's own file and the filter's configuration, alone and beside a cluster."""

import contextlib

from tests.harness.kafka import KafkaCluster
from tests.harness.sandbox import Sandbox, gateway_words

CONFIG = '{"mapping": {"topics": [{"name": "orders", "virtual_partitions": 100, "physical_partitions": 10}]}}'
SAYS = {"kafka-remapper-check check envoy.yaml --bootstrap": "orders: 100 virtual partitions on 10"}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    with KafkaCluster(sandbox.directory / "kafka") as cluster:
        cluster.create_topic("orders", 10)
        sandbox.words = gateway_words(cluster)
        sandbox.copy_repository()
        sandbox.run("cp envoy/dynamic.yaml envoy.yaml")
        sandbox.write("config.json", CONFIG)
        yield
