"""Kafka's own tools, and what they show."""

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from tests.harness.kafka import run_tool

TOOLS = {
    "kafka-topics": "TopicCommand",
    "kafka-get-offsets": "GetOffsetShell",
    "kafka-consumer-groups": "consumer.group.ConsumerGroupCommand",
    "kafka-console-consumer": "consumer.ConsoleConsumer",
}


def kafka(tool: str, bootstrap: str, *arguments: str) -> str:
    """Runs one of Kafka's tools, and gives what it prints."""
    done = run_tool(f"org.apache.kafka.tools.{TOOLS[tool]}", "--bootstrap-server", bootstrap, *arguments)
    assert done.returncode == 0, f"{tool} {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def lags(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """By partition, what kafka-consumer-groups shows as LAG; the log's end where the group has no offset."""
    found = {}
    for line in kafka("kafka-consumer-groups", bootstrap, "--describe", "--group", group).splitlines():
        fields = line.split()
        if fields[:2] == [group, topic]:
            _, _, partition, offset, end, lag, *_ = fields
            found[int(partition)] = int(end if offset == "-" else lag)
    return found


def offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """What the group has committed, by partition: what kafka-consumer-groups shows as CURRENT-OFFSET."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    return {p.partition: p.offset for p in found.topic_partitions if p.topic == topic}
