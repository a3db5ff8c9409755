"""Transactions that engines are likely to disagree about, many cases in one frame: a query on Spark costs seconds."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl

from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD
from streamguard_assets_tests.analytics.analyses.transactions import NOON, SCHEMA, frame, transaction

ROWS = 300
POOLS: dict[str, tuple[object, ...]] = {
    "event_timestamp": (
        *(NOON + timedelta(minutes=minute, microseconds=minute) for minute in range(-3, 4)),
        datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # an hour that some time zones skip
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1900, 2, 28, tzinfo=UTC),
        datetime(9999, 12, 30, 23, tzinfo=UTC),
    ),
    "customer_id": ("ada", "bob", "Ä", "", "a ", "😀", "null"),
    "customer_tier": ("gold", "silver", "Zinc", "ﬀ", None),
    "product_id": ("p1", "p2", "p3"),
    "product_name": ("Lamp", "lamp", "Lamp "),
    "category": ("home", "LIGHTING"),
    "sub_category": ("x", None),
    "brand": ("b", "", None),
    "quantity": (-2, 0, 1, 2, 7, 2**31 - 1, -(2**31)),
    "unit_price": (0.01, 0.1, 0.29, 19.99, 1e300, 123_456_789.123457),
    "discount_percent": (None, 0.0, 12.5, 33.333333333, 1e300),
    "total_amount": (-0.0, 0.01, 0.07, 0.1, 0.2, 19.99, -10.0, 5_000.0, 3.9e9, 1e12, -1e12, 1e300, -5e17, 1e-9),
    "payment_method": ("cod", "credit_card"),
    "card_network": ("visa", "amex", None),
    "transaction_status": ("completed", "completed", "completed", "pending", "failed"),
    "channel": ("web", "mobile_app", "pos_in_store"),
    "store_id": ("s1", "s2", None),
    "region": ("north", "south"),
    "city": ("Oslo", "Åmål", "a", "Z", ""),
    "is_fraudulent": (True, False, None),
    "fraud_score": (None, 0.0, 0.7, 0.7000000000000001, 1.0, 1e-300, 0.123456789),
}
"""Every column, so that none is left to the usual."""


def no_transactions() -> pl.DataFrame:
    return frame([])


def failed_transactions() -> pl.DataFrame:
    return frame([transaction(transaction_status="failed")])


@cache
def odd_transactions() -> pl.DataFrame:
    """Random combinations of the pools, the same in every process."""
    choose = random.Random(7).choice
    return frame(transaction(**{name: choose(POOLS[name]) for name in SCHEMA}) for _ in range(ROWS))


def dashboard_partials() -> pl.DataFrame:
    return REALTIME_DASHBOARD.partials(odd_transactions())
