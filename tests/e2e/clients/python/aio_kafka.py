"""Client program on aiokafka, spoken to as ../README.md says."""

import asyncio
import logging
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from common import Printer, ProduceArgs, assignments, flush, parse, say

logging.basicConfig(level=logging.WARNING)


async def produce(args) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=args.bootstrap,
        compression_type=None if args.codec == "none" else args.codec,
        enable_idempotence=args.idempotent,
        acks="all",
        linger_ms=20,
    )
    await producer.start()
    sent = [(v, value, await producer.send(args.topic, value, value, partition=v)) for v, value in args.records()]
    for v, value, future in sent:
        try:
            say(f"A {v} {(await future).offset} {value.decode()}")
        except Exception as e:  # a refused record is a line of the output, whatever the library raises
            say(f"E {v} {e!r}")
    await producer.stop()
    say("END")


async def consume(args) -> None:
    config = {"max_partition_fetch_bytes": args.max_bytes} if args.max_bytes else {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=args.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
        check_crcs=True,
        isolation_level=args.isolation_level,
        fetch_max_wait_ms=300,
        **config,
    )
    await consumer.start()
    todo = assignments(args)
    while (want := todo.get()) is not None:
        topic, partition = want
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        printer = Printer(partition)
        while todo.empty():
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for r in records:
                    printer.record(r.partition, r.offset, r.value)
            printer.position(await consumer.position(tp))
    await consumer.stop()


args = parse(sys.argv)
asyncio.run(produce(args) if isinstance(args, ProduceArgs) else consume(args))
flush()
