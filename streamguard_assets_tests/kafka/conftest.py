"""Logs to test against: writers of records, transactions and markers on the session's broker."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import IsolationLevel, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec  # pyright: ignore[reportPrivateImportUsage]

from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import topic_identity
from streamguard_assets.settings import KafkaSettings
from streamguard_assets_tests.conftest import JavaTool
from streamguard_assets_tests.waiting import wait_until

ANY_STAMP = {"message.timestamp.after.max.ms": str(2**63 - 1)}
"""Kafka 4 refuses records stamped more than an hour ahead unless the topic allows them."""

HOUR_MS = 3_600_000


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


class LogWriter:
    """Writes to one topic exactly what a test says, partition by partition."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        # not idempotent: compaction would keep an empty batch per producer, and every hole would be half a hole
        self._empty: list[Producer] = []
        self._plain = connection.producer({"enable.idempotence": False}, {"linger.ms": 0})

    def write(self, topic: str, stamps_ms: Iterable[int], partition: int = 0, key: bytes | None = None) -> None:
        """One record per stamp, in order; its value is its stamp."""
        _produce(self._plain, topic, stamps_ms, partition, key)
        assert self._plain.flush(30) == 0

    def write_values(self, topic: str, values: Iterable[bytes | None], partition: int = 0, key: bytes = b"k") -> None:
        for value in values:
            self._plain.produce(topic, value, key=key, partition=partition, on_delivery=_taken)
        assert self._plain.flush(30) == 0

    def transaction(self, topic: str, stamps_ms: Iterable[int], *, commit: bool, partition: int = 0) -> None:
        """One transaction; it ends with a marker, which takes one offset and the broker's own time."""
        self.end_transaction(self.open_transaction(topic, stamps_ms, partition), topic, commit=commit)

    def end_transaction(self, producer: Producer, topic: str, *, commit: bool) -> None:
        """Commit or abort, and wait for the marker: the broker says "done" before it has written it."""
        marked_from = self._high_watermarks(topic)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
        if producer in self._empty:
            return  # no partition took part, so there is no marker
        assert wait_until(lambda: self._high_watermarks(topic) != marked_from)

    def _high_watermarks(self, topic: str) -> dict[int, int]:
        partitions = topic_identity(self._connection, topic).partitions
        futures = self._connection.admin().list_offsets(
            {TopicPartition(topic, p): OffsetSpec.latest() for p in partitions},  # pyright: ignore[reportArgumentType]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
        )
        return {tp.partition: future.result(30).offset for tp, future in futures.items()}

    def open_transaction(self, topic: str, stamps_ms: Iterable[int], partition: int = 0) -> Producer:
        """A transaction whose records are written and that is still open; end it by the producer."""
        producer = self._connection.producer({"transactional.id": uuid.uuid4().hex}, {})
        producer.init_transactions(30)
        producer.begin_transaction()
        stamps_ms = list(stamps_ms)
        _produce(producer, topic, stamps_ms, partition, None)
        assert producer.flush(30) == 0
        if not stamps_ms:
            self._empty.append(producer)
        return producer

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """Do what retention does: move the log start to ``offset``."""
        futures = self._connection.admin().delete_records([TopicPartition(topic, partition, offset)])
        for future in futures.values():
            assert future.result(30).low_watermark == offset


def _produce(producer: Producer, topic: str, stamps_ms: Iterable[int], partition: int, key: bytes | None) -> None:
    for stamp in stamps_ms:
        value = str(stamp).encode()
        producer.produce(topic, value, key=key, partition=partition, timestamp=stamp, on_delivery=_taken)


def _taken(error: KafkaError | None, _message: Message) -> None:
    assert error is None, f"the broker did not take a record: {error}"


@pytest.fixture
def writer(connection: KafkaConnection) -> LogWriter:
    return LogWriter(connection)


@dataclass(frozen=True)
class DumpedRecord:
    """One offset as Kafka's log dump tool prints it."""

    offset: int
    timestamp_ms: int
    producer_id: int
    control: str | None  # COMMIT or ABORT for a transaction's marker


class LogDump:
    """The segments of one partition, as read by ``kafka.tools.DumpLogSegments``: a witness that is not our code."""

    def __init__(self, records: list[DumpedRecord]) -> None:
        self.records = records

    @property
    def visible(self) -> list[DumpedRecord]:
        """What a committed reader must get: data records whose producer's next marker is not an abort."""
        verdict: dict[int, str] = {}
        seen: list[DumpedRecord] = []
        for record in reversed(self.records):
            if record.control is not None:
                verdict[record.producer_id] = record.control
            elif verdict.get(record.producer_id) != "ABORT":
                seen.append(record)
        return seen[::-1]

    @property
    def visible_offsets(self) -> list[int]:
        return [record.offset for record in self.visible]


Dumper = Callable[..., LogDump]


@pytest.fixture
def dump(broker: BrokerInfo, java_tool: JavaTool, tmp_path: Path) -> Dumper:
    """``dump(topic, partition=0)``: what Kafka's own tool says is in the log."""

    def dump_partition(topic: str, partition: int = 0) -> LogDump:
        copies = _frozen_segments(Path(broker.data_dir) / f"{topic}-{partition}", tmp_path / uuid.uuid4().hex)
        files = ",".join(map(str, copies))
        output = java_tool("org.apache.kafka.tools.DumpLogSegments", "--print-data-log", "--files", files)
        by_offset = {record.offset: record for record in _parse(output)}
        return LogDump([by_offset[offset] for offset in sorted(by_offset)])

    return dump_partition


def _frozen_segments(log: Path, copy: Path) -> list[Path]:
    """Links to the segments of a log, since compaction replaces segments while the tool reads them."""
    for attempt in range(100):
        segments, target = sorted(log.glob("*.log")), copy / str(attempt)
        target.mkdir(parents=True)
        try:
            for segment in segments:
                (target / segment.name).hardlink_to(segment)
        except FileNotFoundError:
            continue
        if segments and segments == sorted(log.glob("*.log")):
            return sorted(target.iterdir())
    raise AssertionError(f"the segments of {log} never held still")


def _parse(output: str) -> Iterator[DumpedRecord]:
    producer_id = -1
    for line in output.splitlines():
        if batch := re.search(r"baseOffset: .*producerId: (-?\d+)", line):
            producer_id = int(batch[1])
        elif record := re.search(r"offset: (\d+) .*?CreateTime: (-?\d+)", line):
            marker = re.search(r"endTxnMarker: (\w+)", line)
            yield DumpedRecord(int(record[1]), int(record[2]), producer_id, marker[1] if marker else None)


def holes_between(visible: list[int], start: int, end: int) -> list[tuple[int, int]]:
    """The gaps in ``[start, end)`` that the offsets ``visible`` leave."""
    edges = [start - 1, *(o for o in visible if start <= o < end), end]
    return [(a + 1, b) for a, b in pairwise(edges) if b > a + 1]
