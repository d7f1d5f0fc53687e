"""Makers of pytest fixtures: a test file that wants brokers or an Envoy of its own
asks for them in one line each.

    creating = cluster_fixture(overrides={"auto.create.topics.enable": "true"})
    gateway = envoy_fixture(before="creating")
"""

from collections.abc import Callable

import pytest

from . import topics
from .envoy import Envoy
from .kafka import KafkaCluster


def cluster_fixture(scope: str = "module", **options) -> Callable:
    """A `KafkaCluster` with these options, whose brokers must still be alive at its end."""

    @pytest.fixture(scope=scope)
    def cluster(request, tmp_path_factory):
        with KafkaCluster(tmp_path_factory.mktemp(request.fixturename), **options) as cluster:
            yield cluster

    return cluster


def envoy_fixture(before: str = "cluster", scope: str = "module") -> Callable:
    """An `Envoy` with the mappings of topics.py, or without the filter if --passthrough says so, before the
    cluster of the fixture `before`. Envoy must still be alive at its end, without a trap in its log."""

    @pytest.fixture(scope=scope)
    def envoy(request, tmp_path_factory, passthrough):
        cluster = request.getfixturevalue(before)
        mode = "passthrough" if passthrough else "dynamic"
        with Envoy(tmp_path_factory.mktemp(request.fixturename), cluster, topics.MAPPING, mode) as envoy:
            yield envoy

    return envoy
