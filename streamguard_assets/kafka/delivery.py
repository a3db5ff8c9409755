"""Handing records to the cluster and learning what became of each: one idempotent producer, bounded in every way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import ConfigResource, ResourceType  # pyright: ignore[reportPrivateImportUsage]

from streamguard_assets.kafka.client import KafkaConnection, LastError
from streamguard_assets.kafka.errors import KafkaFailure, KafkaRefused
from streamguard_assets.kafka.topics import topic_identity

DELIVERY_FACTOR = 3
"""A record that the cluster has not taken after this many request time-outs has failed."""

POLL_S = 0.5
"""Longest wait in one call to librdkafka, during which an interrupt of the process is not seen."""

IDEMPOTENT: dict[str, Any] = {
    "enable.idempotence": True,  # a retry inside librdkafka must not double an event
    "allow.auto.create.topics": False,  # a misspelt topic is an error, not a new topic
}
TUNING: dict[str, Any] = {
    "linger.ms": 20,
    "compression.type": "lz4",
    "queue.buffering.max.kbytes": 64 * 1024,
}
LARGEST_BATCH_BYTES = 1_000_000
"""librdkafka's own default. A batch larger than the topic takes would be refused whole, small records included."""

KAFKA_LARGEST_RECORD_BYTES = 1_048_588
"""What a topic takes by default; assumed where we may not read its configuration."""

FailureOf = Callable[[str], KafkaFailure]
"""Makes the error for one record out of the reason for which it was not taken."""


class Outbox:
    """Records on their way to one topic. The first of them that failed is raised by the next call."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        topic_identity(connection, topic)  # librdkafka would wait for a missing topic until every record times out
        self.delivered = 0
        self.last_offsets: dict[int, int] = {}
        self._topic = topic
        self._last_error = LastError()
        self._sent = 0
        self._failure: tuple[int, KafkaFailure] | None = None
        largest_bytes = _largest_record_bytes(connection, topic)
        options = {
            **IDEMPOTENT,
            "message.timeout.ms": max(connection.request_timeout_ms * DELIVERY_FACTOR, 1_000),
            "message.max.bytes": max(largest_bytes, 1_000),  # the least that librdkafka accepts
            "batch.size": min(largest_bytes, LARGEST_BATCH_BYTES),
        }
        self._producer = connection.producer(options, TUNING, self._last_error)

    def send(self, value: bytes | None, failure_of: FailureOf, **options: Any) -> None:
        """Queue one record; waits while the queue is full. ``options``: key, timestamp, headers, partition."""
        self._sent += 1
        # One object per record on its way: a closure is six, and the garbage collector walks over all of them.
        told = partial(self._told, self._sent, failure_of)
        while True:
            try:
                self._producer.produce(self._topic, value, on_delivery=told, **options)
                return
            except BufferError:  # the queue is full: let deliveries finish
                self.serve(POLL_S)
            except KafkaException as error:
                raise failure_of(self._with_cause(error.args[0])) from error

    def serve(self, wait_s: float = 0) -> None:
        """Take note of what became of records, for up to ``wait_s``; raise the first failure."""
        self._producer.poll(wait_s)
        if self._failure is not None:
            raise self._failure[1]

    def finish(self) -> None:
        """Wait until every record is delivered or has failed; ``message.timeout.ms`` bounds it."""
        while self._producer.flush(POLL_S):
            self.serve()
        self.serve()

    def abandon(self) -> None:
        """Drop what is still queued: a producer that is only let go would wait for it."""
        self._producer.purge()
        self._producer.flush(POLL_S)

    def _told(self, number: int, failure_of: FailureOf, error: KafkaError | None, message: Message) -> None:
        """What became of record ``number``. Of several that failed, the first that was sent counts."""
        if error is None:
            self._note_delivery(message)
        elif self._failure is None or number < self._failure[0]:
            self._failure = number, failure_of(self._with_cause(error))

    def _note_delivery(self, message: Message) -> None:
        self.delivered += 1
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None and offset > self.last_offsets.get(partition, -1):
            self.last_offsets[partition] = offset

    def _with_cause(self, error: KafkaError) -> str:
        return f"{error.str()} ({self._last_error.text})" if self._last_error.text else error.str()


def _largest_record_bytes(connection: KafkaConnection, topic: str) -> int:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    future = connection.admin().describe_configs([resource], request_timeout=connection.request_timeout_s)[resource]
    try:
        entries = connection.answer(future, f"reading the configuration of topic {topic!r}")
    except KafkaRefused as refusal:
        if refusal.code != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        return KAFKA_LARGEST_RECORD_BYTES  # a producer need not be allowed to read configurations
    return int(entries["max.message.bytes"].value)
