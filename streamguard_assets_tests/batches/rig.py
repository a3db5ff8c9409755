"""A stream of transactions on a topic of its own, of which a test makes batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
from confluent_kafka import KafkaError, Message, TopicPartition

from streamguard_assets.batches.build import build_raw, build_results, tables_of
from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.pinning import pin
from streamguard_assets.batches.record import BatchRecord
from streamguard_assets.batches.request import Batch, BatchRequest, End, Start
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic, delete_topic
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream, open_stream
from streamguard_assets_tests.contracts.transaction_records import transaction

STREAM = "transactions"
NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)

RigFactory = Callable[..., "BatchRig"]


def transactions(count: int, first: int = 0, **changes: Any) -> list[bytes]:
    """``count`` good transactions with ids of their own, of three categories, a second apart."""
    return [
        transaction(
            transaction_id=f"t-{number}",
            event_timestamp=f"2026-01-31T14:{number // 60 % 60:02d}:{number % 60:02d}Z",
            category=("books", "toys & games", "")[number % 3],
            **changes,
        )
        for number in range(first, first + count)
    ]


class BatchRig:
    """``stream`` is one process' view of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stream = self.again()

    def again(self) -> Stream:
        """The stream as another process opens it."""
        return open_stream(self.settings, STREAM, LakeLocation(self.settings.lake_uri))

    @property
    def topic(self) -> str:
        return self.stream.topic

    def produce(self, values: Iterable[bytes | None], partition: int = 0, topic: str | None = None) -> None:
        producer = self.stream.connection.producer({}, {"linger.ms": 5})
        for value in values:
            producer.produce(topic or self.topic, value, partition=partition, on_delivery=_taken)
        assert producer.flush(30) == 0

    def delete_before(self, offset: int, partition: int = 0) -> None:
        """Do what retention does: move the log start of one partition to ``offset``."""
        wanted = [TopicPartition(self.topic, partition, offset)]
        for future in self.stream.connection.admin().delete_records(wanted).values():
            assert future.result(30).low_watermark == offset

    def recreate_topic(self) -> None:
        delete_topic(self.stream.connection, self.topic)
        create_topic(self.stream.connection, self.topic, TopicLayout(2, 1, FOR_EVER_MS))

    def pin(
        self, start: Start = "earliest", end: End = "latest", analysis: str = "full_report", now: datetime = NOW
    ) -> Batch:
        return pin(self.settings, self.stream.connection, BatchRequest(self.topic, start, end, analysis), now)

    def build(self, batch: Batch, run: str = "run") -> BatchRecord:
        """All of a batch, as its run does it."""
        build_raw(self.stream, batch, run, NOW)
        if batch.analyses:
            build_results(self.stream, batch, batch.analyses, run)
        record = CompletedBatches(self.stream).complete(batch, NOW)
        assert record is not None
        return record

    def raw(self, batch: Batch) -> pl.DataFrame:
        return tables_of(self.again(), batch.batch_id).raw.scan().collect()

    def result(self, batch: Batch, name: str) -> pl.DataFrame:
        return tables_of(self.again(), batch.batch_id).aggregated(name).scan().collect()


def batch_settings(topic: str, **more: Any) -> Mapping[str, Any]:
    """Settings of one stream of transactions on ``topic``."""
    return {STREAM: {"topic": topic, "batch_topics": [], **more}}


def _taken(error: KafkaError | None, _message: Message) -> None:
    assert error is None, f"the broker did not take a record: {error}"
