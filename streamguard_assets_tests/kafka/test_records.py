"""Records with their own time and key, against a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import UnknownTopic
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.records import RecordNotTaken, produce_records
from streamguard_assets.settings import KafkaSettings

pytestmark = [pytest.mark.broker]

STAMP_MS = 1_417_497_596_000


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


def messages(connection: KafkaConnection, topic: str) -> list[Message]:
    """Every record of ``topic``, each partition in its order."""
    ends = last_stable_offsets(connection, topic)
    consumer = Consumer({"bootstrap.servers": connection.bootstrap_servers, "group.id": "tests"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found: list[Message] = []
    while len(found) < sum(ends.values()):
        found += consumer.consume(500, 10.0)
    consumer.close()
    return found


def test_each_record_has_its_time_key_and_value(connection: KafkaConnection, fresh_topic: Callable[..., str]) -> None:
    topic = fresh_topic()
    sent = [(STAMP_MS + n, f"k{n % 7}", b"v%d" % n) for n in range(2_500)]
    report = produce_records(connection, topic, sent)
    found = messages(connection, topic)
    told = [(m.timestamp()[1], (m.key() or b"").decode(), m.value()) for m in found]
    assert sorted(told) == sorted(sent)
    for key in {key for _, key, _ in sent}:
        assert [r for r in told if r[1] == key] == [r for r in sent if r[1] == key]
    assert (report.sent, report.produced) == (2_500, 2_500)
    assert (report.earliest_ms, report.latest_ms) == (STAMP_MS, STAMP_MS + 2_499)
    assert report.last_offsets == {p: end - 1 for p, end in last_stable_offsets(connection, topic).items() if end}


def test_an_error_of_the_source_is_raised_as_it_is(
    connection: KafkaConnection, fresh_topic: Callable[..., str]
) -> None:
    def failing() -> Iterator[tuple[int, str, bytes]]:
        yield STAMP_MS, "k", b"v"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        produce_records(connection, fresh_topic(), failing())


def test_a_record_that_the_topic_does_not_take_is_an_error_that_names_the_topic(
    connection: KafkaConnection, fresh_topic: Callable[..., str]
) -> None:
    topic = fresh_topic(config={"max.message.bytes": "2000"})
    with pytest.raises(RecordNotTaken, match=topic) as failure:
        produce_records(connection, topic, [(STAMP_MS, "k", b"x" * 5_000)])
    assert "makes those twice" in str(failure.value)


def test_an_unknown_topic_is_known_before_anything_is_drawn(connection: KafkaConnection) -> None:
    def never() -> Iterator[tuple[int, str, bytes]]:
        pytest.fail("nothing may be drawn for a topic that is not there")
        yield

    with pytest.raises(UnknownTopic):
        produce_records(connection, "no-such-topic-anywhere", never())
