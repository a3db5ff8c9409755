"""What a running stream tells of itself: written by its loop, read by whoever watches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from streamguard_assets.contracts.offsets import Offsets

RECENT = timedelta(minutes=1)
"""Rates and percentiles are of so long."""


class Phase(StrEnum):
    """What the loop is doing."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    WAITING_FOR_KAFKA = "waiting_for_kafka"
    WAITING_FOR_LAKE = "waiting_for_lake"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"
    """Another writer has taken the stream over."""


@dataclass(frozen=True)
class StreamSnapshot:
    """One look at a running stream. Totals are of this life of the process, rates and percentiles of its last minute.

    ``lag_s`` is the age of the oldest record that is not committed yet, by the records' own Kafka timestamps; 0 when
    there is none. Latency runs from a record's Kafka timestamp to the return of the commit that holds it. ``turn_at``
    is the last turn of the loop, ``at`` the moment of the look.
    """

    stream: str
    owner: str
    at: datetime
    started_at: datetime
    phase: Phase = Phase.STARTING
    reason: str = ""
    epoch: int | None = None
    version: int | None = None
    positions: Offsets = field(default_factory=dict)
    end_offsets: Offsets = field(default_factory=dict)
    lag_events: int = 0
    lag_s: float = 0.0
    events: int = 0
    rejected: int = 0
    late: int = 0
    commits: int = 0
    bytes: int = 0
    batch_records: int = 0
    events_per_s: float = 0.0
    commit_ms_p50: float | None = None
    commit_ms_p99: float | None = None
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None
    dashboard_rows: int = 0
    dashboard_state_bytes: int = 0
    last_commit_at: datetime | None = None
    turn_at: datetime | None = None

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> StreamSnapshot:
        """``ValueError`` when ``text`` is not such a document."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not the snapshot of a stream: {error}") from error


@dataclass(frozen=True)
class Landed:
    """One commit to ``live/events``, as the loop reports it. ``latencies_ms`` are of a sample of its records."""

    at: datetime
    records: int
    events: int
    rejected: int
    bytes: int
    commit_ms: float
    latencies_ms: tuple[float, ...]
    version: int


class Progress:
    """Thread-safe. The loop writes with ``note``, ``landed`` and ``turn``; ``snapshot`` gives a consistent look."""

    def __init__(self, stream: str, owner: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._recent: deque[Landed] = deque()
        moment = now()
        self._state = StreamSnapshot(stream, owner, at=moment, started_at=moment)

    def note(self, **changes: Any) -> None:
        """Set fields of the snapshot by name."""
        with self._lock:
            self._state = replace(self._state, **changes)

    def turn(self, phase: Phase, reason: str = "") -> None:
        """The loop has come round, and this is what it does now."""
        self.note(phase=phase, reason=reason, turn_at=self._now())

    def note_lag(self, oldest_uncommitted_s: float | None, records_in_hand: int = 0) -> None:
        """The Kafka timestamp of the oldest record in hand, seconds since the epoch; None when there is none.

        The end of the log is asked for now and then only: records in hand may be past the one that is known.
        """
        moment = self._now()
        lag_s = 0.0 if oldest_uncommitted_s is None else max(0.0, moment.timestamp() - oldest_uncommitted_s)
        with self._lock:
            ends, positions = self._state.end_offsets, self._state.positions
            known = sum(max(0, end - positions.get(p, end)) for p, end in ends.items())
            self._state = replace(self._state, lag_events=max(known, records_in_hand), lag_s=lag_s)

    def landed(self, commit: Landed, positions: Mapping[int, int]) -> None:
        """A micro-batch is committed."""
        with self._lock:
            self._recent.append(commit)
            self._forget(commit.at)
            self._state = replace(
                self._state,
                positions=dict(positions),
                events=self._state.events + commit.events,
                rejected=self._state.rejected + commit.rejected,
                commits=self._state.commits + 1,
                bytes=self._state.bytes + commit.bytes,
                batch_records=commit.records,
                last_commit_at=commit.at,
                version=commit.version,
            )

    def snapshot(self) -> StreamSnapshot:
        """The stream as it is now."""
        with self._lock:
            moment = self._now()
            self._forget(moment)
            return replace(self._state, at=moment, **self._rates(moment))

    def _forget(self, moment: datetime) -> None:
        while self._recent and self._recent[0].at < moment - RECENT:
            self._recent.popleft()

    def _rates(self, moment: datetime) -> dict[str, float | None]:
        if not self._recent:
            return {"events_per_s": 0.0}
        alive_s = max(1.0, min(RECENT, moment - self._state.started_at).total_seconds())
        commits = [commit.commit_ms for commit in self._recent]
        latencies = [ms for commit in self._recent for ms in commit.latencies_ms]
        return {
            "events_per_s": sum(commit.events for commit in self._recent) / alive_s,
            "commit_ms_p50": _percentile(commits, 50),
            "commit_ms_p99": _percentile(commits, 99),
            "latency_ms_p50": _percentile(latencies, 50),
            "latency_ms_p99": _percentile(latencies, 99),
        }


def _percentile(values: list[float], share: float) -> float | None:
    return float(np.percentile(values, share)) if values else None
