"""Client program on confluent-kafka (librdkafka), spoken to as ../README.md says."""

import sys

from common import Printer, ProduceArgs, assignments, flush, parse, say
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition


def produce(args) -> None:
    producer = Producer({
        "bootstrap.servers": args.bootstrap,
        "compression.type": args.codec,
        "enable.idempotence": args.idempotent,
        "acks": "all",
        "linger.ms": 20,
    })

    def acked(error, message) -> None:
        if error:
            say(f"E {message.partition()} {error}")
        else:
            say(f"A {message.partition()} {message.offset()} {message.value().decode()}")

    for v, value in args.records():
        producer.produce(args.topic, value, value, v, on_delivery=acked)
        producer.poll(0)
    producer.flush()
    say("END")


def consume(args) -> None:
    config = {
        "bootstrap.servers": args.bootstrap,
        "group.id": "unused",
        "enable.auto.commit": False,
        "check.crcs": True,
        "fetch.wait.max.ms": 300,
        "enable.partition.eof": True,
        "isolation.level": args.isolation_level,
    }
    if args.max_bytes:
        config["max.partition.fetch.bytes"] = args.max_bytes
    consumer = Consumer(config)
    todo = assignments(args)
    while (want := todo.get()) is not None:
        topic, partition = want
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        printer = Printer(partition)
        while todo.empty():
            position = None
            for m in consumer.consume(500, 0.05):
                if not m.error():
                    printer.record(m.partition(), m.offset(), m.value())
                elif m.error().code() == KafkaError._PARTITION_EOF:
                    position = m.offset()
                else:
                    print("error:", m.error(), file=sys.stderr, flush=True)
            printer.position(position)
    consumer.close()


args = parse(sys.argv)
(produce if isinstance(args, ProduceArgs) else consume)(args)
flush()
