"""Client program on kafka-python, spoken to as ../README.md says."""

import logging
import sys

import security
from common import Printer, assignments, flush, parse, run, say, say_assignment, say_topics, stdin_end
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import CommitFailedError, RebalanceInProgressError
from kafka.net.sasl.oauth import AbstractTokenProvider

logging.basicConfig(level=logging.WARNING)
ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}


class TokenFile(AbstractTokenProvider):
    def token(self) -> str:
        return security.token()


def produce(args) -> None:
    producer = KafkaProducer(
        **security.keywords(TokenFile()),
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
        **security.keywords(TokenFile()),
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


def group(args) -> None:
    consumer = KafkaConsumer(
        args.topic,
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
        # A leader that assigns before it has the topic's metadata hands out nothing, and
        # mends that at the next refresh.
        metadata_max_age_ms=2000,
    )
    ended, shown = stdin_end(), None
    while not ended.is_set():
        polled = consumer.poll(200)
        for records in polled.values():
            for r in records:
                say(f"R {r.partition} {r.offset} {r.value.decode()}")
        flush()
        if polled and not args.auto_commit:
            try:
                consumer.commit()
                say("C")
            except (CommitFailedError, RebalanceInProgressError) as e:
                print("commit:", e, file=sys.stderr, flush=True)
        if (now := consumer.assignment()) != shown:
            shown = set(now)
            say_assignment(tp.partition for tp in now)
    consumer.close()
    say("END")


def pattern(args) -> None:
    consumer = KafkaConsumer(
        **security.keywords(TokenFile()),
        bootstrap_servers=args.bootstrap,
        group_id=args.group,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=300,
        metadata_max_age_ms=2000,
    )
    say_topics(consumer.topics())
    consumer.subscribe(pattern=args.pattern)
    ended = stdin_end()
    while not ended.is_set():
        for records in consumer.poll(200).values():
            for r in records:
                say(f"R {r.partition} {r.offset} {r.value.decode()}")
        flush()
    consumer.close()
    say("END")


run(parse(sys.argv), produce, consume, group, pattern)
flush()
