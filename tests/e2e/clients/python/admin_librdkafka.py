"""Verbs of ../README.md's `admin`, with confluent-kafka (librdkafka)."""

import logging
import sys

from admin import numbers, serve
from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, ShareConsumer, TopicPartition
from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
    NewTopic, ResourcePatternType, ResourceType,
)

LOGGER = logging.getLogger("librdkafka")


def admin(bootstrap: str) -> None:
    config = {"bootstrap.servers": bootstrap, "logger": LOGGER}
    client = AdminClient(config)

    def only(futures, timeout: float | None = None):
        """The result of the only thing that was asked for."""
        results = futures if hasattr(futures, "result") else list(futures.values())[0]
        return results.result(timeout)

    def create(topic: str, count: str) -> int:
        only(client.create_topics([NewTopic(topic, int(count), 1)]))
        return describe(topic)

    def create_on(topic: str, count: str) -> None:
        only(client.create_topics([NewTopic(topic, int(count), replica_assignment=[[1]] * int(count))]))

    def delete_records(topic: str, offset: str, partitions: str) -> None:
        futures = client.delete_records([TopicPartition(topic, p, int(offset)) for p in numbers(partitions)])
        for future in futures.values():
            future.result()

    def describe(topic: str) -> int:
        found = client.list_topics(topic, timeout=10).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return len(found.partitions)

    def configs(topic: str) -> str:
        return only(client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))["retention.ms"].value

    def broker_config() -> None:
        entry = ConfigEntry("log.cleaner.threads", "1", incremental_operation=AlterConfigOpType.SET)
        only(client.incremental_alter_configs([ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])]))

    def acl(topic: str) -> None:
        names = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:alice", "*")
        only(client.create_acls([AclBinding(*names, AclOperation.READ, AclPermissionType.ALLOW)]))

    def elect(topic: str, partitions: str) -> None:
        which = [TopicPartition(topic, p) for p in numbers(partitions)]
        for error in client.elect_leaders(ElectionType.PREFERRED, which).result().values():
            if error:
                raise error if isinstance(error, Exception) else KafkaException(error)

    def produce(topic: str) -> int:
        acked = []
        producer = Producer({**config, "message.timeout.ms": 5000})
        producer.produce(topic, b"v", on_delivery=lambda error, message: acked.append((error, message)))
        producer.flush()
        error, message = acked[0]
        if error:
            raise KafkaException(error)
        return message.offset()

    def join(topic: str, group: str, **more) -> None:
        """Reads one record."""
        consumer = Consumer({**config, "group.id": group, "auto.offset.reset": "earliest", **more})
        consumer.subscribe([topic])
        try:
            while not (message := consumer.poll(0.2)):
                pass
            if message.error():
                raise KafkaException(message.error())
        finally:
            consumer.close()

    def share(topic: str, group: str) -> None:
        consumer = ShareConsumer({**config, "group.id": group})
        consumer.subscribe([topic])
        while not (messages := consumer.poll(0.2)):
            pass
        for message in messages:
            if message.error():
                raise KafkaException(message.error())

    def transact(topic: str, name: str) -> None:
        Producer({**config, "transactional.id": name}).init_transactions(30)

    serve({
        "create": create,
        "create-on": create_on,
        "grow": lambda topic, count: only(client.create_partitions([NewPartitions(topic, int(count))])),
        "delete": lambda topic: only(client.delete_topics([topic])),
        "delete-records": delete_records,
        "describe": describe,
        "list": lambda: " ".join(client.list_topics(timeout=10).topics),
        "configs": configs,
        "broker-config": broker_config,
        "acl": acl,
        "elect": elect,
        "produce": produce,
        "join": join,
        "consumer-protocol": lambda topic, group: join(topic, group, **{"group.protocol": "consumer"}),
        "share": share,
        "transact": transact,
    })


admin(sys.argv[1])
