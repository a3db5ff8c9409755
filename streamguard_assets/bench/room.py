"""Where cases work: a folder of their own that goes away, and a broker of their own in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from streamguard_assets.bench.events import event_values
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.kafka.broker.lifecycle import OwnedBroker
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import KafkaSettings, LakeSettings, Settings, StreamSettings
from streamguard_assets.windows.stream import Stream, open_stream

STREAM = "security"
WINDOW = "2026-01-31-14:00"
BLOCK_RECORDS = 100_000

OpenAction = Callable[[Settings], AbstractContextManager[Callable[[], object]]]
"""Something that Dagster does, made ready by entering and done once by each call."""


@dataclass(frozen=True)
class DagsterActions:
    """What only the rooms above can do, handed down so that this one need not know Dagster.

    ``tick``: one look of the planning sensor. ``window_run``: all assets of ``WINDOW`` in one run in this process.
    """

    tick: OpenAction
    window_run: OpenAction


@dataclass
class Bench:
    """What a suite of cases is given.

    ``scale`` shrinks every case for a quick look; figures then prove nothing. ``running_broker`` is the address of
    a broker to use; None: one is started for the first case that needs it.
    """

    base: Settings
    dagster: DagsterActions
    scale: float = 1.0
    running_broker: str | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.base.state

    def records(self, full: int) -> int:
        """How many records stand for ``full`` at this scale."""
        return max(1_000, int(full * self.scale))

    def settings(self, topic: str) -> Settings:
        """Settings of a stream on ``topic``, with a state folder and a lake of its own."""
        return self.base.model_copy(
            update={
                "state_dir": self.folder / topic,
                "kafka": KafkaSettings.model_validate({"bootstrap_servers": self.servers}),
                "streams": {
                    STREAM: StreamSettings.model_validate(
                        {"topic": topic, "contract": "security", "start": window_start(WINDOW)}
                    )
                },
            }
        )

    def stream(self, topic: str) -> Stream:
        settings = self.settings(topic)
        return open_stream(settings, STREAM, LakeLocation(settings.lake_uri))

    @property
    def servers(self) -> str:
        """Where the broker is reached."""
        if self.running_broker is None:
            self.running_broker = self._stack.enter_context(OwnedBroker(self.base)).bootstrap_servers
        return self.running_broker

    def filled_topic(self, topic: str, records: int, partitions: int) -> OffsetRange:
        """Create ``topic`` and fill it with ``records`` events of ``WINDOW``; the range that holds them."""
        connection = KafkaConnection.from_settings(self.settings(topic).kafka)
        create_topic(connection, topic, TopicLayout(partitions, 1, FOR_EVER_MS))
        _produce(connection, topic, records, partitions, window_start(WINDOW))
        ends = last_stable_offsets(connection, topic)
        return OffsetRange(topic, dict.fromkeys(ends, 0), ends)


@contextmanager
def bench_room(settings: Settings, dagster: DagsterActions, scale: float = 1.0) -> Iterator[Bench]:
    """A room beside the user's state, with the user's Java and jars and nothing else of theirs."""
    parent = settings.state / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=parent) as folder:
        base = settings.model_copy(
            update={
                "state_dir": Path(folder),
                "jvm": settings.jvm.model_copy(update={"jar_cache_dir": settings.jar_cache}),
                "kafka": KafkaSettings.model_validate({}),
                "lake": LakeSettings.model_validate({}),
            }
        )
        with ExitStack() as stack:
            yield Bench(base, dagster, scale, _stack=stack)


def _produce(connection: KafkaConnection, topic: str, records: int, partitions: int, start: datetime) -> None:
    producer = connection.producer({}, {"linger.ms": 20, "queue.buffering.max.messages": 2 * BLOCK_RECORDS})
    stamp_ms = int(start.timestamp() * 1_000)
    for first in range(0, records, BLOCK_RECORDS):
        block = min(BLOCK_RECORDS, records - first)
        for number, value in enumerate(event_values(block, start, seed=first)):
            producer.produce(
                topic, value, partition=number % partitions, timestamp=stamp_ms + (first + number) % 3_600_000
            )
        producer.flush()
