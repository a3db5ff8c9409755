"""Dead letters carry the raw record and Kafka Connect's headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.dead_letters import DeadLetterFailed, send_dead_letters
from streamguard_assets.kafka.errors import UnknownTopic

pytestmark = [pytest.mark.broker]


def row(**changes: Any) -> dict[str, Any]:
    """One row of a quarantine table."""
    return {
        "window": "2026-03-01-10:00",
        "attempt": "attempt-1",
        "topic": "security-events",
        "kafka_partition": 2,
        "kafka_offset": 41,
        "kafka_timestamp": datetime(2026, 3, 1, 10, 0, 0, 5_000, tzinfo=UTC),
        "key": b"\x00key",
        "value": b"{not json \xff",
        "reason": "JSON is malformed",
        "code": "syntax",
        "json_path": "$.user",
        "contract_hash": "c0ffee",
        **changes,
    }


def letters(connection: KafkaConnection, topic: str, count: int) -> list[Message]:
    consumer = connection.consumer({"auto.offset.reset": "error"}, {})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return consumer.consume(count, 20)
    finally:
        consumer.close()


def test_a_letter_is_the_raw_record_with_connects_headers(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    assert send_dead_letters(connection, topic, [row()], stream="security") == 1
    (letter,) = letters(connection, topic, 1)
    assert (letter.key(), letter.value()) == (b"\x00key", b"{not json \xff")
    assert dict(letter.headers() or []) == {
        "__connect.errors.topic": b"security-events",
        "__connect.errors.partition": b"2",
        "__connect.errors.offset": b"41",
        "__connect.errors.connector.name": b"security",
        "__connect.errors.task.id": b"attempt-1",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"c0ffee",
        "__connect.errors.exception.class.name": b"syntax",
        "__connect.errors.exception.message": b"JSON is malformed (at $.user)",
        "streamguard.source.timestamp_ms": b"1772359200005",
    }


def test_tombstones_and_records_without_key_or_time_keep_their_nothing(
    connection: KafkaConnection, fresh_topic
) -> None:
    topic = fresh_topic(partitions=1)
    send_dead_letters(connection, topic, [row(key=None, value=None, kafka_timestamp=None, json_path=None)])
    (letter,) = letters(connection, topic, 1)
    assert (letter.key(), letter.value()) == (None, None)
    headers = dict(letter.headers() or [])
    assert headers["__connect.errors.exception.message"] == b"JSON is malformed"
    assert "streamguard.source.timestamp_ms" not in headers


def test_a_letter_about_the_year_2100_is_stamped_with_its_rejection(connection: KafkaConnection, fresh_topic) -> None:
    """The broker refuses far stamps, and retention deletes old ones: neither may happen to a dead letter."""
    topic = fresh_topic(partitions=1)
    stamps = [datetime(2100, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)]
    assert send_dead_letters(connection, topic, [row(kafka_timestamp=stamp) for stamp in stamps]) == 2
    recent_ms = datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert all(recent_ms < letter.timestamp()[1] < 2 * recent_ms for letter in letters(connection, topic, 2))


def test_many_letters_arrive_in_order(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    assert send_dead_letters(connection, topic, (row(kafka_offset=n) for n in range(500))) == 500
    offsets = [dict(letter.headers() or [])["__connect.errors.offset"] for letter in letters(connection, topic, 500)]
    assert offsets == [b"%d" % n for n in range(500)]


def test_a_letter_that_is_refused_names_its_record(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1, config={"max.message.bytes": "1000"})
    rows = [row(), row(kafka_offset=42, value=b"x" * 5_000)]
    with pytest.raises(DeadLetterFailed, match="partition 2 offset 42"):
        send_dead_letters(connection, topic, rows)


def test_an_unknown_dead_letter_topic_is_told(connection: KafkaConnection) -> None:
    with pytest.raises(UnknownTopic):
        send_dead_letters(connection, "no-such-topic", [row()])
