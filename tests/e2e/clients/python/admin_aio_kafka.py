"""Verbs of ../README.md's `admin`, with aiokafka."""

import sys

from admin import numbers, serve
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code


def admin(bootstrap: str) -> None:
    def with_client(use):
        async def run(*words):
            client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
            await client.start()
            try:
                return await use(client, *words)
            finally:
                await client.close()

        return run

    def check(results) -> None:
        """Raises what an answer says of its first topic, as programs must do by themselves."""
        name, code, *message = results[0]
        if code:
            raise for_code(code)(*(m for m in message if m))

    async def create(client, topic: str, count: str) -> int:
        check((await client.create_topics([NewTopic(topic, int(count), 1)])).topic_errors)
        return await describe(client, topic)

    async def create_on(client, topic: str, count: str) -> None:
        new = NewTopic(topic, -1, -1, replica_assignments={p: [1] for p in range(int(count))})
        check((await client.create_topics([new])).topic_errors)

    async def grow(client, topic: str, count: str) -> None:
        await client.create_partitions({topic: NewPartitions(int(count))})

    async def delete(client, topic: str) -> None:
        check((await client.delete_topics([topic])).topic_error_codes)

    async def delete_records(client, topic: str, offset: str, partitions: str) -> None:
        await client.delete_records({TopicPartition(topic, p): RecordsToDelete(int(offset)) for p in numbers(partitions)})

    async def describe(client, topic: str) -> int:
        (found,) = await client.describe_topics([topic])
        if found["error_code"]:
            raise for_code(found["error_code"])
        return len(found["partitions"])

    async def topics(client) -> str:
        return " ".join(await client.list_topics())

    async def configs(client, topic: str) -> str:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        entries = answer.to_object()["resources"][0]["config_entries"]
        return next(e["config_value"] for e in entries if e["config_names"] == "retention.ms")

    async def broker_config(client) -> None:
        answers = await client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {"log.cleaner.threads": "1"})])
        for code, message, *_ in (resource for answer in answers for resource in answer.resources):
            if code:
                raise for_code(code)(message)

    async def produce(topic: str) -> int:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=5000)
        await producer.start()
        try:
            return (await producer.send_and_wait(topic, b"v")).offset
        finally:
            await producer.stop()

    async def join(topic: str, group: str) -> None:
        """Reads one record."""
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
        await consumer.start()
        await consumer.getone()

    async def transact(topic: str, name: str) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=5000, transactional_id=name)
        await producer.start()
        await producer.stop()

    administration = {
        "create": create,
        "create-on": create_on,
        "grow": grow,
        "delete": delete,
        "delete-records": delete_records,
        "describe": describe,
        "list": topics,
        "configs": configs,
        "broker-config": broker_config,
    }
    verbs = {verb: with_client(use) for verb, use in administration.items()}
    serve({**verbs, "produce": produce, "join": join, "transact": transact})


admin(sys.argv[1])
