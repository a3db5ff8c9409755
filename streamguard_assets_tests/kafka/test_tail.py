"""A read without end, against the real log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.tail import TopicTail
from streamguard_assets.kafka.watch import TopicWatch, topic_facts
from streamguard_assets_tests.conftest import TopicFactory
from streamguard_assets_tests.kafka.conftest import LogWriter
from streamguard_assets_tests.waiting import wait_until

pytestmark = pytest.mark.broker

TailFactory = Callable[..., TopicTail]


@pytest.fixture
def tail(connection: KafkaConnection) -> Iterator[TailFactory]:
    opened: list[TopicTail] = []

    def open_tail(topic: str, positions: dict[int, int]) -> TopicTail:
        opened.append(TopicTail(connection, topic, positions, group=f"group-of-{topic}"))
        return opened[-1]

    yield open_tail
    for each in opened:
        each.close()


class Seen:
    """What a tail has brought so far."""

    def __init__(self, tail: TopicTail) -> None:
        self._tail = tail
        self.offsets: dict[int, list[int | None]] = {}
        self.reached: dict[int, int] = {}
        self.lost: list[int] = []

    def look(self) -> None:
        taken = self._tail.take(0.2)
        for partition, records in taken.records:
            self.offsets.setdefault(partition, []).extend(record.offset() for record in records)
        self.reached |= taken.reached
        self.lost += taken.lost

    def until(self, condition: Callable[[], bool]) -> bool:
        def looked() -> bool:
            self.look()
            return condition()

        return wait_until(looked, 30.0, interval_s=0)


def test_it_begins_at_its_positions_and_brings_what_comes_later(
    tail: TailFactory, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, range(5))
    writer.write(topic, range(3), partition=1)
    seen = Seen(tail(topic, {0: 2, 1: 0}))
    assert seen.until(lambda: seen.offsets == {0: [2, 3, 4], 1: [0, 1, 2]})

    writer.write(topic, range(2))
    assert seen.until(lambda: seen.offsets[0] == [2, 3, 4, 5, 6])


def test_aborted_records_never_come_and_the_end_behind_them_is_told(
    tail: TailFactory, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1)
    writer.transaction(topic, range(4), commit=False)
    writer.transaction(topic, range(2), commit=True)

    seen = Seen(tail(topic, {0: 0}))
    assert seen.until(lambda: seen.reached.get(0) == 8)
    assert seen.offsets == {0: [5, 6]}


def test_a_position_that_retention_took_is_told_as_lost(
    tail: TailFactory, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    writer.delete_before(topic, 6)

    seen = Seen(tail(topic, {0: 3}))
    assert seen.until(lambda: bool(seen.lost))
    assert (seen.lost[0], seen.offsets) == (0, {})


def test_kafkas_own_tools_see_where_it_is(
    tail: TailFactory, connection: KafkaConnection, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    reading = tail(topic, {0: 0})

    def published() -> int:
        reading.take(0.05)
        reading.publish({0: 7})
        group = ConsumerGroupTopicPartitions(f"group-of-{topic}", [TopicPartition(topic, 0)])
        (answer,) = connection.admin().list_consumer_group_offsets([group]).values()
        return answer.result().topic_partitions[0].offset

    assert wait_until(lambda: published() == 7, 30.0)


def test_the_facts_of_a_topic_are_its_id_its_beginning_and_its_committed_end(
    connection: KafkaConnection, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, range(5))
    writer.delete_before(topic, 2)
    watch = TopicWatch(connection, topic)

    facts = watch.ask().result(30)
    watch.close()

    assert (facts.log_starts, facts.end_offsets) == ({0: 2, 1: 0}, {0: 5, 1: 0})
    assert facts == topic_facts(connection, topic)
