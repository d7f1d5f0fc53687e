"""Programs that want a feature which the filter does not support hear so from
their library within seconds."""

import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

pytestmark = pytest.mark.remap


def test_librdkafka_says_that_there_are_no_transactions(envoy, new_topic):
    new_topic()
    producer = Producer({"bootstrap.servers": envoy.bootstrap, "transactional.id": "t", "log_level": 0})
    began = time.monotonic()
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(30)
    error = refused.value.args[0]
    assert error.fatal() and "transactions are not supported" in error.str()
    assert time.monotonic() - began < 10


def test_librdkafka_says_that_there_is_no_consumer_protocol(envoy, new_topic):
    """Were ConsumerGroupHeartbeat merely hidden, librdkafka would wait for ever, and
    say nothing even in its log."""
    topic = new_topic()
    config = {"bootstrap.servers": envoy.bootstrap, "group.id": topic.name, "group.protocol": "consumer", "log_level": 0}
    consumer = Consumer(config)
    try:
        consumer.subscribe([topic.name])
        message = consumer.poll(15)
        assert message is not None and message.error().code() == KafkaError._FATAL
        assert "ConsumerGroupHeartbeat" in message.error().str()
    finally:
        consumer.close()
