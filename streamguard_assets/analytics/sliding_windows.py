"""Sliding windows of five minutes, one beginning each minute, and the watermark that closes them.

A window is half-open, ``[start, end)``, and an event is in five of them. Its partial result is kept per window, so a
stream combines what each batch of events adds and never sees an event twice; the windows that a watermark has closed
take no more, and those are what a late event is not counted in (``still_open``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.aggregation.columns import INSTANT, ClockKey, Column
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.instants import MINUTE_US, floor_mod

WINDOW_MINUTES = 5
WATERMARK_DELAY = timedelta(minutes=10)
"""How long a window waits for late events, by the clock of the events."""

START_NAME = "window_start_us"
START_US = nw.col(START_NAME)
END_US = START_US + WINDOW_MINUTES * MINUTE_US
WINDOW_START = Column("window_start", INSTANT, "first instant of the window, UTC", START_US)
WINDOW_END = Column("window_end", INSTANT, "first instant after the window, UTC", END_US)


def start_key(event_time: str) -> ClockKey:
    """The key that a dashboard groups by first: of an event, the start of the last of its windows."""
    return ClockKey(START_NAME, event_time, lambda at_us: at_us - floor_mod(at_us, MINUTE_US))


def sliding(minutes: nw.LazyFrame) -> nw.LazyFrame:
    """Each row of a minute in each of the windows that the minute belongs to."""
    starts = [START_US - back * MINUTE_US for back in range(WINDOW_MINUTES)]
    return nw.concat([minutes.with_columns(start.alias(START_NAME)) for start in starts])


def event_time_column(dashboard: Analysis) -> str:
    """The column of events by whose instant ``dashboard`` puts them into windows."""
    (start,) = (key for key in dashboard.keys if isinstance(key, ClockKey) and key.name == START_NAME)
    return start.column


def watermark_after(latest_event: datetime) -> datetime:
    """The watermark once an event of that instant has been seen: windows that end by then are closed."""
    return latest_event - WATERMARK_DELAY


def has_ended(watermark_us: int) -> nw.Expr:
    """Of a row of partial results: whether its window ends at ``watermark_us`` (since 1970) or before."""
    return watermark_us >= END_US


def is_late(at_us: nw.Expr, watermark_us: int) -> nw.Expr:
    """Whether an event at the instant ``at_us`` is late for at least one of its windows, so for the first of them."""
    first_end_us = at_us - floor_mod(at_us, MINUTE_US) + MINUTE_US
    return watermark_us >= first_end_us


def still_open(partials: IntoFrameT, watermark: datetime) -> IntoFrameT:
    """The rows of a dashboard's partial results (``Analysis.partials``) whose window ends after ``watermark``.

    Of new events that is what may still be counted; an event that is late for one window can be in time for the
    next. Of the kept state it is what must be kept on.
    """
    return nw.from_native(partials).filter(~has_ended(_since_1970_us(watermark))).to_native()


def closed(partials: IntoFrameT, watermark: datetime) -> IntoFrameT:
    """The other rows: of the kept state, the windows that are final and can be finished and written."""
    return nw.from_native(partials).filter(has_ended(_since_1970_us(watermark))).to_native()


def _since_1970_us(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=instant.tzinfo)) // timedelta(microseconds=1)
