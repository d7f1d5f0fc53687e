"""docs/getting-started.md: from nothing to records through Envoy, on a cluster of three brokers."""

import contextlib

from tests.harness.kafka import KafkaCluster
from tests.harness.sandbox import Sandbox, gateway_words

SAYS = {
    "kafka-remapper-check": "orders: 20 virtual partitions on 4",
    "kafka-topics.sh --bootstrap-server localhost:9092 --describe": "PartitionCount: 20",
    "kafka-topics.sh --bootstrap-server kafka-0:9092 --describe": "PartitionCount: 4",
    "kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic orders --partition 7": "Processed a total of 5",
    "kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic orders --group": "Processed a total of 1000",
    "kafka-consumer-groups.sh": "orders          19",
    "kafka-groups.sh": "first~4~",
    "curl": "Produce",
}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    with KafkaCluster(sandbox.directory / "kafka", brokers=3) as cluster:
        sandbox.words = gateway_words(cluster)
        yield
