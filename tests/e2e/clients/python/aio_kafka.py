"""Client program on aiokafka, spoken to as ../README.md says."""

import asyncio
import logging
import sys

import security
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.abc import AbstractTokenProvider
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from common import Printer, assignments, flush, parse, run, say, say_assignment, say_topics, stdin_end

logging.basicConfig(level=logging.WARNING)
ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}


class TokenFile(AbstractTokenProvider):
    async def token(self) -> str:
        return security.token()


async def produce(args) -> None:
    producer = AIOKafkaProducer(
        **security.keywords(TokenFile()),
        bootstrap_servers=args.bootstrap,
        compression_type=None if args.codec == "none" else args.codec,
        enable_idempotence=args.idempotent,
        acks="all",
        linger_ms=20,
    )
    await producer.start()
    sent, records = [], args.records()
    while record := await asyncio.to_thread(next, records, None):  # which may pause
        v, value = record
        sent.append((v, value, await producer.send(args.topic, value, value, partition=v)))
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
        **security.keywords(TokenFile()),
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


class Exclusive(ConsumerRebalanceListener):
    """Keeps partitions while the `lock` is held: this library rebalances beside the program's own task. Only
    getmany must be called without it, since it waits for a rebalance to end."""

    def __init__(self, lock: asyncio.Lock):
        self.lock = lock

    async def on_partitions_revoked(self, revoked) -> None:
        async with self.lock:
            pass

    async def on_partitions_assigned(self, assigned) -> None:
        say_assignment(tp.partition for tp in assigned)


async def group(args) -> None:
    consumer = AIOKafkaConsumer(
        **security.keywords(TokenFile()),
        bootstrap_servers=args.bootstrap,
        group_id=args.group,
        partition_assignment_strategy=[ASSIGNORS[args.assignor]],
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        auto_offset_reset="earliest",
        enable_auto_commit=args.auto_commit,
        auto_commit_interval_ms=500,
        fetch_max_wait_ms=300,
    )
    lock, ended = asyncio.Lock(), stdin_end()
    consumer.subscribe([args.topic], listener=Exclusive(lock))
    await consumer.start()
    while not ended.is_set():
        polled = await consumer.getmany(timeout_ms=100)
        async with lock:
            for records in polled.values():
                for r in records:
                    say(f"R {r.partition} {r.offset} {r.value.decode()}")
            flush()
            if polled and not args.auto_commit:
                try:
                    await consumer.commit()
                    say("C")
                except KafkaError as e:
                    print("commit:", e, file=sys.stderr, flush=True)
    await consumer.stop()
    say("END")


async def pattern(args) -> None:
    consumer = AIOKafkaConsumer(
        **security.keywords(TokenFile()),
        bootstrap_servers=args.bootstrap,
        group_id=args.group,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=300,
    )
    await consumer.start()
    say_topics(await consumer.topics())
    consumer.subscribe(pattern=args.pattern)
    ended = stdin_end()
    while not ended.is_set():
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for r in records:
                say(f"R {r.partition} {r.offset} {r.value.decode()}")
        flush()
    await consumer.stop()
    say("END")


asyncio.run(run(parse(sys.argv), produce, consume, group, pattern))
flush()
