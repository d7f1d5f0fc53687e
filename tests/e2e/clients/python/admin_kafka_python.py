"""Verbs of ../README.md's `admin`, with kafka-python."""

import sys

from admin import numbers, serve
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ConfigResource, ConfigResourceType, ResourcePattern, ResourceType


def admin(bootstrap: str) -> None:
    config = {"bootstrap_servers": bootstrap, "request_timeout_ms": 5000}
    client = KafkaAdminClient(**config)

    def create(topic: str, count: str) -> int:
        return client.create_topics({topic: {"num_partitions": int(count), "replication_factor": 1}})["topics"][0]["num_partitions"]

    def create_on(topic: str, count: str) -> None:
        client.create_topics({topic: {"assignments": {p: [1] for p in range(int(count))}}})

    def delete_records(topic: str, offset: str, partitions: str) -> None:
        client.delete_records({TopicPartition(topic, p): int(offset) for p in numbers(partitions)})

    def describe(topic: str) -> int:
        return len(client.describe_topics([topic])[0]["partitions"])

    def configs(topic: str) -> str:
        found = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return found["topic"][topic]["retention.ms"]["value"]

    def broker_config() -> str:
        """What this library tells of a refusal is a text in its result."""
        result = client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {"log.cleaner.threads": "1"})])
        raise RuntimeError(result["broker"]["1"])

    def acl(topic: str):
        pattern = ResourcePattern(ResourceType.TOPIC, topic)
        answer = client.create_acls([ACL("User:alice", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)])
        for error in answer["failed"]:
            raise error

    def reassign(topic: str, partitions: str) -> None:
        for error in client.alter_partition_reassignments({TopicPartition(topic, p): [1] for p in numbers(partitions)}).values():
            if error:
                raise error

    def log_dir(topic: str, partition: str) -> None:
        for error in client.alter_replica_log_dirs({(topic, int(partition), 1): "/nowhere"}).values():
            if error.errno:
                raise error

    def produce(topic: str) -> int:
        producer = KafkaProducer(**config, max_block_ms=5000, delivery_timeout_ms=5000)
        try:
            return producer.send(topic, b"v").get(8).offset
        finally:
            producer.close(0)

    def join(topic: str, group: str) -> None:
        """Reads one record."""
        consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
        while not consumer.poll(200):
            pass
        consumer.close()

    def transact(topic: str, name: str) -> None:
        KafkaProducer(**config, max_block_ms=5000, transactional_id=name).init_transactions()

    serve({
        "create": create,
        "create-on": create_on,
        "grow": lambda topic, count: client.create_partitions({topic: int(count)}) and None,
        "delete": lambda topic: client.delete_topics([topic]) and None,
        "delete-records": delete_records,
        "describe": describe,
        "list": lambda: " ".join(client.list_topics()),
        "configs": configs,
        "broker-config": broker_config,
        "acl": acl,
        "elect": lambda topic, partitions: client.elect_leaders(0, {topic: numbers(partitions)}) and None,
        "reassign": reassign,
        "log-dir": log_dir,
        "features": lambda: client.update_features({"group.version": ("SAFE_DOWNGRADE", 1)}),
        "produce": produce,
        "join": join,
        "transact": transact,
    })


admin(sys.argv[1])
