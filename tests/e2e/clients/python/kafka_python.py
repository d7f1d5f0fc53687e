"""Client program on kafka-python, spoken to as ../README.md says."""

import logging
import sys

from common import Printer, ProduceArgs, assignments, flush, parse, say
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

logging.basicConfig(level=logging.WARNING)


def produce(args) -> None:
    producer = KafkaProducer(
        bootstrap_servers=args.bootstrap,
        compression_type=None if args.codec == "none" else args.codec,
        enable_idempotence=args.idempotent,
        acks="all",
        linger_ms=20,
    )
    sent = [(v, value, producer.send(args.topic, value, value, partition=v)) for v, value in args.records()]
    producer.flush()
    for v, value, future in sent:
        try:
            say(f"A {v} {future.get(30).offset} {value.decode()}")
        except Exception as e:  # a refused record is a line of the output, whatever the library raises
            say(f"E {v} {e!r}")
    producer.close()
    say("END")


def consume(args) -> None:
    config = {"max_partition_fetch_bytes": args.max_bytes} if args.max_bytes else {}
    consumer = KafkaConsumer(
        bootstrap_servers=args.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
        isolation_level=args.isolation_level,
        fetch_max_wait_ms=300,
        **config,
    )
    todo = assignments(args)
    while (want := todo.get()) is not None:
        topic, partition = want
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        printer = Printer(partition)
        while todo.empty():
            for records in consumer.poll(50).values():
                for r in records:
                    printer.record(r.partition, r.offset, r.value)
            printer.position(consumer.position(tp))
    consumer.close()


args = parse(sys.argv)
(produce if isinstance(args, ProduceArgs) else consume)(args)
flush()
