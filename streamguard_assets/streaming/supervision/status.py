"""How a stream is, from the lake alone: what is wanted, and what its process last told. Needs no Kafka, no Dagster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.decision import HOUR
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.lake_fault import lake_fault
from streamguard_assets.streaming.supervision.sign_of_life import last_sign
from streamguard_assets.streaming.supervision.wanted import Wanted, WantedTable

NEVER_STARTED = "never started"
GONE = "gone"
"""Its process has ended without a word."""
SILENT = "silent"
"""Its process has not been heard, or its loop has not come round, for too long; or what it told is damaged."""
UNKNOWN = "unknown"
"""The lake does not answer, so nobody can tell."""

Found = TypeVar("Found")

_PREPARING = frozenset({Phase.STARTING, Phase.STOPPING})


@dataclass(frozen=True)
class StreamStatus:
    """One look.

    Attributes:
        wanted: what is wanted of it; None when the lake did not tell.
        phase: what the stream does, or how it ended.
        is_live: whether somebody runs it.
        damage: why its last sign of life could not be read; empty when it could, or there is none.
        fault: what the lake said instead of an answer; empty when it answered.
    """

    stream: str
    wanted: Wanted | None
    heartbeat: Heartbeat | None
    phase: str
    is_live: bool
    at: datetime
    damage: str = ""
    fault: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it lands events, or waits for some; a stream that is paused or that begins does not."""
        return self.is_live and self.phase not in (Phase.PAUSED, *_PREPARING)

    @property
    def restarts(self) -> int:
        """Restarts of the last hour, as far as its process knew when it began."""
        heartbeat = self.heartbeat
        if heartbeat is None or self.at - heartbeat.snapshot.started_at > HOUR:
            return 0
        return heartbeat.host.restarts

    @property
    def last_error(self) -> str:
        """Why it failed, or why the one before it did, or why nobody can tell; empty when nothing did."""
        if self.heartbeat is None:
            return self.damage
        snapshot = self.heartbeat.snapshot
        return snapshot.reason if snapshot.phase in (Phase.FAILED, Phase.LOST) else self.heartbeat.host.last_error

    def as_document(self) -> dict[str, Any]:
        """Everything that is known, as plain values; what only a running process has is None without one."""
        wanted = self.wanted
        document: dict[str, Any] = {
            "stream": self.stream,
            "wanted": wanted and wanted.state.value,
            "wanted_by": wanted and wanted.by,
            "wanted_reason": wanted and wanted.reason,
            "wanted_at": wanted and wanted.at,
            "phase": self.phase,
            "is_live": None if self.phase == UNKNOWN else self.is_live,
            "restarts": self.restarts,
            "last_error": self.fault or self.last_error,
        }
        return document | _told(self.heartbeat, self.is_live)


class StatusReader:
    """Reads the status of one stream again and again, cheaply."""

    def __init__(self, settings: Settings, location: LakeLocation, stream: str) -> None:
        self._stream = stream
        self._stale_after = timedelta(seconds=settings.streaming.stale_after_s)
        self._wanted = WantedTable(location, stream)
        self._file = HeartbeatFile(location, stream)

    def read(self, now: datetime) -> StreamStatus:
        """The stream as it is at ``now``, for those who act on it: whatever the lake raises is raised."""
        return self._status(now, self._wanted.current(), *self._sign(now))

    def look(self, now: datetime) -> StreamStatus:
        """The same for those who only show it: what the lake does not tell is unknown, and ``fault`` says why."""
        faults: list[str] = []
        wanted = _unless_faulty(self._wanted.current, faults)
        sign = _unless_faulty(lambda: self._sign(now), faults)
        fault = "; ".join(faults)
        if sign is None:
            return StreamStatus(self._stream, wanted, None, UNKNOWN, False, now, fault=fault)
        return replace(self._status(now, wanted, *sign), fault=fault)

    def _sign(self, now: datetime) -> tuple[Heartbeat | None, str]:
        damage: list[str] = []
        return last_sign(self._file, now, self._stale_after, damage.append), "".join(damage)

    def _status(self, now: datetime, wanted: Wanted | None, heartbeat: Heartbeat | None, damage: str) -> StreamStatus:
        is_live = heartbeat is not None and heartbeat.is_live(now, self._stale_after)
        phase = _phase(heartbeat, is_live, is_damaged=bool(damage))
        return StreamStatus(self._stream, wanted, heartbeat, phase, is_live, now, damage)


def _unless_faulty(read: Callable[[], Found], faults: list[str]) -> Found | None:
    """What ``read`` gives; None when the lake does not answer, of which ``faults`` are told. Defects are raised."""
    try:
        return read()
    except LakeError as error:
        faults.append(str(error))
    except Exception as error:
        fault = lake_fault(error)
        if fault is None:
            raise
        faults.append(fault)
    return None


def _phase(heartbeat: Heartbeat | None, is_live: bool, is_damaged: bool) -> str:
    if heartbeat is None:
        return SILENT if is_damaged else NEVER_STARTED
    if is_live or heartbeat.is_over:
        return heartbeat.snapshot.phase.value
    return GONE if heartbeat.host.is_gone() else SILENT


def _told(heartbeat: Heartbeat | None, is_live: bool) -> dict[str, Any]:
    if heartbeat is None:
        return {}
    now, host = heartbeat.snapshot, heartbeat.host
    return {
        "reason": now.reason,
        "owner": now.owner,
        "run_id": host.run_id,
        "host": host.host,
        "pid": host.process.pid,
        "metrics": host.metrics if is_live else None,
        "lag_events": now.lag_events,
        "lag_s": now.lag_s,
        "events_per_s": now.events_per_s if is_live else 0.0,
        "events": now.events,
        "rejected": now.rejected,
        "late": now.late,
        "commits": now.commits,
        "commit_ms_p50": now.commit_ms_p50,
        "commit_ms_p99": now.commit_ms_p99,
        "latency_ms_p50": now.latency_ms_p50,
        "latency_ms_p99": now.latency_ms_p99,
        "positions": dict(now.positions),
        "end_offsets": dict(now.end_offsets),
        "table_version": now.version,
        "started_at": now.started_at,
        "last_commit_at": now.last_commit_at,
        "heard_at": now.at,
    }
