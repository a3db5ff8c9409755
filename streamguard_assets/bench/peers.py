"""What others do in our place: the leanest program that could stand where a case stands."""

from __future__ import annotations

from confluent_kafka import Consumer, Message, TopicPartition

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.kafka.client import KafkaConnection

BATCH_RECORDS = 1_000


def bare_consumer(connection: KafkaConnection, covered: OffsetRange) -> int:
    """Read a range with confluent-kafka as fast as it goes, keep value, offset, partition and timestamp; the count.

    Tuned with the one option that pays (``fetch.queue.backoff.ms``: 3 to 4 times faster than the defaults). It
    checks nothing, writes nothing, and ends by counting, which only a log without holes allows.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": connection.bootstrap_servers,
            "group.id": "streamguard-bench",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    values: list[object] = []
    offsets: list[object] = []
    partitions: list[object] = []
    stamps: list[object] = []
    try:
        consumer.assign([TopicPartition(covered.topic, p, covered.starts[p]) for p in covered.partitions])
        while len(values) < covered.span:
            messages = consumer.consume(BATCH_RECORDS, 1.0)
            values += map(Message.value, messages)
            offsets += map(Message.offset, messages)
            partitions += map(Message.partition, messages)
            stamps += map(Message.timestamp, messages)
    finally:
        consumer.close()
    return len(values)
