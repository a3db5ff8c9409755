"""Transactions for tests: rows in the schema of the ``events`` table, and random ones that are odd on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

Transaction = dict[str, Any]

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

SCHEMA = pl.Schema(
    {
        "event_timestamp": pl.Datetime("us", "UTC"),
        **dict.fromkeys(
            (
                "customer_id", "customer_tier", "product_id", "product_name", "category", "sub_category", "brand",
                "payment_method", "card_network", "transaction_status", "channel", "store_id", "region", "city",
            ),
            pl.String,
        ),
        "quantity": pl.Int32,
        **dict.fromkeys(("unit_price", "discount_percent", "total_amount", "fraud_score"), pl.Float64),
        "is_fraudulent": pl.Boolean,
    }
)  # fmt: skip
"""The columns that analyses read."""

USUAL: Transaction = {
    "event_timestamp": NOON,
    "customer_id": "ada",
    "product_id": "p1",
    "product_name": "Lamp",
    "category": "home",
    "payment_method": "cod",
    "transaction_status": "completed",
    "channel": "web",
    "region": "north",
    "city": "Oslo",
    "quantity": 1,
    "unit_price": 10.0,
    "total_amount": 10.0,
}
"""What the contract requires; all else is null."""


def transaction(**fields: Any) -> Transaction:
    """A completed sale of one lamp for 10, with ``fields`` in place of what they name."""
    return {**dict.fromkeys(SCHEMA), **USUAL, **fields}


def frame(rows: Iterable[Transaction]) -> pl.DataFrame:
    """The rows as events."""
    return pl.DataFrame(list(rows), schema=SCHEMA)


INSTANTS = st.one_of(
    st.sampled_from([NOON, NOON + timedelta(minutes=1), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]),
    st.datetimes(datetime(2026, 1, 30), datetime(2026, 2, 2), timezones=st.just(UTC)),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
)
AMOUNTS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.01, 0.07, 0.29, 19.99, 1_000.0, 5_000.0, -10.0, 1e12, -1e12, 1e300, -5e17, 1e13]),
    st.integers(-4 * 10**15, 4 * 10**15).map(lambda millionths: millionths / 10**6),
    st.integers(-(10**7), 10**7).map(lambda cents: cents / 100),
)
FRACTIONS = st.sampled_from([None, 0.0, 0.7, 0.7000000000000001, 1.0, 12.5, 100.0, -1.0, 1e300, 0.123456789])


def texts(*values: str, null: bool = False) -> st.SearchStrategy[str | None]:
    return st.sampled_from([*values, *([None] if null else [])])


TRANSACTIONS = st.fixed_dictionaries(
    {
        "event_timestamp": INSTANTS,
        "customer_id": texts("ada", "bob", "Ä", ""),
        "customer_tier": texts("gold", "silver", "Zinc", null=True),
        "product_id": texts("p1", "p2"),
        "product_name": texts("Lamp", "lamp"),
        "category": texts("home", "LIGHTING"),
        "sub_category": texts("x", null=True),
        "brand": texts("b", null=True),
        "quantity": st.integers(-3, 9) | st.sampled_from([2**31 - 1, -(2**31)]),
        "unit_price": AMOUNTS,
        "discount_percent": FRACTIONS,
        "total_amount": AMOUNTS,
        "payment_method": texts("cod", "credit_card"),
        "card_network": texts("visa", "amex", null=True),
        "transaction_status": st.sampled_from(["completed", "completed", "completed", "pending", "failed", "odd"]),
        "channel": texts("web", "mobile_app", "pos_in_store", "online"),
        "store_id": texts("s1", "s2", null=True),
        "region": texts("north", "south"),
        "city": texts("Oslo", "Rome", "Åmål", "a"),
        "is_fraudulent": st.sampled_from([True, False, None]),
        "fraud_score": FRACTIONS,
    }
)
