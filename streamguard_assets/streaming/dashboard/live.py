"""The live dashboard: sliding windows of a stream as a table, counted from what ``live/events`` has committed.

Each commit is one step (``dashboard.steps``): rows, partial results and offsets move together or not at all
(``dashboard.table``), so a dashboard that died goes on at its last commit with the events that came after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.lake.errors import LakeError, StreamLost
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable, utc_day
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.streaming.coverage import within
from streamguard_assets.streaming.dashboard.record import Ranges, StepRecord, as_spans
from streamguard_assets.streaming.dashboard.steps import Engine, columns_read, take_step
from streamguard_assets.streaming.dashboard.table import DashboardTable, Kept
from streamguard_assets.streaming.live_tables import dashboard_definition, live_dashboard
from streamguard_assets.streaming.view import read_view
from streamguard_assets.windows.stream import Stream

MAX_PENDING_ROWS = 200_000
"""Events in memory at which a step is taken before its time."""
CATCH_UP_OFFSETS = 1_000_000
"""Offsets of one step of ``catch_up``: seconds of work, so that who waits for a sign of life sees one."""

_YEAR_1_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


class DashboardAhead(LakeError):  # noqa: N818 - it says what is so, as the other errors here
    """The dashboard has counted offsets that ``live/events``, the truth, does not have: one of them was rolled back."""


class LiveDashboard:
    """The dashboard of one stream in the hands of the one writer that owns it. For one thread.

    ``add`` what ``live/events`` has committed, ``commit`` when it is ``due`` and at the end. After an error of
    ``commit`` or ``catch_up`` nothing is lost or doubled: call it again, or open the dashboard anew and catch up.
    """

    def __init__(
        self, stream: Stream, definition: Analysis, events: LiveTable, table: DashboardTable, kept: Kept
    ) -> None:
        self._stream = stream
        self._definition = definition
        self._columns = columns_read(definition)
        self._events = events
        self._table = table
        self._kept = kept
        self._counted: dict[int, int] = dict(kept.standing.positions)
        self._reached: dict[int, int] = dict(self._counted)
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._committed_at: datetime | None = None
        self._is_sure = True

    @classmethod
    def open(cls, stream: Stream, events: LiveTable, owner: str, topic_id: str, *, epoch: int) -> LiveDashboard | None:
        """Take the dashboard of ``stream`` over and go on from its last commit; None when none fits the contract.

        ``events`` is the stream's table of events, which ``owner`` has taken over for the topic ``topic_id`` as
        ``epoch``. A new dashboard begins with the rows that it holds. One whose definition or topic has changed begins
        anew where the events are now: the rows that are there stay, and windows that they tell of take no more, so that
        no window is told twice.

        Raises:
            DashboardAhead: it has counted events that ``events`` does not have.
            StreamLost: another writer has taken the stream over.
            LakeError: its state cannot be read, or other writers won every turn.
        """
        definition, table = dashboard_definition(stream), live_dashboard(stream)
        if definition is None or table is None:
            return None
        truth = events.state()
        if truth is not None and truth.epoch != epoch:
            # A newer owner's: with its epoch the dashboard would be taken in its name, and it would be shut out.
            raise StreamLost(events.uri, truth.owner, truth.epoch)
        if truth is None or truth.topic_id != topic_id:
            raise LakeError(f"{events.uri} was not taken over for topic {topic_id}; its dashboard comes after it")
        own = DashboardTable(table, definition)
        kept = own.load(_taken(table, owner, truth), truth)
        _check_not_ahead(own.uri, kept.standing.positions, truth.positions)
        return cls(stream, definition, events, own, kept)

    @property
    def positions(self) -> Offsets:
        """The next offset by partition: everything below it is counted, or waits in memory for the next commit."""
        return dict(self._reached)

    @property
    def late(self) -> int:
        """Events that were late for at least one of their windows, since the dashboard began to count."""
        return self._kept.state.late

    @property
    def ahead(self) -> int:
        """Events that were left out because they are stamped in the future, since the dashboard began to count."""
        return self._kept.state.ahead

    @property
    def watermark(self) -> datetime | None:
        """The instant up to which windows are closed; None before the first event, or for an instant before year 1."""
        watermark_us = self._kept.state.watermark_us
        if watermark_us is None or watermark_us < _YEAR_1_US:
            return None
        return EPOCH + timedelta(microseconds=watermark_us)

    @property
    def state_rows(self) -> int:
        """Rows of partial results that are kept for the open windows."""
        return self._kept.state.partials.height

    @property
    def state_bytes(self) -> int:
        """Memory that they take."""
        return int(self._kept.state.partials.estimated_size())

    @property
    def pending_rows(self) -> int:
        """Events in memory that the next commit counts."""
        return self._pending_rows

    def behind(self, positions: Offsets) -> bool:
        """Whether ``positions`` of the events are past those that the dashboard has come to."""
        return any(end > self._reached.get(partition, -1) for partition, end in positions.items())

    def add(self, rows: pl.DataFrame, ranges: Ranges) -> None:
        """Take the rows of one commit of events that has landed, and the offsets that it covers by partition.

        Cheap: the columns that are read are kept, and nothing is computed. ``ValueError`` when ``ranges`` do not begin
        where the dashboard stands: a commit was left out, and ``catch_up`` must get it.
        """
        for partition, (begin, _) in ranges.items():
            if begin != (standing := self._reached.get(partition, begin)):
                raise ValueError(
                    f"{self._table.uri}: partition {partition} goes on at {begin}, and the dashboard stands at "
                    f"{standing}; catch up first"
                )
        for partition, (begin, end) in ranges.items():
            self._counted.setdefault(partition, begin)
            self._reached[partition] = end
        if rows.height:
            self._pending.append(rows.select(self._columns))
            self._pending_rows += rows.height

    def due(self, now: datetime) -> bool:
        """Whether to ``commit`` now: something waits, and has done so for long or is much."""
        if self._reached == self._counted:
            return False
        interval = timedelta(seconds=self._stream.settings.streaming.dashboard_interval_s)
        if self._committed_at is None or self._pending_rows >= MAX_PENDING_ROWS:
            return True
        # A clock that was set back must not hold the dashboard up until it has caught up with itself.
        return not timedelta(0) <= now - self._committed_at < interval

    def commit(self, now: datetime) -> None:
        """Count what waits as one step, and commit it; nothing when nothing waits. ``now`` is the time of the commit.

        Raises ``StreamLost`` when another writer has taken the table over, ``LakeError`` as ``LiveTable.commit``.
        """
        if not self._is_sure:
            snapshot = self._events.snapshot()
            assert snapshot is not None
            self.catch_up(snapshot, now)
            return
        rows = pl.concat(self._pending).lazy() if self._pending else self._no_events()
        self._take(rows, self._reached, now, "in-memory")
        self._is_sure = True

    def catch_up(self, snapshot: LiveSnapshot, now: datetime, *, on_turn: Callable[[], None] = lambda: None) -> None:
        """Count what ``snapshot`` of the events has past the last commit; nothing when it has nothing.

        As many steps as it takes at ``CATCH_UP_OFFSETS`` each, every one committed; ``on_turn`` is called after each.
        A step takes the same part of each partition, so that records that arrived together are judged by about the same
        watermark. In a partition whose part is of another time than that of the others, as in one that was added
        lately, more events may be late than in one step. What waits in memory is read again. Rows that retention has
        taken out of the live events are read from the complete windows that hold them. Raises as ``commit`` does, and
        ``DashboardAhead``.
        """
        if not self._is_sure:
            # The commit that failed may have landed all the same: its answer was lost, or what comes after it failed.
            self._kept = self._table.reload(self._kept, snapshot.state)
            self._counted = dict(self._kept.standing.positions)
        _check_not_ahead(self._table.uri, self._counted, snapshot.state.positions)
        # Until all of it is counted, memory does not have what is missing: a commit after an error reads it again.
        self._is_sure = False
        self._pending, self._pending_rows = [], 0
        self._counted = {**_first_held(snapshot.state), **self._counted}
        self._reached = {**self._counted, **snapshot.state.positions}
        for until in _cuts(self._counted, self._reached):
            self._take(self._rows_of(snapshot, until), until, now, "streaming")
            on_turn()
        self._is_sure = True

    def _take(self, rows: pl.LazyFrame, until: Offsets, now: datetime, engine: Engine) -> None:
        ranges = _between(self._counted, until)
        if not ranges:
            return
        before = self._kept
        result = take_step(self._definition, before.state, rows, self._stream.config.skew_s, engine)
        step = StepRecord(ranges, before.state.watermark_us, result.events, result.late, result.ahead)
        self._is_sure = False
        self._kept = self._table.commit(before, result, step, utc_day(now))
        self._counted = dict(until)
        self._pending, self._pending_rows = [], 0
        self._committed_at = now
        self._table.forget(before.record)

    def _rows_of(self, snapshot: LiveSnapshot, until: Offsets) -> pl.LazyFrame:
        """The events of ``snapshot`` between the last commit and ``until``, wherever they are now."""
        ranges, removed = _between(self._counted, until), snapshot.state.removed
        live = {p: (max(begin, removed.get(p, begin)), end) for p, (begin, end) in ranges.items()}
        gone = {p: (begin, min(end, removed[p])) for p, (begin, end) in ranges.items() if begin < removed.get(p, 0)}
        rows = self._events.scan(snapshot.version).filter(within(as_spans(live))).select(self._columns)
        if not gone:
            return rows
        of_windows = read_view(self._stream).rows.filter(within(as_spans(gone))).select(self._columns)
        return pl.concat([of_windows, rows])

    def _no_events(self) -> pl.LazyFrame:
        dtypes = polars_schema(self._events.schema)
        return pl.LazyFrame(schema={name: dtypes[name] for name in self._columns})


def _taken(table: LiveTable, owner: str, truth: LiveState) -> LiveState:
    """The state of the dashboard once ``owner`` has it at the epoch of ``truth``; opened anew, it has it already."""
    standing = table.state()
    if standing is not None and (standing.owner, standing.epoch) == (owner, truth.epoch):
        return standing
    try:
        return table.take_over(owner, truth.topic, truth.topic_id, _first_held(truth), at=truth.epoch)
    except StreamLost as lost:
        if (lost.owner, lost.epoch) != (owner, truth.epoch):
            raise
    # The commit landed and its answer was lost: the one who has the table is the caller.
    return _taken(table, owner, truth)


def _cuts(begin: Offsets, end: Offsets) -> Iterator[Offsets]:
    """Where steps from ``begin`` to ``end`` are to end, so that each has some ``CATCH_UP_OFFSETS`` at most."""
    ranges = _between(begin, end)
    parts = -(-sum(stop - start for start, stop in ranges.values()) // CATCH_UP_OFFSETS)
    for part in range(1, parts + 1):
        yield {**begin, **{p: start + (stop - start) * part // parts for p, (start, stop) in ranges.items()}}


def _first_held(truth: LiveState) -> dict[int, int]:
    """Where a dashboard begins that has counted nothing: with the first event that the table still holds."""
    return {p: max(start, truth.removed.get(p, start)) for p, start in truth.starts.items()}


def _check_not_ahead(uri: str, own: Offsets, truth: Offsets) -> None:
    ahead = {p: (at, truth.get(p, 0)) for p, at in own.items() if at > truth.get(p, 0)}
    for partition, (at, there) in ahead.items():
        raise DashboardAhead(
            f"{uri} has counted partition {partition} up to {at}, and live/events ends at {there}: its rows were "
            "rolled back by hand. Delete the table live/dashboard; it then begins anew with the live events"
        )


def _between(begin: Offsets, end: Offsets) -> dict[int, tuple[int, int]]:
    return {p: (at, end[p]) for p, at in begin.items() if at < end[p]}
