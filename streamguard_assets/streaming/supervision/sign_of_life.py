"""A second way to hear of a stream whose heartbeat is late: its process answers for itself when the lake is away.

A full disk takes no heartbeat either. The process that waits for it must not be taken for one that hangs, and killed.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, HeartbeatFile, Warn

ANSWER_TIMEOUT_S = 1.0
"""A process that sleeps or is stopped accepts the connection, and answers nothing."""
_START = "streamguard_stream_start_timestamp_seconds"
_TURN = "streamguard_stream_last_turn_timestamp_seconds"


def last_sign(file: HeartbeatFile, now: datetime, stale_after: timedelta, warn: Warn) -> Heartbeat | None:
    """The newest heartbeat; a stale one is brought up to date by the process' own answer, when there is one.

    None when there is none, or when the file is damaged, of which ``warn`` is told. ``OSError`` when the store does
    not answer.
    """
    heartbeat = file.read_sound(warn)
    if heartbeat is None or heartbeat.is_over or heartbeat.host.is_gone() or not heartbeat.is_stale(now, stale_after):
        return heartbeat
    turned_at = _answered(heartbeat)
    if turned_at is None:
        return heartbeat
    return replace(heartbeat, snapshot=replace(heartbeat.snapshot, at=now, turn_at=turned_at))


def _answered(heartbeat: Heartbeat) -> datetime | None:
    """When the loop last came round, by its process' metrics; None when that process does not answer."""
    if heartbeat.host.metrics is None:
        return None
    try:
        with urllib.request.urlopen(f"http://{heartbeat.host.metrics}/metrics", timeout=ANSWER_TIMEOUT_S) as response:
            text = response.read().decode()
    except (urllib.error.URLError, OSError, ValueError):
        return None
    told = _values(text, heartbeat.snapshot.stream)
    # Another process may have the port by now.
    if abs(told.get(_START, 0.0) - heartbeat.snapshot.started_at.timestamp()) > 0.001 or _TURN not in told:
        return None
    return datetime.fromtimestamp(told[_TURN], UTC)


def _values(text: str, stream: str) -> dict[str, float]:
    # Imported here: a heartbeat is late once in a long while.
    from prometheus_client.parser import text_string_to_metric_families

    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels == {"stream": stream}
    }
