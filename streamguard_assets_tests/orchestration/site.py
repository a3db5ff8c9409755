"""A stream with its code location, its instance and a clock that the test holds: what the daemon has, in one process.

The clock stands before the real one, since Dagster knows only windows that have begun by its own clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from confluent_kafka import KafkaError, Message, TopicPartition
from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    build_sensor_context,
)
from dagster._core.definitions.sensor_definition import SensorExecutionData

from streamguard_assets.contracts.windows import window_key
from streamguard_assets.definitions import build_defs
from streamguard_assets.orchestration.running import QUIET, RunOutcome, run_windows
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream, open_stream

HOUR = timedelta(hours=1)
STREAM = "security"
USERS = 12
"""Two more than the model wants at least."""


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass
class Clock:
    """Stands still until the test moves it."""

    instant: datetime

    def __call__(self) -> datetime:
        return self.instant


@dataclass
class Site:
    """One stream, from its first window on; hours count from ``begin``."""

    settings: Settings
    instance: DagsterInstance
    begin: datetime
    clock: Clock
    partitions: int = 2
    produced: int = field(default=0, init=False)
    _run_keys: set[str] = field(default_factory=set, init=False)

    @cached_property
    def stream(self) -> Stream:
        """The stream as another process sees it: the assets have one of their own."""
        return open_stream(self.settings, STREAM, lake_location(self.settings))

    @cached_property
    def definitions(self) -> Definitions:
        return build_defs(self.settings, now=self.clock)

    def window(self, hour: int) -> str:
        return window_key(self.begin + hour * HOUR)

    def windows(self, hours: Iterable[int]) -> list[str]:
        return [self.window(hour) for hour in hours]

    def at(self, hours: float) -> None:
        """Put the clock to ``hours`` after the begin."""
        self.clock.instant = self.begin + hours * HOUR

    def restart(self) -> None:
        """The code server starts anew: nothing that was opened or remembered is left."""
        self.__dict__.pop("definitions", None)
        self.__dict__.pop("stream", None)

    def produce(self, hour: float, count: int = 24, broken: int = 0) -> None:
        """``count`` events of the minutes after ``hour``, and ``broken`` records that are no JSON."""
        producer = self.stream.connection.producer({"enable.idempotence": False}, {"linger.ms": 5})
        first = self.begin + hour * HOUR
        for index in range(count + broken):
            stamp_ms = int((first + index * timedelta(seconds=1)).timestamp() * 1000)
            value = b"{" if index >= count else _event(self.produced + index, stamp_ms)
            producer.produce(
                self.settings.stream(STREAM).topic,
                value,
                partition=index % self.partitions,
                timestamp=stamp_ms,
                on_delivery=_taken,
            )
        self.produced += count + broken
        assert producer.flush(30) == 0

    def delete_before(self, offset: int, partition: int = 0) -> None:
        """Do what retention does: move the log start of one partition to ``offset``."""
        topic = self.settings.stream(STREAM).topic
        for future in (
            self.stream.connection.admin().delete_records([TopicPartition(topic, partition, offset)]).values()
        ):
            assert future.result(30).low_watermark == offset

    def run(self, hours: Sequence[int], assets: Sequence[str] | None = None) -> RunOutcome:
        """One run of the windows job, as the command does it."""
        return run_windows(self.definitions, self.instance, STREAM, self.windows(hours), assets)

    def tick(self) -> SensorExecutionData:
        """What the sensor says now."""
        sensor = self.definitions.resolve_sensor_def(f"{STREAM}_sensor")
        with build_sensor_context(self.instance, resources=dict(self.definitions.resources or {})) as context:
            return sensor.evaluate_tick(context)

    def launch(self, request: RunRequest) -> ExecuteInProcessResult:
        """What the daemon and the run launcher do with a request, at once."""
        assert request.run_key is not None
        assert request.run_key not in self._run_keys, "the daemon drops a request whose key it has seen"
        self._run_keys.add(request.run_key)
        return self.definitions.resolve_job_def(f"{STREAM}_windows").execute_in_process(
            instance=self.instance,
            tags=dict(request.tags),
            asset_selection=list(request.asset_selection or []),
            raise_on_error=False,
            run_config=QUIET,
        )

    def settle(self, most: int = 8) -> list[RunRequest]:
        """Tick and launch until a tick asks for nothing; every request in order."""
        asked: list[RunRequest] = []
        for _ in range(most):
            requests = self.tick().run_requests or []
            if not requests:
                return asked
            asked += requests
            for request in requests:
                assert self.launch(request).success
        raise AssertionError(f"no rest after {most} ticks: {[request.run_key for request in asked]}")

    def materializations(self, asset: str) -> dict[str, list[dict[str, Any]]]:
        """By window, the metadata of what Dagster recorded of an asset, the newest first."""
        key = AssetKey([STREAM, asset])
        found: dict[str, list[dict[str, Any]]] = {}
        for record in self.instance.fetch_materializations(AssetRecordsFilter(key), limit=5_000).records:
            event = record.asset_materialization
            assert event is not None
            assert event.partition is not None
            found.setdefault(event.partition, []).append({name: value.value for name, value in event.metadata.items()})
        return found


def _event(number: int, stamp_ms: int) -> bytes:
    event = {
        "event_id": f"e{number}",
        "timestamp": stamp_ms,
        "event_type": "auth_attempt" if number % 3 else "file_access",
        "user": f"user{number % USERS:02d}",
        "source_ip": f"10.0.0.{number % 7}",
        "destination_ip": "10.1.0.1",
        "status": "failed" if number % USERS == 0 else "success",
        "threat_score": (number % 10) / 10,
        "metadata": {"geo_location": "DE", "port": 22},
    }
    return json.dumps(event).encode()


def _taken(error: KafkaError | None, _message: Message) -> None:
    assert error is None, f"the broker did not take a record: {error}"
