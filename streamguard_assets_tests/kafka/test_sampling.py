"""Samples: exactly N records when N exist, spread over the partitions, whatever the holes, and no others."""

from __future__ import annotations

import pytest

from streamguard_assets.kafka.chunks import RawChunk
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import OffsetOutOfRange, RetentionGap, UnknownPartition
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.sampling import SampleRead, SampleStart, plan_sample, read_sample
from streamguard_assets_tests.kafka.conftest import LogWriter, holes_between

pytestmark = [pytest.mark.broker]


def sample(
    connection: KafkaConnection, topic: str, count: int, start: SampleStart = "earliest", chunk_records: int = 7
) -> tuple[dict[int, list[int]], SampleRead]:
    """Offsets by partition, sorted, and the finished read."""
    plan = plan_sample(connection, topic, count, start)
    read = read_sample(connection, plan, chunk_records=chunk_records, with_keys=True)
    chunks: list[RawChunk] = list(read)
    assert all(0 < len(chunk) <= chunk_records and chunk.offsets == sorted(chunk.offsets) for chunk in chunks)
    partitions = sorted({chunk.partition for chunk in chunks})
    taken = {p: sorted(o for chunk in chunks if chunk.partition == p for o in chunk.offsets) for p in partitions}
    assert read.receipt.delivered == sum(map(len, taken.values()))
    for receipt in read.receipt:
        offsets = taken.get(receipt.partition, [])
        assert list(receipt.holes) == holes_between(offsets, receipt.start, receipt.end)
        assert all(read.offset_range.covers(receipt.partition, offset) for offset in offsets)
    return taken, read


def test_records_are_spread_and_the_remainder_is_given_out(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=3)
    for partition in range(3):
        writer.write(topic, range(20), partition)
    taken, read = sample(connection, topic, 11)
    assert taken == {0: [0, 1, 2, 3], 1: [0, 1, 2, 3], 2: [0, 1, 2]}
    assert read.offset_range == plan_sample(connection, topic, 11).expected_range
    newest, read = sample(connection, topic, 11, "latest")
    assert newest == {0: [16, 17, 18, 19], 1: [16, 17, 18, 19], 2: [17, 18, 19]}
    assert read.offset_range == plan_sample(connection, topic, 11, "latest").expected_range


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_short_and_empty_partitions_are_made_up_for(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, start: SampleStart
) -> None:
    topic = fresh_topic(partitions=4)
    for partition, size in {0: 2, 2: 50, 3: 50}.items():
        writer.write(topic, range(size), partition)
    taken, _ = sample(connection, topic, 22, start)
    assert {p: len(offsets) for p, offsets in taken.items()} == {0: 2, 2: 10, 3: 10}


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_all_there_is_when_there_is_less(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, start: SampleStart
) -> None:
    topic = fresh_topic(partitions=2)
    assert sample(connection, topic, 5, start)[0] == {}
    writer.write(topic, range(3), 1)
    assert sample(connection, topic, 5, start)[0] == {1: [0, 1, 2]}


@pytest.mark.parametrize("start", ["earliest", "latest"])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 13, 14, 15, 40])
def test_holes_do_not_count(
    connection: KafkaConnection, holed_topic: tuple[str, dict[int, list[int]]], start: SampleStart, count: int
) -> None:
    topic, visible = holed_topic
    taken, _ = sample(connection, topic, count, start, chunk_records=3)
    exist = sum(map(len, visible.values()))
    assert sum(map(len, taken.values())) == min(count, exist)
    for partition, offsets in taken.items():
        records = visible[partition]
        assert offsets == (records[: len(offsets)] if start == "earliest" else records[-len(offsets) :])


@pytest.fixture
def holed_topic(fresh_topic, writer: LogWriter) -> tuple[str, dict[int, list[int]]]:
    """A topic of two partitions, one mostly of aborted records, and its visible offsets."""
    topic = fresh_topic(partitions=2)
    writer.write(topic, [1, 2])  # 0, 1
    writer.transaction(topic, range(30), commit=False)  # 2 to 31, marker 32
    writer.write(topic, [3])  # 33
    writer.transaction(topic, [4, 5], commit=True)  # 34, 35, marker 36
    writer.transaction(topic, range(3), commit=False)  # 37 to 39, marker 40
    writer.write(topic, range(9), partition=1)  # 0 to 8
    return topic, {0: [0, 1, 33, 34, 35], 1: list(range(9))}


def test_given_offsets_are_where_it_begins(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=3)
    for partition in range(3):
        writer.write(topic, range(10), partition)
    assert sample(connection, topic, 5, {0: 8, 2: 4})[0] == {0: [8, 9], 2: [4, 5, 6]}


def test_given_offsets_that_are_not_there_are_refused(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    writer.delete_before(topic, 4)
    with pytest.raises(RetentionGap, match=r"\[2, 4\)"):
        plan_sample(connection, topic, 1, {0: 2})
    with pytest.raises(OffsetOutOfRange):
        plan_sample(connection, topic, 1, {0: 11})
    with pytest.raises(UnknownPartition):
        plan_sample(connection, topic, 1, {3: 0})
    with pytest.raises(ValueError, match="at least one"):
        plan_sample(connection, topic, 0)


def test_a_sample_begins_at_the_log_start_and_ends_where_it_was_planned(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    writer.delete_before(topic, 4)
    plan = plan_sample(connection, topic, 100)
    writer.write(topic, range(5))
    read = read_sample(connection, plan)
    assert [offset for chunk in read for offset in chunk.offsets] == [4, 5, 6, 7, 8, 9]
    assert last_stable_offsets(connection, topic) == {0: 15}


def test_no_receipt_before_the_end(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    read = read_sample(connection, plan_sample(connection, topic, 10), chunk_records=2)
    next(read)
    with pytest.raises(RuntimeError, match="not finished"):
        _ = read.receipt
