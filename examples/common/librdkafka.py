"""What an example's clients write and read by librdkafka."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from .gateway import TOPIC, values


def write(bootstrap: str, settings: dict, partitions: int, count: int) -> list[str]:
    """Writes `count` records to each partition, and gives the errors."""
    failed: list[str] = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 30_000, **settings})
    for value, v in ((value, v) for v in range(partitions) for value in values(v, count)):
        producer.produce(TOPIC, value, partition=v, on_delivery=lambda error, _: failed.append(str(error)) if error else None)
        producer.poll(0)
    left = producer.flush(60)
    return [*failed, f"{left} unanswered"] if left else failed


def read(bootstrap: str, settings: dict, partitions: int, count: int, seconds: float = 30) -> dict[int, list[str]]:
    """What is read in all partitions, by partition: `count` records of each, or what came in time."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, **settings})
    consumer.assign([TopicPartition(TOPIC, v, OFFSET_BEGINNING) for v in range(partitions)])
    found: dict[int, list[str]] = {v: [] for v in range(partitions)}
    deadline = time.monotonic() + seconds
    while sum(map(len, found.values())) < partitions * count and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.2):
            if not message.error():
                found[message.partition()].append(message.value().decode())
    consumer.close()
    return found


def refused(bootstrap: str, settings: dict) -> bool:
    """Whether librdkafka says that the login has failed."""
    said: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": bootstrap, **settings, "error_cb": said.append})
    for _ in range(100):
        producer.poll(0.1)
        if any(e.code() == KafkaError._AUTHENTICATION for e in said):
            return True
    return False
