"""Where logs begin and end, and which offset a time has: one request for all partitions of a topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec

from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import topic_identity

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
    asked = [_ask(connection, topic, partitions, OffsetSpec.for_timestamp(epoch_ms(i))) for i in instants]
    doing = f"looking up offsets by time in topic {topic!r}"
    answers = ({p: connection.answer(future, doing) for p, future in futures.items()} for futures in asked)
    return [{p: StampedOffset(a.offset, a.timestamp) for p, a in answer.items() if a.offset >= 0} for answer in answers]


def _ends(
    connection: KafkaConnection, topic: str, partitions: Iterable[int] | None, spec: OffsetSpec, what: str
) -> dict[int, int]:
    if partitions is None:
        partitions = topic_identity(connection, topic).partitions
    futures = _ask(connection, topic, partitions, spec)
    doing = f"reading {what} offsets of topic {topic!r}"
    return {partition: connection.answer(future, doing).offset for partition, future in futures.items()}


def _ask(
    connection: KafkaConnection, topic: str, partitions: Iterable[int], spec: OffsetSpec
) -> dict[int, Future[ListOffsetsResultInfo]]:
    """Futures by partition. Committed isolation turns "latest" into the last stable offset."""
    wanted = {TopicPartition(topic, partition): spec for partition in partitions}
    if not wanted:
        return {}
    futures = connection.admin().list_offsets(
        wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=connection.request_timeout_s
    )
    return {topic_partition.partition: future for topic_partition, future in futures.items()}
