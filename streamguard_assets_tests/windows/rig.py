"""A stream on the session's broker with a lake of its own, and the handles that tests turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from confluent_kafka import KafkaError, Message, TopicPartition

from streamguard_assets.kafka.offsets import epoch_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic, delete_topic
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import Settings
from streamguard_assets.windows.checks import CheckResult, CheckScope, committed_windows, run_checks
from streamguard_assets.windows.derive import DERIVED
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import keep_ledger, window_slices
from streamguard_assets.windows.observe import observe, policy_of
from streamguard_assets.windows.planning import Plan, plan
from streamguard_assets.windows.stream import Stream, open_stream
from streamguard_assets.windows.view import LedgerWindow
from streamguard_assets_tests.contracts.records import record
from streamguard_assets_tests.kafka.conftest import LogWriter

START = datetime(2025, 3, 3, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAM = "security"


def at(hour: float) -> datetime:
    """``hour`` hours after the first window begins."""
    return START + hour * HOUR


def key(hour: int) -> str:
    """The window that begins ``hour`` hours after the first."""
    return f"{at(hour):%Y-%m-%d-%H:%M}"


def event(number: int, moment: datetime = START, **changes: Any) -> bytes:
    """A good event; the number is in its id, and spreads users, addresses and threat scores."""
    fields = {
        "event_id": f"e-{number}",
        "timestamp": epoch_ms(moment),
        "user": f"user-{number % 12}",
        "source_ip": f"10.0.{number % 5}.{number % 7}",
        "threat_score": (number % 10) / 10,
    }
    return record(**{**fields, **changes})


def opened(settings: Settings) -> Stream:
    """The stream, as a process that just started has it."""
    return open_stream(settings, STREAM, LakeLocation(settings.lake_uri))


class Rig:
    """``stream`` is one process' view; ``again()`` is that of another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stream = opened(settings)
        self._attempts: Iterator[int] = iter(range(1, 1_000))

    def again(self) -> Rig:
        """A new process on the same state."""
        return Rig(self.settings)

    @property
    def topic(self) -> str:
        return self.stream.topic

    @property
    def writer(self) -> LogWriter:
        return LogWriter(self.stream.connection)

    # Kafka

    def produce(
        self, values: Iterable[bytes | None], hour: float = 0, partition: int = 0, record_key: bytes | None = b"k"
    ) -> None:
        """One record per value, stamped one second apart from ``hour`` on."""
        producer = self.stream.connection.producer({}, {"linger.ms": 0, "message.max.bytes": 8_000_000})
        for second, value in enumerate(values):
            stamp = epoch_ms(at(hour) + timedelta(seconds=second))
            producer.produce(
                self.topic, value, key=record_key, partition=partition, timestamp=stamp, on_delivery=_taken
            )
        assert producer.flush(30) == 0

    def produce_hours(self, hours: Iterable[int], events: int = 30, partition: int = 0) -> None:
        """``events`` good events in each hour."""
        for hour in hours:
            numbers = range(hour * 1_000, hour * 1_000 + events)
            moments = [at(hour) + timedelta(seconds=i) for i in range(events)]
            self.produce([event(n, m) for n, m in zip(numbers, moments, strict=True)], hour, partition)

    def delete_before(self, offset: int, partition: int = 0) -> None:
        """Do what retention does."""
        self.writer.delete_before(self.topic, offset, partition)

    def recreate_topic(self, partitions: int = 2) -> None:
        """Delete the topic and make it anew."""
        delete_topic(self.stream.connection, self.topic)
        create_topic(self.stream.connection, self.topic, TopicLayout(partitions, 1, FOR_EVER_MS))

    # The windows room

    def keep(self, hour: float) -> int:
        return keep_ledger(self.stream, at(hour))

    def window(self, hour: int, now: float = 1_000) -> LedgerWindow:
        """A window as the ledger has it."""
        return window_slices(self.stream, [key(hour)], at(now))[key(hour)]

    def ingest(self, *hours: int, now: float = 1_000, attempt: str | None = None) -> list[WindowCommit]:
        """The commits of the windows of these hours; all of them hold offsets."""
        commits = []
        with Ingest(self.stream, attempt or f"run{next(self._attempts)}", at(now)) as ingest:
            for hour in hours:
                commit = ingest.window(self.window(hour, now))
                assert commit is not None
                commits.append(commit)
        return commits

    def derive(self, *hours: int, attempt: str = "derived") -> dict[str, dict[int, WindowCommit | None]]:
        """Everything after ``events``, in build order, windows ascending within an asset."""
        return {
            asset: {hour: build(self.stream, key(hour), attempt) for hour in hours} for asset, build in DERIVED.items()
        }

    def plan(self, hour: float) -> Plan:
        return plan(observe(self.stream, at(hour)), policy_of(self.stream))

    def obey(self, asked: Plan, hour: float) -> None:
        """Do what the runs of a plan do."""
        for request in asked.requests:
            slices = window_slices(self.stream, request.windows, at(hour))
            if "events" in request.assets:
                with Ingest(self.stream, f"plan{next(self._attempts)}", at(hour)) as ingest:
                    for window in request.windows:
                        if window in slices:
                            ingest.window(slices[window])
            for asset in request.assets:
                if asset != "events":
                    for window in request.windows:
                        DERIVED[asset](self.stream, window, "derived")

    # The lake

    def events(self, hour: int | None = None) -> pl.DataFrame:
        """Rows of a window (None: of all) by place in Kafka."""
        rows = self.stream.table("events").scan(None if hour is None else [key(hour)]).collect()
        return rows.sort("kafka_partition", "kafka_offset")

    def offsets(self, hour: int, partition: int = 0) -> list[int]:
        return self.events(hour).filter(pl.col("kafka_partition") == partition)["kafka_offset"].to_list()

    def rejected(self, hour: int) -> pl.DataFrame:
        """Rows of quarantine that count."""
        attempt = self.stream.table("events").commits()[key(hour)].attempt
        return self.stream.quarantine.scan({key(hour): attempt}).collect().sort("kafka_partition", "kafka_offset")

    def checks(self, now: float = 1_000) -> dict[str, CheckResult]:
        """Every check over every committed window, by name."""
        scope = CheckScope(self.stream, committed_windows(self.stream), at(now))
        return {result.check.name: result for result in run_checks(scope)}

    def violations(self) -> list[str]:
        """What the checks that must hold find, in words."""
        results = self.again().checks().values()
        return [f"{f.window}: {f.text}" for r in results if r.check.must_hold for f in r.findings]

    def contents(self, asset: str) -> dict[str, str]:
        """Content hash by window."""
        return {window: commit.content_hash for window, commit in self.stream.table(asset).commits().items()}


def with_contract(rig: Rig, contract: Any) -> Rig:
    """The same stream under another contract."""
    changed = rig.again()
    changed.stream.__dict__["contract"] = contract
    return changed


def consume(rig: Rig, topic: str, count: int) -> list[Message]:
    """``count`` messages of partition 0 from the beginning."""
    consumer = rig.stream.connection.consumer({"auto.offset.reset": "error"}, {})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return consumer.consume(count, 20)
    finally:
        consumer.close()


def stream_settings(topic: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``streams``: no grace, so that a boundary is decided when its hour is over."""
    return {STREAM: {"topic": topic, "grace_s": 0, "lookback_windows": 3, **changes}}


def replaced(window: LedgerWindow, **changes: Any) -> LedgerWindow:
    return dataclasses.replace(window, **changes)


def _taken(error: KafkaError | None, _message: Message) -> None:
    assert error is None, f"the broker did not take a record: {error}"
