"""The operational dashboard of transactions: sales and fraud in sliding windows (``sliding_windows``) per product
category.
"""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.aggregation.columns import INTEGER, NUMBER, Column, Key, ascending, key_column
from streamguard_assets.analytics.aggregation.measures import Condition, Count, Distinct, ExactSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import LABELLED_FRAUD
from streamguard_assets.analytics.fixed_point import MONEY
from streamguard_assets.analytics.sliding_windows import (
    WINDOW_END,
    WINDOW_START,
    closed,
    sliding,
    start_key,
    still_open,
    watermark_after,
)

__all__ = ["REALTIME_DASHBOARD", "closed", "realtime_dashboard", "still_open", "watermark_after"]

COMPLETED_OR_PENDING = Condition(
    "completed or pending",
    ("transaction_status",),
    nw.col("transaction_status").is_in(["completed", "pending"]),
)
TRANSACTIONS, ALERTS = Count("transactions"), Count("fraud_alerts", LABELLED_FRAUD)
REVENUE, CUSTOMERS = ExactSum("total_amount", MONEY), Distinct("customer_id")

REALTIME_DASHBOARD = Analysis(
    name="realtime_dashboard",
    description="Sales and fraud of the last minutes per product category; completed and pending transactions.",
    module=__name__,
    where=COMPLETED_OR_PENDING,
    keys=(start_key("event_timestamp"), Key("category")),
    measures=(TRANSACTIONS, ALERTS, REVENUE),
    sets=(CUSTOMERS,),
    columns=(
        WINDOW_START,
        WINDOW_END,
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
    spread=sliding,
)
"""Beside the registry: it is for a stream, and over long times has five rows per minute and category."""


def realtime_dashboard(events: IntoFrameT) -> IntoFrameT:
    """All windows that ``events`` fall in, as if none of them had come late. Columns: ``REALTIME_DASHBOARD.schema``."""
    return REALTIME_DASHBOARD(events)
