"""Where logs begin and end, and which offset a time has: one request for all partitions of a topic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec  # pyright: ignore[reportPrivateImportUsage]

from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import LeaderMoved
from streamguard_assets.kafka.topics import POLL_S, list_topics, topic_identity

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StampedOffset:
    """An offset and the timestamp of the record that it holds, epoch milliseconds."""

    offset: int
    timestamp_ms: int


def epoch_ms(instant: datetime) -> int:
    """Milliseconds since the epoch, rounded up: a record stamped with fewer is before ``instant``."""
    return -((EPOCH - instant) // MILLISECOND)


def log_start_offsets(
    connection: KafkaConnection, topic: str, partitions: Iterable[int] | None = None
) -> dict[int, int]:
    """The first offset that each partition still has; the rest was deleted by retention."""
    return _ends(connection, topic, partitions, OffsetSpec.earliest(), "log start")


def last_stable_offsets(
    connection: KafkaConnection, topic: str, partitions: Iterable[int] | None = None
) -> dict[int, int]:
    """One past the last offset that a committed reader can see, per partition.

    Not the high watermark: behind this offset stand the records of transactions that are still open.
    """
    return _ends(connection, topic, partitions, OffsetSpec.latest(), "last stable")


def first_offsets_since(
    connection: KafkaConnection, topic: str, partitions: Iterable[int], instants: Sequence[datetime]
) -> list[dict[int, StampedOffset]]:
    """For each instant, per partition, the first offset stamped at or after it, as the broker's time index says.

    A partition without such an offset is absent. The offset may hold what no reader sees (a transaction marker, an
    aborted record) and may be stamped in the future. All requests are under way at once.
    """
    partitions = list(partitions)
    specs = [OffsetSpec.for_timestamp(epoch_ms(i)) for i in instants]
    answers = _answers(connection, topic, partitions, specs, f"looking up offsets by time in topic {topic!r}")
    return [{p: StampedOffset(a.offset, a.timestamp) for p, a in answer.items() if a.offset >= 0} for answer in answers]


def _ends(
    connection: KafkaConnection, topic: str, partitions: Iterable[int] | None, spec: OffsetSpec | None, what: str
) -> dict[int, int]:
    if partitions is None:
        partitions = topic_identity(connection, topic).partitions
    doing = f"reading {what} offsets of topic {topic!r}"
    (answer,) = _answers(connection, topic, list(partitions), [spec], doing)
    return {partition: found.offset for partition, found in answer.items()}


def _answers(
    connection: KafkaConnection,
    topic: str,
    partitions: Sequence[int],
    specs: Sequence[OffsetSpec | None],
    doing: str,
) -> list[dict[int, ListOffsetsResultInfo]]:
    """One answer per spec and partition; a partition that is changing its leader is asked again."""
    deadline = time.monotonic() + connection.request_timeout_s
    while True:
        asked = [_ask(connection, topic, partitions, spec) for spec in specs]
        try:
            return [{p: connection.answer(future, doing) for p, future in futures.items()} for futures in asked]
        except LeaderMoved:
            if time.monotonic() > deadline:
                raise
            list_topics(connection)  # makes librdkafka learn the new leaders
            connection.admin().poll(POLL_S)


def _ask(
    connection: KafkaConnection, topic: str, partitions: Sequence[int], spec: OffsetSpec | None
) -> dict[int, Future[ListOffsetsResultInfo]]:
    """Futures by partition. Committed isolation turns "latest" into the last stable offset."""
    if not partitions:
        return {}
    futures = connection.admin().list_offsets(
        {TopicPartition(topic, partition): spec for partition in partitions},  # pyright: ignore[reportArgumentType]
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=connection.request_timeout_s,
    )
    return {topic_partition.partition: future for topic_partition, future in futures.items()}
