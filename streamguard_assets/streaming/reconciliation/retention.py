"""Removes live rows that complete windows hold, once both were found to say the same and some time has passed.

From each partition a prefix goes, so that one offset says what is gone. It ends before the first window that is not
proven or not due, before the first offset that no complete window holds, and at what the dashboard has not taken in
yet. The state of ``live/events`` says first what is gone; ``live/quarantine`` follows, and is taken along by the next
turn if this one ends between the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from streamguard_assets.contracts.offsets import OffsetRange, Offsets
from streamguard_assets.lake.care.report import CareReport
from streamguard_assets.lake.care.unneeded import delete_unneeded
from streamguard_assets.lake.catalog import live_tables
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import Change, Dropped, LiveTable
from streamguard_assets.streaming.coverage import TopicsDiffer, pin_live, within
from streamguard_assets.streaming.live_tables import DASHBOARD, live_events, live_quarantine
from streamguard_assets.streaming.reconciliation.reconcile import Reconciliation, moved_since
from streamguard_assets.streaming.reconciliation.verdicts import Verdict
from streamguard_assets.windows.stream import Stream

KEPT_FILES_HOURS = 6
"""How long files of older versions stay: readers that pinned one take their time, staged files wait for commits."""


@dataclass(frozen=True)
class Candidate:
    """A complete window as retention sees it: its offsets, and why its live rows must stay (None: they may go)."""

    window: str
    range: OffsetRange
    refusal: str | None


@dataclass(frozen=True)
class Bounds:
    """Per partition the offset below which live rows may go, and why it is not further."""

    below: Offsets
    reasons: Mapping[int, str]


@dataclass(frozen=True)
class Removal:
    """What one turn removed.

    Attributes:
        removed: per partition the offset below which live rows are gone now.
        events, rejected: rows that went, files that were rewritten or dropped, bytes by which a table shrank.
        kept: why nothing more was removed, a line per partition that still holds rows.
        files: per live table the files on the store, before and after those that nobody needs were deleted.
    """

    removed: Offsets
    events: Dropped
    rejected: Dropped
    kept: tuple[str, ...]
    files: Mapping[str, CareReport]


def remove_covered(stream: Stream, found: Reconciliation, now: datetime) -> Removal:
    """Remove what ``found``, a reconciliation of just now, allows; then delete files that no reader can need.

    Safe beside the stream and beside another removal: each commit lands on the state that it has seen, and what is
    gone only grows.

    Raises:
        TopicsDiffer: the stream has gone over to another topic since the reconciliation.
        CommitContention: other writers won every turn.
    """
    nothing = Removal({}, Dropped(), Dropped(), (), {})
    if found.live is None:
        return nothing
    windows = candidates(stream, found, now, moved_since(stream, found))
    bounds = removal_bounds(found.live.state.held, windows, _dashboard_positions(stream))
    events = _drop(live_events(stream), bounds.below, found.live.state.topic_id)
    removed = _removed_now(stream)
    rejected = _drop(live_quarantine(stream), removed, found.live.state.topic_id)
    kept = tuple(f"partition {partition}: {reason}" for partition, reason in sorted(bounds.reasons.items()))
    return Removal(removed, events, rejected, kept, delete_unneeded_files(stream))


def candidates(stream: Stream, found: Reconciliation, now: datetime, moved: Collection[str]) -> list[Candidate]:
    """The complete windows of ``found``, ascending, each with the reason why its live rows have to stay.

    ``moved`` are those that have been rewritten since: what was proven is no longer what is there.
    """
    verdicts = {verdict.window: verdict for verdict in found.verdicts}
    kept_for = timedelta(hours=stream.settings.streaming.live_retention_hours)
    listed = []
    for window in found.windows.windows.values():
        verdict, due = verdicts.get(window.key), stream.cadence.end(window.key) + kept_for
        if window.key in found.unsettled:
            refusal = "changed while it was compared"
        elif window.key in moved:
            refusal = "was rewritten since it was compared"
        elif verdict is None:
            refusal = "was not compared"
        elif verdict.verdict is not Verdict.SAME:
            refusal = f"does not hold what live rows hold: {verdict.finding}"
        elif due > now:
            refusal = f"is kept until {due:%F %R}"
        else:
            refusal = None
        listed.append(Candidate(window.key, window.range, refusal))
    return listed


def removal_bounds(
    held: Mapping[int, tuple[int, int]], windows: Sequence[Candidate], dashboard: Offsets | None
) -> Bounds:
    """How far live rows may go in each partition of ``held``. Pure.

    Args:
        held: the offsets whose rows live holds, ``[first, end)``.
        windows: complete windows, ascending.
        dashboard: the next offsets that the dashboard will take in; None when there is none.
    """
    below, reasons = {}, {}
    for partition, (first, end) in held.items():
        reached, reason = _prefix(partition, first, end, windows)
        taken_in = reached if dashboard is None else dashboard.get(partition, 0)
        if max(first, taken_in) < reached:
            reached, reason = max(first, taken_in), f"the dashboard has not taken in offset {taken_in} yet"
        if reached > first:
            below[partition] = reached
        if reason is not None:
            reasons[partition] = reason
    return Bounds(below, reasons)


def delete_unneeded_files(stream: Stream) -> dict[str, CareReport]:
    """Delete files of the live tables that no version of the last hours needs; the report of each table."""
    location = stream.location
    return {
        table.asset: delete_unneeded(
            location.table(stream.name, table.asset), location.storage_options, KEPT_FILES_HOURS
        )
        for table in live_tables(location, stream.name)
    }


def _prefix(partition: int, first: int, end: int, windows: Sequence[Candidate]) -> tuple[int, str | None]:
    """Where the proven and due prefix of one partition ends, and why; no reason when all of it may go."""
    reached = first
    for window in windows:
        start, stop = window.range.starts.get(partition, 0), window.range.ends.get(partition, 0)
        if reached == end or start > reached:
            break
        if stop <= reached:
            continue
        if window.refusal is not None:
            return reached, f"window {window.window} {window.refusal}"
        reached = min(stop, end)
    return reached, None if reached == end else f"no complete window holds offset {reached}"


def _drop(table: LiveTable, below: Offsets, topic_id: str) -> Dropped:
    live = pin_live(table)
    if live is None or all(live.state.removed.get(partition, 0) >= offset for partition, offset in below.items()):
        return Dropped()
    doomed = within({partition: ((0, offset),) for partition, offset in below.items()})
    return table.drop_rows(doomed, _removed_below(below, topic_id, table.uri))


def _removed_below(below: Offsets, topic_id: str, uri: str) -> Change:
    def change(state: LiveState) -> LiveState:
        if state.topic_id != topic_id:
            # The same offsets are other events by now, which no window holds.
            raise TopicsDiffer(f"{uri}: the stream went over to topic id {state.topic_id}; nothing was removed")
        removed = {**state.removed, **{p: max(offset, state.removed.get(p, 0)) for p, offset in below.items()}}
        return state.followed_by("remove", removed=removed)

    return change


def _removed_now(stream: Stream) -> Offsets:
    live = pin_live(live_events(stream))
    return {} if live is None else dict(live.state.removed)


def _dashboard_positions(stream: Stream) -> Offsets | None:
    """Only its state is read, whatever its columns are."""
    live = pin_live(LiveTable(stream.location, stream.name, DASHBOARD, pa.schema([])))
    return None if live is None else live.state.positions
