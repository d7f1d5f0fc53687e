"""README.md: the topic of the smallest configuration."""

import contextlib

from tests.harness.kafka import KafkaCluster
from tests.harness.sandbox import Sandbox, gateway_words

SAYS = {"kafka-topics.sh": "Created topic orders"}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    with KafkaCluster(sandbox.directory / "kafka") as cluster:
        sandbox.words = gateway_words(cluster)
        yield
