"""docs/operations.md: V grows and the filter is replaced while Envoy runs."""

import contextlib

from tests.harness.kafka import KafkaCluster
from tests.harness.process import wait_until
from tests.harness.sandbox import Sandbox, gateway_words

CONFIG = '{"mapping": {"topics": [{"name": "orders", "virtual_partitions": 100, "physical_partitions": 10}]}}'
RELOADS = "curl -s 'http://127.0.0.1:9901/stats?filter=kafka_partition_remapper.config_reload'"
SAYS = {"kafka-remapper-check check config.json": "from 100 to 200: allowed while Envoy runs"}
EVENTUALLY = {
    "curl -s 'http://127.0.0.1:9901/stats": "config_reload: ",
    "kafka-topics.sh": "PartitionCount: 200",
}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    """A gateway as in envoy/dynamic-live.yaml, with the topic of that file."""
    with KafkaCluster(sandbox.directory / "kafka") as cluster:
        cluster.create_topic("orders", 10)
        sandbox.words = gateway_words(cluster)
        sandbox.copy_repository()
        sandbox.write("config.json", CONFIG)
        sandbox.run("cp target/kafka_partition_remapper.wasm envoy/*.yaml /etc/envoy/")
        sandbox.run("envoy -c /etc/envoy/dynamic-live.yaml")
        yield
        # At the start, with the larger V, and with the other build.
        wait_until("three configurations", lambda: "config_reload: 3" in sandbox.run(RELOADS)[1], 30)
