"""Client program on confluent-kafka (librdkafka), spoken to as ../README.md says."""

import sys

import security
from common import Printer, assignments, flush, parse, run, say, say_assignment, say_topics, stdin_end
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition


def produce(args) -> None:
    producer = Producer({
        **security.librdkafka(),
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
        **security.librdkafka(),
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


def group(args) -> None:
    config = {
        **security.librdkafka(),
        "bootstrap.servers": args.bootstrap,
        "group.id": args.group,
        "partition.assignment.strategy": args.assignor,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": args.auto_commit,
        "auto.commit.interval.ms": 500,
        "fetch.wait.max.ms": 300,
        # Only then are new partitions handed out, however early they were heard of.
        "topic.metadata.refresh.interval.ms": 5000,
    }
    if args.instance:
        config["group.instance.id"] = args.instance
    consumer = Consumer(config)
    ended, done = stdin_end(), {}

    def commit(*_) -> None:
        """Of what was printed since the last commit; before partitions are taken away, too."""
        flush()
        if done and not args.auto_commit:
            try:
                consumer.commit(offsets=[TopicPartition(args.topic, p, o) for p, o in done.items()], asynchronous=False)
                say("C")
            except KafkaException as e:
                print("commit:", e, file=sys.stderr, flush=True)
        done.clear()

    def show(*_) -> None:
        say_assignment(tp.partition for tp in consumer.assignment())

    # An empty list of "incremental" changes is no assignment yet: show what is there once it is in force.
    consumer.subscribe([args.topic], on_revoke=commit, on_lost=lambda *_: done.clear())
    shown = None
    while not ended.is_set():
        m = consumer.poll(0.1)
        if m is None or len(done) > 200:
            commit()
        elif m.error():
            print("error:", m.error(), file=sys.stderr, flush=True)
        else:
            say(f"R {m.partition()} {m.offset()} {m.value().decode()}")
            done[m.partition()] = m.offset() + 1
        if (now := [tp.partition for tp in consumer.assignment()]) != shown:
            shown = now
            show()
    commit()
    consumer.close()
    say("END")


def pattern(args) -> None:
    consumer = Consumer({
        **security.librdkafka(),
        "bootstrap.servers": args.bootstrap,
        "group.id": args.group,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 300,
    })
    say_topics(consumer.list_topics(timeout=20).topics)
    consumer.subscribe([args.pattern])  # one that starts with ^ is taken as a pattern
    ended = stdin_end()
    while not ended.is_set():
        for m in consumer.consume(500, 0.1):
            if m.error():
                print("error:", m.error(), file=sys.stderr, flush=True)
            else:
                say(f"R {m.partition()} {m.offset()} {m.value().decode()}")
        flush()
    consumer.close()
    say("END")


run(parse(sys.argv), produce, consume, group, pattern)
flush()
