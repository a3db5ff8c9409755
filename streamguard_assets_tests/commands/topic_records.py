"""Reading a whole topic, for the tests of commands that fill one."""

from __future__ import annotations

from confluent_kafka import Consumer, Message, TopicPartition

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets


def records(connection: KafkaConnection, topic: str) -> list[Message]:
    """Every record of ``topic``, each partition in its order."""
    ends = last_stable_offsets(connection, topic)
    consumer = Consumer({"bootstrap.servers": connection.bootstrap_servers, "group.id": "tests"})
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        found: list[Message] = []
        while len(found) < sum(ends.values()):
            found += consumer.consume(500, 10.0)
    finally:
        consumer.close()
    return found


def text(value: bytes | str | None) -> str:
    assert isinstance(value, bytes)
    return value.decode()
