"""Bounded reads end exactly at their end, on any log, and say which offsets held no record."""

from __future__ import annotations

import time
import uuid

import pytest

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.kafka.chunks import RawChunk
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import (
    KafkaUnavailable,
    OffsetOutOfRange,
    RetentionGap,
    UnknownPartition,
    UnknownTopic,
)
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.reader import SMALL_READ_RECORDS, RangeRead, read_range
from streamguard_assets.kafka.topics import add_partitions
from streamguard_assets_tests.kafka.conftest import Dumper, LogDump, LogWriter, holes_between
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker]


def whole(connection: KafkaConnection, topic: str) -> OffsetRange:
    return OffsetRange(topic, log_start_offsets(connection, topic), last_stable_offsets(connection, topic))


def offsets_of(chunks: list[RawChunk], partition: int = 0) -> list[int]:
    return [offset for chunk in chunks if chunk.partition == partition for offset in chunk.offsets]


def holes_of(read: RangeRead) -> tuple[tuple[int, int], ...]:
    (receipt,) = read.receipt
    return receipt.holes


def drain(read: RangeRead, into: list[int]) -> None:
    for chunk in read:
        into += chunk.offsets


def assert_every_range_is_exact(connection: KafkaConnection, topic: str, dump: LogDump, stride: int = 1) -> None:
    """Read ranges with every kind of edge, and compare records and holes with Kafka's own dump of the log."""
    end = last_stable_offsets(connection, topic)[0]
    ranges = [(0, end)] + [(a, b) for a in range(0, end, stride) for b in {a, a + 1, a + stride, end} if a <= b <= end]
    for start, stop in ranges:
        read = read_range(connection, OffsetRange(topic, {0: start}, {0: stop}))
        delivered = offsets_of(list(read))
        (receipt,) = read.receipt
        assert delivered == [o for o in dump.visible_offsets if start <= o < stop], (start, stop)
        assert list(receipt.holes) == holes_between(dump.visible_offsets, start, stop), (start, stop)
        assert (receipt.start, receipt.end, receipt.delivered) == (start, stop, len(delivered))
        assert receipt.position >= stop


def test_a_range_over_several_partitions_is_read_exactly(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=4)
    for partition, count in {0: 30, 1: 3, 2: 50}.items():
        writer.write(topic, range(1_000, 1_000 + count), partition, key=b"key")
    wanted = OffsetRange(topic, {0: 5, 1: 0, 2: 49, 3: 0}, {0: 20, 1: 3, 2: 50, 3: 0})
    with read_range(connection, wanted, chunk_records=4, with_keys=True) as read:
        chunks = list(read)
        assert read.receipt.delivered == 19
    for partition in wanted.partitions:
        assert offsets_of(chunks, partition) == list(range(wanted.starts[partition], wanted.ends[partition]))
    for chunk in chunks:
        assert len(chunk) <= 4
        assert chunk.timestamps_ms == [1_000 + offset for offset in chunk.offsets]
        assert chunk.values == [b"%d" % stamp for stamp in chunk.timestamps_ms]
        assert chunk.keys == [b"key"] * len(chunk)
    assert all(p.holes == () for p in read.receipt)


def test_committed_aborted_and_plain_records_are_told_apart_as_kafka_does(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, dump: Dumper
) -> None:
    topic = fresh_topic(partitions=1)
    writer.transaction(topic, [1], commit=False)
    writer.write(topic, [2, 3])
    writer.transaction(topic, [4, 5], commit=True)
    writer.transaction(topic, [6, 7, 8], commit=False)
    writer.transaction(topic, [], commit=True)
    writer.write(topic, [9])
    writer.transaction(topic, [10], commit=False)  # the log ends with an aborted record and its marker
    dumped = dump(topic)
    assert {record.control for record in dumped.records} == {None, "COMMIT", "ABORT"}
    assert len(dumped.visible_offsets) == 5
    assert_every_range_is_exact(connection, topic, dumped)


def test_interleaved_transactions_are_told_apart(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, dump: Dumper
) -> None:
    topic = fresh_topic(partitions=1)
    aborted = writer.open_transaction(topic, [1, 2])
    committed = writer.open_transaction(topic, [3])
    writer.write(topic, [4])
    writer.end_transaction(committed, topic, commit=True)
    writer.end_transaction(aborted, topic, commit=False)
    dumped = dump(topic)
    assert [record.timestamp_ms for record in dumped.visible] == [3, 4]
    assert_every_range_is_exact(connection, topic, dumped)


def test_a_compacted_topic_has_holes_where_records_were_replaced(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, dump: Dumper
) -> None:
    quick = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.bytes": str(1024 * 1024),
        "segment.ms": "100",
        "min.compaction.lag.ms": "0",
    }
    topic = fresh_topic(partitions=1, config=quick)
    for round_number in range(10):
        for key in (b"a", b"b", b"c"):
            writer.write_values(topic, [b"%d" % round_number], key=key)
    writer.write_values(topic, [b"once"], key=b"unique")

    def compacted() -> bool:
        # a segment is only closed by a later write, and only closed segments are compacted
        writer.write_values(topic, [b"tick"], key=uuid.uuid4().bytes)
        return len(offsets_of(list(read_range(connection, OffsetRange(topic, {0: 0}, {0: 31}))))) <= 4

    assert wait_until(compacted, timeout_s=60)
    kept = [offset for offset in dump(topic).visible_offsets if offset < 31]
    read = read_range(connection, OffsetRange(topic, {0: 0}, {0: 31}))
    assert offsets_of(list(read)) == kept == [27, 28, 29, 30]
    assert holes_of(read) == ((0, 27),)
    inside = read_range(connection, OffsetRange(topic, {0: 5}, {0: 20}))
    assert list(inside) == []
    assert holes_of(inside) == ((5, 20),)


