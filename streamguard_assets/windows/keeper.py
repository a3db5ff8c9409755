"""Keeping the boundary ledger: decide what is due, store it once, and read windows from it.

The ledger's first boundary is the start of the stream: its setting, or the hour of the oldest record, where the
offsets are the log's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from streamguard_assets.contracts.offsets import Boundary, OffsetRange, range_between
from streamguard_assets.contracts.windows import window_key, window_start
from streamguard_assets.kafka.boundaries import (
    decide_boundaries,
    decide_boundary,
    log_start_boundary,
    oldest_record_hour,
)
from streamguard_assets.kafka.errors import TopicRecreated
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.topics import topic_id
from streamguard_assets.settings import environment_variable
from streamguard_assets.windows.stream import Stream, decided_start, store_start
from streamguard_assets.windows.view import LedgerWindow

EARLIEST_PLAUSIBLE_START = datetime(2000, 1, 1, tzinfo=UTC)
"""One record stamped in seconds where milliseconds are meant lies in 1970, and would give a ledger of half a million
hours that can never be cut back."""


class ImplausibleStartError(Exception):
    """The oldest record is stamped so long ago that a stream must not begin there unasked."""


class NoRecordsYetError(Exception):
    """A stream without a configured start has no first record to begin at."""


def keep_ledger(stream: Stream, now: datetime) -> int:
    """Decide and store every boundary that is due at ``now``; returns how many are new.

    Safe beside other processes that do the same: each boundary is stored once, and the loser reads the winner's.

    Raises:
        NoRecordsYetError: no start is configured and the topic is empty.
        TopicRecreated: the topic is not the one that the ledger was begun on.
        UnknownTopic, KafkaUnavailable: from the cluster.
    """
    previous = stream.ledger.last()
    if previous is None:
        previous = stream.ledger.insert(_start(stream, now), now)
    store_start(stream.settings, stream.name, stream.ledger.boundaries()[0].instant)
    due = stream.cadence.floor(now - timedelta(seconds=stream.config.grace_s))
    if due <= previous.instant:
        refuse_another_topic(stream)  # nothing to decide now, and an hour is long to go on with the wrong topic
        return 0
    instants = stream.cadence.instants(stream.cadence.next(previous.instant), due)
    skew = timedelta(seconds=stream.config.skew_s)
    boundaries = list(decide_boundaries(stream.connection, stream.topic, instants, previous, now, skew))
    stream.ledger.insert_many(boundaries, now)
    return len(boundaries)


def window_slices(stream: Stream, windows: Sequence[str], now: datetime) -> dict[str, LedgerWindow]:
    """The offsets of ``windows`` as the ledger has them now.

    A window before the start is absent (it is empty). A window past the last boundary is open: it reaches to the
    last stable offsets of this moment, if it is the one that is filling; later ones have no offsets and are absent.
    """
    stored = stream.ledger.boundaries()  # once: another process may add one between two looks
    if not stored:
        return {}
    boundaries, last = {b.instant: b for b in stored}, stored[-1]
    slices: dict[str, LedgerWindow] = {}
    for window in windows:
        begin = window_start(window)
        lower, upper = boundaries.get(begin), boundaries.get(stream.cadence.end(window))
        if lower is not None and upper is not None:
            slices[window] = LedgerWindow(window, range_between(stream.topic, lower, upper), closed=True)
        elif lower is last and begin <= now:
            slices[window] = LedgerWindow(window, open_range(stream, last), closed=False)
    return slices


def refuse_another_topic(stream: Stream) -> None:
    """Offsets of the ledger are only read from the topic that they were decided on.

    Raises:
        TopicRecreated: the topic is another one now, under the same name.
    """
    last = stream.ledger.last()
    if last is not None and (current := topic_id(stream.connection, stream.topic)) != last.topic_id:
        raise TopicRecreated(stream.topic, last.topic_id, current)


def open_range(stream: Stream, last: Boundary) -> OffsetRange:
    """From the last decided boundary to the last stable offsets of this moment.

    Raises:
        TopicRecreated: the offsets now would be those of another topic.
    """
    refuse_another_topic(stream)
    ends = last_stable_offsets(stream.connection, stream.topic)
    # A boundary never falls, but a last stable offset may lag behind it while a leader changes.
    upper = {p: max(end, last.offsets.get(p, 0)) for p, end in ends.items()}
    return range_between(stream.topic, last, Boundary(last.instant, upper, last.topic_id))


def closed_windows(stream: Stream) -> list[LedgerWindow]:
    """Every closed window that holds offsets, ascending. Empty ones are complete by the ledger alone."""
    boundaries = stream.ledger.boundaries()
    return [
        LedgerWindow(window_key(lower.instant), range_between(stream.topic, lower, upper), closed=True)
        for lower, upper in pairwise(boundaries)
        if lower.offsets != upper.offsets
    ]


def still_open(stream: Stream, windows: Sequence[str]) -> set[str]:
    """Those of ``windows`` that can still grow: the boundary at their end is not decided yet."""
    last = stream.ledger.last()
    return {window for window in windows if last is None or stream.cadence.end(window) > last.instant}


def open_window(stream: Stream) -> LedgerWindow | None:
    """The window that is filling now, or None while nothing is decided or it has no offsets yet."""
    last = stream.ledger.last()
    if last is None:
        return None
    covered = open_range(stream, last)
    return None if covered.is_empty else LedgerWindow(window_key(last.instant), covered, closed=False)


def _start(stream: Stream, now: datetime) -> Boundary:
    """The first boundary: decided by time where the start is set, else at the log's start."""
    skew = timedelta(seconds=stream.config.skew_s)
    if (configured := decided_start(stream.settings, stream.name)) is not None:
        return decide_boundary(stream.connection, stream.topic, configured, None, now, skew)
    oldest = oldest_record_hour(stream.connection, stream.topic, now, skew)
    if oldest is None:
        raise NoRecordsYetError(
            f"topic {stream.topic!r} holds no records yet, and streams.{stream.name}.start is not set: "
            "produce something first, or set the start"
        )
    if oldest < EARLIEST_PLAUSIBLE_START:
        raise ImplausibleStartError(
            f"the oldest record of topic {stream.topic!r} is stamped {oldest:%F %R}, and the stream would begin there "
            f"for good; set {environment_variable(f'streams.{stream.name}.start')} to where it really begins"
        )
    return log_start_boundary(stream.connection, stream.topic, stream.cadence.floor(oldest))


def missing_windows(stream: Stream, windows: Sequence[str]) -> list[str]:
    """Closed windows among ``windows`` that hold offsets by the ledger and are not in ``events``."""
    commits = stream.table("events").commits()
    boundaries = {b.instant: b.offsets for b in stream.ledger.boundaries()}
    missing = []
    for window in windows:
        lower, upper = boundaries.get(window_start(window)), boundaries.get(stream.cadence.end(window))
        if lower is not None and upper is not None and lower != upper and window not in commits:
            missing.append(window)
    return missing
