"""envoy/README.md: the filter's configuration is changed while Envoy runs, and Envoy is drained."""

import contextlib

from tests.harness.kafka import KafkaCluster
from tests.harness.sandbox import Sandbox, gateway_words

EVENTUALLY = {"curl -s 'http://127.0.0.1:9901/stats": "config_reload: 2"}
SAYS = {"curl -s -X POST": "OK"}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    with KafkaCluster(sandbox.directory / "kafka") as cluster:
        sandbox.words = gateway_words(cluster)
        yield