def test_an_open_transaction_after_the_range_does_not_hold_it_up(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(5))
    producer = writer.open_transaction(topic, [9])
    assert offsets_of(list(read_range(connection, whole(connection, topic)))) == [0, 1, 2, 3, 4]
    with pytest.raises(OffsetOutOfRange, match="offset 6 is past the last stable offset 5"):
        list(read_range(connection, OffsetRange(topic, {0: 0}, {0: 6})))
    writer.end_transaction(producer, topic, commit=False)
    read = read_range(connection, whole(connection, topic))
    list(read)
    assert holes_of(read) == ((5, 7),)


def test_a_large_read_is_cut_into_chunks_and_loses_nothing(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=3)
    sizes = {0: 2 * SMALL_READ_RECORDS, 1: 1_234, 2: 4_000}
    for partition, size in sizes.items():
        writer.write(topic, range(size), partition)
    read = read_range(connection, whole(connection, topic), chunk_records=1_000)
    chunks = list(read)
    assert {len(chunk) for chunk in chunks} == {1_000, 234}
    assert all(offsets_of(chunks, p) == list(range(size)) for p, size in sizes.items())
    assert read.receipt.delivered == sum(sizes.values())


def test_tombstones_and_missing_keys_are_delivered_as_none(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write_values(topic, [None, b""])
    writer.write(topic, [1])
    (chunk,) = read_range(connection, whole(connection, topic), with_keys=True)
    assert chunk.values == [None, b"", b"1"]
    assert chunk.keys == [b"k", b"k", None]


def test_an_empty_range_asks_nothing_of_the_cluster() -> None:
    nobody = KafkaConnection({"bootstrap.servers": "127.0.0.1:1"}, 300)
    read = read_range(nobody, OffsetRange("any", {0: 7}, {0: 7}))
    assert list(read) == []
    assert [(p.start, p.end, p.position, p.delivered) for p in read.receipt] == [(7, 7, 7, 0)]


def test_a_partition_added_later_is_read_like_any_other(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [1])
    add_partitions(connection, topic, 2)
    LogWriter(connection).write(topic, [2, 3], partition=1)
    chunks = list(read_range(connection, whole(connection, topic)))
    assert (offsets_of(chunks, 0), offsets_of(chunks, 1)) == ([0], [0, 1])


def test_deleted_offsets_are_a_gap_and_never_skipped(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, range(10), partition=1)
    writer.delete_before(topic, 6, partition=1)
    with pytest.raises(RetentionGap) as caught:
        list(read_range(connection, OffsetRange(topic, {0: 0, 1: 2}, {0: 0, 1: 10})))
    assert (caught.value.topic, caught.value.partition) == (topic, 1)
    assert (caught.value.missing_start, caught.value.missing_end) == (2, 6)
    with pytest.raises(RetentionGap, match=r"\[2, 4\)"):
        list(read_range(connection, OffsetRange(topic, {1: 2}, {1: 4})))
    assert offsets_of(list(read_range(connection, OffsetRange(topic, {1: 6}, {1: 10}))), 1) == [6, 7, 8, 9]


def test_deletion_in_the_middle_of_a_read_is_a_gap_from_where_it_stood(
    kafka_settings, fresh_topic, writer: LogWriter
) -> None:
    narrow = {"client_options": {"queued.max.messages.kbytes": "64", "fetch.message.max.bytes": "16384"}}
    connection = KafkaConnection.from_settings(kafka_settings.model_copy(update=narrow))
    topic = fresh_topic(partitions=1)
    writer.write_values(topic, [b"x" * 1_000] * 9_000)
    read = read_range(connection, OffsetRange(topic, {0: 0}, {0: 9_000}), chunk_records=10)
    delivered = next(read).offsets
    writer.delete_before(topic, 8_990)
    with pytest.raises(RetentionGap) as caught:
        drain(read, into=delivered)
    # chunks that were full have come out; the read itself stood at most one chunk further
    assert delivered == list(range(len(delivered)))
    assert len(delivered) <= caught.value.missing_start < len(delivered) + 10
    assert caught.value.missing_end == 8_990
    with pytest.raises(RuntimeError, match="not finished"):
        _ = read.receipt


def test_a_range_past_the_log_is_refused(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(3))
    for start, end in ((0, 4), (3, 4), (5, 9)):
        with pytest.raises(OffsetOutOfRange, match=f"offset {end} is past the last stable offset 3"):
            list(read_range(connection, OffsetRange(topic, {0: start}, {0: end})))


def test_what_is_not_there_is_named(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    with pytest.raises(UnknownPartition, match="no partition 5"):
        list(read_range(connection, OffsetRange(topic, {5: 0}, {5: 1})))
    with pytest.raises(UnknownTopic, match=topic):
        list(read_range(connection, OffsetRange(topic + "x", {0: 0}, {0: 1})))


def test_a_missing_cluster_is_told_within_one_time_out() -> None:
    nobody = KafkaConnection({"bootstrap.servers": "127.0.0.1:1"}, 500)
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        list(read_range(nobody, OffsetRange("any", {0: 0}, {0: 1})))
    assert time.monotonic() - began < 3


def test_no_receipt_before_the_end(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    read = read_range(connection, whole(connection, topic), chunk_records=2)
    next(read)
    with pytest.raises(RuntimeError, match="not finished"):
        _ = read.receipt
    read.close()
    assert list(read) == []
    with pytest.raises(RuntimeError, match="not finished"):
        _ = read.receipt


def test_a_chunk_holds_at_least_one_record(connection: KafkaConnection) -> None:
    with pytest.raises(ValueError, match="chunk_records"):
        read_range(connection, OffsetRange("any", {0: 0}, {0: 1}), chunk_records=0)
