"""The embedded engine under measurement: run here until it has come so far, or in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from streamguard_assets.bench.live_log import LOOK_EVERY_S, LiveLog, SeenCommit
from streamguard_assets.bench.room import STREAM, Bench
from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import Settings, StreamingSettings
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.engine import run_stream
from streamguard_assets.streaming.progress import Progress
from streamguard_assets.streaming.steps import Step
from streamguard_assets.windows.stream import open_stream

PARTITIONS = 3
PATIENCE_S = 120.0
"""After so long without a commit there will be none, and no figure."""


def stream_until(
    settings: Settings, reached: Callable[[Offsets], bool], on_step: Callable[[Step], None] = lambda _: None
) -> None:
    """Run the stream in this process until its committed positions are what is wanted."""
    stream = open_stream(settings, STREAM, LakeLocation(settings.lake_uri))
    control, progress = Control(), Progress(STREAM, "bench", _now)

    def looking(step: Step) -> None:
        on_step(step)
        if step is Step.AFTER_REPORT and reached(progress.snapshot().positions):
            control.stop("measured")

    run_stream(stream, "bench", control, progress, now=_now, on_step=looking)


def next_commits(log: LiveLog, rows: int) -> list[SeenCommit]:
    """The next commits as they come, until they hold ``rows`` rows; ``AssertionError`` when none comes for long."""
    seen: list[SeenCommit] = []
    newest_s = time.monotonic()
    while sum(commit.rows for commit in seen) < rows:
        new = list(log.new_commits())
        seen += new
        if new:
            newest_s = time.monotonic()
        elif time.monotonic() - newest_s > PATIENCE_S:
            raise AssertionError(f"{rows} rows were to come, and after {sum(c.rows for c in seen)} nothing did")
        else:
            time.sleep(LOOK_EVERY_S)
    return seen


@contextmanager
def stream_process(bench: Bench, topic: str, trigger_ms: int, state: str) -> Iterator[subprocess.Popen[bytes]]:
    command = _program("stream_until_told", str(bench.folder / state), bench.servers, topic, str(trigger_ms))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def steady_events(bench: Bench, topic: str, rate_per_s: float, for_s: float) -> Iterator[subprocess.Popen[bytes]]:
    command = _program("steady_events", bench.servers, topic, str(rate_per_s), str(for_s))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"streamguard_assets.bench.programs.{name}", *arguments]


def ends_within(process: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def stamped_topic(bench: Bench, topic: str) -> None:
    """Stamped by the broker: how long a record was on its way to it is not the stream's."""
    connection = KafkaConnection.from_settings(bench.settings(topic).kafka)
    layout = TopicLayout(PARTITIONS, 1, FOR_EVER_MS)
    create_topic(connection, topic, layout, config={"message.timestamp.type": "LogAppendTime"})


def stream_settings(bench: Bench, topic: str, state: str, **streaming: object) -> Settings:
    """Those of a stream on ``topic`` with a lake of its own, that begins with the first record."""
    wanted = StreamingSettings.model_validate({"start": "earliest", **streaming})
    return bench.settings(topic).model_copy(update={"state_dir": bench.folder / state, "streaming": wanted})


def live_events(bench: Bench, state: str) -> Path:
    return bench.folder / state / "lake" / STREAM / "live" / "events"


def _now() -> datetime:
    return datetime.now(UTC)
