"""The operational dashboard: sliding windows of five minutes, one beginning each minute, per product category.

A window is half-open, ``[start, end)``, and an event is in five of them. Its partial result is kept per window, so a
stream combines what each batch of events adds and never sees an event twice; the windows that a watermark has closed
take no more, and those are what a late event is not counted in (``still_open``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.aggregation.columns import (
    INSTANT,
    INTEGER,
    NUMBER,
    ClockKey,
    Column,
    Key,
    ascending,
    key_column,
)
from streamguard_assets.analytics.aggregation.measures import Condition, Count, Distinct, ExactSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import LABELLED_FRAUD
from streamguard_assets.analytics.fixed_point import MONEY
from streamguard_assets.analytics.instants import MINUTE_US, floor_mod

WINDOW_MINUTES = 5
WATERMARK_DELAY = timedelta(minutes=10)
"""How long a window waits for late events, by the clock of the events."""

COMPLETED_OR_PENDING = Condition(
    "completed or pending",
    ("transaction_status",),
    nw.col("transaction_status").is_in(["completed", "pending"]),
)
START = ClockKey("window_start_us", "event_timestamp", lambda at_us: at_us - floor_mod(at_us, MINUTE_US))
END_US = START.value + WINDOW_MINUTES * MINUTE_US

TRANSACTIONS, ALERTS = Count("transactions"), Count("fraud_alerts", LABELLED_FRAUD)
REVENUE, CUSTOMERS = ExactSum("total_amount", MONEY), Distinct("customer_id")


def _sliding(minutes: nw.LazyFrame) -> nw.LazyFrame:
    """Each row of a minute in each of the windows that the minute belongs to."""
    starts = [START.value - back * MINUTE_US for back in range(WINDOW_MINUTES)]
    return nw.concat([minutes.with_columns(start.alias(START.name)) for start in starts])


REALTIME_DASHBOARD = Analysis(
    name="realtime_dashboard",
    description="Sales and fraud of the last minutes per product category; completed and pending transactions.",
    module=__name__,
    where=COMPLETED_OR_PENDING,
    keys=(START, Key("category")),
    measures=(TRANSACTIONS, ALERTS, REVENUE),
    sets=(CUSTOMERS,),
    columns=(
        Column("window_start", INSTANT, "first instant of the window, UTC", START.value),
        Column("window_end", INSTANT, "first instant after the window, UTC", END_US),
        key_column("category", "product category"),
        Column("txn_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column(
            "window_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("fraud_alerts", INTEGER, "transactions that are labelled as fraud", ALERTS.value),
        Column("approx_unique_customers", INTEGER, "different customers; exact here", CUSTOMERS.count),
    ),
    order=ascending("window_start", "category"),
    spread=_sliding,
)
"""Beside the registry: it is for a stream, and over long times has five rows per minute and category."""


def realtime_dashboard(events: IntoFrameT) -> IntoFrameT:
    """All windows that ``events`` fall in, as if none of them had come late. Columns: ``REALTIME_DASHBOARD.schema``."""
    return REALTIME_DASHBOARD(events)


def watermark_after(latest_event: datetime) -> datetime:
    """The watermark once an event of that instant has been seen: windows that end by then are closed."""
    return latest_event - WATERMARK_DELAY


def still_open(partials: IntoFrameT, watermark: datetime) -> IntoFrameT:
    """The rows of partial results (``REALTIME_DASHBOARD.partials``) whose window ends after ``watermark``.

    Of new events that is what may still be counted; an event that is late for one window can be in time for the
    next. Of the kept state it is what must be kept on.
    """
    return _by_end(partials, watermark, closed=False)


def closed(partials: IntoFrameT, watermark: datetime) -> IntoFrameT:
    """The other rows: of the kept state, the windows that are final and can be finished and written."""
    return _by_end(partials, watermark, closed=True)


def _by_end(partials: IntoFrameT, watermark: datetime, closed: bool) -> IntoFrameT:
    watermark_us = (watermark - datetime(1970, 1, 1, tzinfo=watermark.tzinfo)) // timedelta(microseconds=1)
    has_ended = watermark_us >= END_US
    frame = nw.from_native(partials)
    return frame.filter(has_ended if closed else ~has_ended).to_native()
