"""What a group would get next: counts the records behind its committed offsets, by partition, and exits with 1 if
there are any. Commits nothing, and joins nothing. Needs the Python package confluent-kafka.

    python3 unread.py envoy.example.com:19092 billing orders [security.protocol=SSL …]
"""

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition


def main() -> int:
    bootstrap, group, topic, *settings = sys.argv[1:]
    found = unread(bootstrap, group, topic, dict(s.split("=", 1) for s in settings))
    for partition, count in sorted(found.items()):
        print(f"{topic} partition {partition}: {count} records")
    return 1 if found else 0


def unread(bootstrap: str, group: str, topic: str, settings: dict[str, str] | None = None) -> dict[int, int]:
    """By partition, if there are any: where the group has no offset, all records."""
    own = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**own, "auto.offset.reset": "earliest", "log_level": 0, **(settings or {})})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        places = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=30)
        consumer.assign([TopicPartition(topic, p.partition, p.offset if p.offset >= 0 else OFFSET_BEGINNING) for p in places])
        found, not_at_end = dict.fromkeys(partitions, 0), set(partitions)
        while not_at_end:
            for message in consumer.consume(1000, 1):
                if not message.error():
                    found[message.partition()] += 1
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    not_at_end.discard(message.partition())
        return {p: count for p, count in found.items() if count}
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
