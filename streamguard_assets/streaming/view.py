"""One view of a stream: complete windows, and live rows where there is no complete window, each event once.

Two versions are pinned, one of ``live/events`` and one of ``events``, **live first**. By then:

* An offset that the live version holds is given once: by its window if the version of ``events`` has that complete,
  else by its live row. The choice is made per offset from the two pinned versions alone, so whatever completes or is
  removed later changes nothing.
* An offset that retention had removed from live before the first pin lay in a complete window by then. A complete
  window never becomes incomplete, so the later pin of ``events`` still has it.
* What retention removes between the pins is still in the pinned live version; its files stay for hours.

The other order would lose events: a window completes and retention removes its live rows after ``events`` was pinned
and before ``live/events`` is. Rejected records follow the same argument (``read_quarantine``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.live.state import Spans
from streamguard_assets.lake.quarantine import ATTEMPT
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINE_SCHEMA
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.streaming.coverage import (
    PinnedWindows,
    are_apart,
    held_spans,
    pin_live,
    pin_windows,
    within,
    without,
)
from streamguard_assets.streaming.live_tables import live_events, live_quarantine
from streamguard_assets.windows.stream import Stream

SOURCE = "source"
FROM_WINDOW = "window"
FROM_LIVE = "live"

MAX_TURNS = 10
"""How often rejected records are looked up anew because a window was built again meanwhile."""


@dataclass(frozen=True)
class EventsView:
    """Rows of a stream, each once, and what they are made of.

    Attributes:
        rows: the rows, in no order; columns as the table has them, without ``window`` (a live row has none yet; for
            rejected records also without ``attempt``), and ``source``: ``window`` or ``live``.
        events_version: version of ``events`` that was read; None when it was never written.
        live_version: version of the live table that was read; None when no stream ever ran.
        covered: the offsets that windows gave, as ``[start, end)`` per partition.
        live: the offsets that live rows gave. The last end of a partition is how far the view reaches.
        apart: complete windows that were left out, since the ledger does not know their offsets (its topic is another).
        two_topics: windows and live rows are of two topics of the same name, so the same place in Kafka may be told
            twice, of two events: ``source`` tells them apart. Rows of the old topic that no window holds are in
            ``live/events_before_<epoch>``.
    """

    rows: pl.LazyFrame
    events_version: int | None
    live_version: int | None
    covered: Spans
    live: Spans
    apart: tuple[str, ...] = ()
    two_topics: bool = False

    @property
    def reached(self) -> dict[int, int]:
        """The next offset per partition that the view does not know of; of two topics that of the live rows."""
        ends: dict[int, int] = {}
        for spans in (self.live,) if self.two_topics else (self.covered, self.live):
            for partition, parts in spans.items():
                ends[partition] = max(parts[-1][1], ends.get(partition, 0))
        return ends


def read_view(stream: Stream, since: datetime | None = None, until: datetime | None = None) -> EventsView:
    """The accepted events of ``stream`` whose event time lies in ``[since, until)``; None: no bound on that side.

    Nothing is read before ``rows`` is collected, and then only windows and files that may hold such times, by the
    statistics in the log. Windows are windows of the log, so none can be left out by its key.

    Raises:
        ValueError: a bound without a time zone.
        TopicsDiffer: the live rows are of another topic than the windows, and nobody gave leave (``are_apart``).
    """
    wanted = _in_time(stream, since, until)
    table = live_events(stream)
    live = pin_live(table)
    windows = pin_windows(stream)
    is_apart, covered = are_apart(stream, live, windows), windows.spans
    spans = without(held_spans(live), {} if is_apart else covered)
    columns = [field.name for field in stream.contract.events_schema() if field.name != WINDOW]
    of_windows = _window_rows(stream, windows).select(*columns, pl.lit(FROM_WINDOW).alias(SOURCE))
    parts = [of_windows]
    if live is not None and spans:
        newer = table.scan(live.version).filter(within(spans))
        parts.append(newer.select(*columns, pl.lit(FROM_LIVE).alias(SOURCE)))
    rows = pl.concat([part.filter(*wanted) if wanted else part for part in parts])
    version = None if live is None else live.version
    return EventsView(rows, windows.version, version, covered, spans, windows.apart, is_apart)


def read_quarantine(stream: Stream) -> EventsView:
    """The rejected records of ``stream``: those of complete windows, and live ones where there is no complete window.

    The stream writes a rejected record before the commit of ``live/events`` that passes its offset, and a window its
    rejected records before its commit. So ``live/events`` is pinned first, for how far live records count, then
    ``live/quarantine``, then the windows, and their records last. A window that is built again meanwhile could have
    the records of its replaced attempt collected; then all of it is looked up anew.

    Raises:
        TopicsDiffer: the live rows are of another topic than the windows, and nobody gave leave (``are_apart``).
        LakeError: windows were built anew all the time; nothing was read.
    """
    for _ in range(MAX_TURNS):
        live, table = pin_live(live_events(stream)), live_quarantine(stream)
        rejected = pin_live(table)
        windows = pin_windows(stream)
        is_apart = are_apart(stream, live, windows)
        attempts = {key: window.commit.attempt for key, window in windows.windows.items()}
        of_windows = stream.quarantine.scan(attempts)
        if _attempts_stand(stream, attempts):
            break
    else:
        raise LakeError(f"windows of {stream.name!r} were built anew while their rejected records were read; try again")
    covered = windows.spans
    spans = without(held_spans(live), {} if is_apart else covered)
    columns = [field.name for field in QUARANTINE_SCHEMA if field.name not in (WINDOW, ATTEMPT)]
    parts = [of_windows.select(*columns, pl.lit(FROM_WINDOW).alias(SOURCE))]
    if rejected is not None and spans:
        rows = table.scan(rejected.version).filter(within(spans))
        parts.append(rows.select(*columns, pl.lit(FROM_LIVE).alias(SOURCE)))
    version = None if rejected is None else rejected.version
    return EventsView(pl.concat(parts), windows.version, version, covered, spans, windows.apart, is_apart)


def _window_rows(stream: Stream, windows: PinnedWindows) -> pl.LazyFrame:
    wanted = [key for key, window in windows.windows.items() if window.commit.rows]
    if not wanted:
        return pl.LazyFrame(schema=stream.polars_schema("events"))
    return stream.table("events").scan(wanted, windows.version)


def _attempts_stand(stream: Stream, attempts: dict[str, str]) -> bool:
    commits = stream.table("events").commits()
    return all(commits[window].attempt == attempt for window, attempt in attempts.items())


def _in_time(stream: Stream, since: datetime | None, until: datetime | None) -> list[pl.Expr]:
    for bound in (since, until):
        if bound is not None and bound.tzinfo is None:
            raise ValueError(f"{bound.isoformat()} has no time zone; event times are instants, so say for example UTC")
    when = pl.col(stream.contract.time_column)
    return [*([] if since is None else [when >= since]), *([] if until is None else [when < until])]
