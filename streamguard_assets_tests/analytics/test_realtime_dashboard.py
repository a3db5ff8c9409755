"""Sliding windows of five minutes, and what a watermark keeps out of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.realtime_dashboard import (
    REALTIME_DASHBOARD,
    closed,
    realtime_dashboard,
    still_open,
    watermark_after,
)
from streamguard_assets_tests.analytics.analyses.transactions import NOON, Transaction, frame, transaction

MINUTE, INSTANT = timedelta(minutes=1), timedelta(microseconds=1)


def at(instant: datetime, **fields: Any) -> Transaction:
    return transaction(event_timestamp=instant, **fields)


def starts(made: pl.DataFrame) -> list[datetime]:
    return made["window_start"].to_list()


def test_a_sale_is_in_the_five_windows_that_hold_its_instant() -> None:
    made = realtime_dashboard(frame([at(NOON)]))

    assert starts(made) == [NOON - back * MINUTE for back in (4, 3, 2, 1, 0)]
    assert made["window_end"].to_list() == [start + 5 * MINUTE for start in starts(made)]


def test_a_window_begins_with_its_start_and_ends_before_its_end() -> None:
    made = realtime_dashboard(frame([at(NOON), at(NOON + 5 * MINUTE), at(NOON + 5 * MINUTE - INSTANT)]))

    assert made.filter(pl.col("window_start") == NOON)["txn_count"].item() == 2


def test_completed_and_pending_sales_count_and_customers_once() -> None:
    rows = [at(NOON, transaction_status=status) for status in ("completed", "pending", "failed", "refunded")]

    made = realtime_dashboard(frame([*rows, at(NOON, is_fraudulent=True, customer_id="bob")]))

    window = made.filter(pl.col("window_start") == NOON).row(0, named=True)
    assert window == {
        "window_start": NOON,
        "window_end": NOON + 5 * MINUTE,
        "category": "home",
        "txn_count": 3,
        "window_revenue": 30.0,
        "avg_order_value": 10.0,
        "fraud_alerts": 1,
        "approx_unique_customers": 2,
    }


def test_a_late_sale_counts_only_in_windows_that_are_still_open() -> None:
    watermark = watermark_after(NOON + 12 * MINUTE)  # 12:02

    in_time = still_open(REALTIME_DASHBOARD.partials(frame([at(NOON)])), watermark)

    assert starts(REALTIME_DASHBOARD.finish(in_time)) == [NOON - 2 * MINUTE, NOON - MINUTE, NOON]


def test_a_window_that_ends_with_the_watermark_is_closed() -> None:
    kept = REALTIME_DASHBOARD.partials(frame([at(NOON)]))

    assert NOON - 4 * MINUTE in starts(REALTIME_DASHBOARD.finish(closed(kept, NOON + MINUTE)))
    assert NOON - 4 * MINUTE in starts(REALTIME_DASHBOARD.finish(still_open(kept, NOON + MINUTE - INSTANT)))


@settings(max_examples=20)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8), st.integers(1, 3))
def test_a_stream_that_combines_batches_gives_every_window_once_and_as_the_watermark_allows(
    minutes: list[int], batch: int
) -> None:
    rows = [at(NOON + minute * MINUTE) for minute in minutes]
    expected: dict[datetime, int] = {}
    state, written = REALTIME_DASHBOARD.partials(frame([])), []
    latest, watermark = NOON - timedelta(days=1), NOON - timedelta(days=1)

    for begin in range(0, len(rows), batch):
        arrived = rows[begin : begin + batch]
        for row in arrived:
            for start in (row["event_timestamp"] - back * MINUTE for back in range(5)):
                if start + 5 * MINUTE > watermark:
                    expected[start] = expected.get(start, 0) + 1
        new = still_open(REALTIME_DASHBOARD.partials(frame(arrived)), watermark)
        state = REALTIME_DASHBOARD.combine(pl.concat([state, new]))
        latest = max(latest, *(row["event_timestamp"] for row in arrived))
        watermark = watermark_after(latest)
        written.append(REALTIME_DASHBOARD.finish(closed(state, watermark)))
        state = still_open(state, watermark)

    windows = pl.concat([*written, REALTIME_DASHBOARD.finish(state)])
    assert dict(zip(windows["window_start"], windows["txn_count"], strict=True)) == expected
    assert len(windows) == len(expected)
