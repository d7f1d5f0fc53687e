"""Kafka's own behaviour, on which the filter relies; and what Kafka's clients say of
an API that the filter hides."""

import pytest

from tests.harness import topics
from tests.harness.groups import Offset, commit, shadow_name, wait_for_coordinator
from tests.harness.kafka import KafkaCluster, run_tool
from tests.harness.raw import LATEST, Raw


@pytest.mark.parametrize("partitions", [1, 7, 50])
def test_shadows_share_their_groups_partition_of_the_offsets_topic(partitions, tmp_path):
    """So they share the coordinator, however many partitions the offsets topic has."""
    with KafkaCluster(tmp_path / "kafka", overrides={"offsets.topic.num.partitions": partitions}) as cluster:
        cluster.create_topic("t", 1, 1)
        for group in ("payments", "x", "Grüße 🦀", "a" * 249):
            with Raw(cluster.ports[1]) as direct:
                wait_for_coordinator(direct, group)
                before = ends(direct, partitions)
                for lane in (0, 1, 2, 9, 100, 8_388_607):
                    name = shadow_name(group, lane) if lane else group
                    assert set(commit(direct, name, {("t", 0): Offset(lane)}).values()) == {0}
                grown = [p for p, end in ends(direct, partitions).items() if end != before[p]]
                assert len(grown) == 1, f"{group}: its lanes lie in partitions {grown}"


def ends(direct: Raw, partitions: int) -> dict[int, int]:
    found = direct.list_offsets("__consumer_offsets", dict.fromkeys(range(partitions), LATEST))
    return {p: answer["offset"] for p, answer in found.items()}


@pytest.mark.remap
def test_the_consumer_protocol_is_refused_in_kafkas_own_words(envoy, new_topic):
    topic = new_topic(topics.MODULO)
    arguments = ["--topic", topic.name, "--consumer-property", "group.protocol=consumer", "--timeout-ms", "20000"]
    done = run_tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", envoy.bootstrap, *arguments)
    assert "does not support the new CONSUMER group protocol" in done.stdout + done.stderr
