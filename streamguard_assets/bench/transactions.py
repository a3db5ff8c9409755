"""Seeded retail transactions in bulk, made column by column as a frame of the ``events`` table.

Shaped for load and not for truth: a long tail of customers, thousands of products with names, stores and cities,
every status, nulls where the contract allows them. What shops sell is the business of ``generators``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

CATEGORIES = (
    "electronics", "clothing", "grocery", "home_garden", "sports",
    "beauty", "automotive", "books", "toys", "pharmacy",
)  # fmt: skip
REGIONS = ("north", "south", "east", "west", "central", "northeast")
METHODS = ("credit_card", "debit_card", "upi", "wallet", "bank_transfer", "cod", "gift_card")
NETWORKS = ("visa", "mastercard", "amex", "rupay", "discover")
CHANNELS = ("pos_in_store", "web", "mobile_app", "marketplace", "call_center")
TIERS = ("bronze", "silver", "gold", "platinum", None)
STATUSES, STATUS_SHARES = ("completed", "pending", "failed", "refunded", "chargeback"), (0.88, 0.05, 0.04, 0.02, 0.01)
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, CITIES_PER_REGION, STORES, PRODUCTS = 30, 5, 200, 2_000


def transaction_frame(rows: int, seed: int = 0) -> pl.DataFrame:
    """``rows`` transactions of 30 days in no order, with the columns that analyses read; about one customer per 20."""
    random = np.random.default_rng(seed)
    customers = max(50, rows // 20)
    product = random.integers(0, PRODUCTS, rows)
    region = random.integers(0, len(REGIONS), rows)
    method = random.integers(0, len(METHODS), rows)
    quantity = random.integers(1, 6, rows)
    price_cents = 100 + product * 37 % 50_000
    discount = np.round(random.choice((0.0, 5.0, 12.5, 20.0), rows), 1)
    cents = np.round(quantity * price_cents * (1.0 - discount / 100.0))
    numbers = pl.DataFrame(
        {
            "at_us": random.integers(0, DAYS * 86_400_000, rows) * 1_000,
            "customer": np.minimum(random.exponential(customers / 3, rows).astype(np.int64), customers - 1),
            "product": product,
            "region": region,
            "city": region * CITIES_PER_REGION + random.integers(0, CITIES_PER_REGION, rows),
            "method": method,
            "network": np.where(method < 2, random.integers(0, len(NETWORKS), rows), -1),
            "status": random.choice(len(STATUSES), rows, p=STATUS_SHARES),
            "channel": random.integers(0, len(CHANNELS), rows),
            "tier": random.integers(0, len(TIERS), rows),
            "store": random.integers(-STORES // 4, STORES, rows),
            "quantity": quantity.astype(np.int32),
            "unit_price": price_cents / 100.0,
            "discount_percent": discount,
            "total_amount": cents / 100.0,
            "fraud_score": np.round(random.beta(1, 30, rows), 4),
            "is_fraudulent": random.random(rows) < 0.01,
        }
    )
    return numbers.lazy().select(*_columns()).collect()


def _columns() -> list[pl.Expr | str]:
    number = pl.int_range(pl.len())
    missing = number % 17 == 0
    return [
        pl.format("tx-{}", number).alias("transaction_id"),
        (pl.lit(START).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="at_us")).alias("event_timestamp"),
        pl.format("CUST-{}", pl.col("customer").cast(pl.String).str.zfill(8)).alias("customer_id"),
        _named("tier", TIERS).alias("customer_tier"),
        pl.format("SKU-{}", pl.col("product").cast(pl.String).str.zfill(5)).alias("product_id"),
        pl.format("Product number {} of the house", "product").alias("product_name"),
        _named(pl.col("product") % len(CATEGORIES), CATEGORIES).alias("category"),
        pl.format("sub-category {}", pl.col("product") % 100).alias("sub_category"),
        pl.when(pl.col("product") % 9 > 0).then(pl.format("brand {}", pl.col("product") % 90)).alias("brand"),
        *("quantity", "unit_price", "total_amount"),
        pl.when(~missing).then("discount_percent").alias("discount_percent"),
        _named("method", METHODS).alias("payment_method"),
        _named("network", NETWORKS).alias("card_network"),
        _named("status", STATUSES).alias("transaction_status"),
        _named("channel", CHANNELS).alias("channel"),
        pl.when(pl.col("store") >= 0).then(pl.format("STORE-{}", "store")).alias("store_id"),
        _named("region", REGIONS).alias("region"),
        pl.format("City {}", "city").alias("city"),
        pl.when(~missing).then("is_fraudulent").alias("is_fraudulent"),
        pl.when(~missing).then("fraud_score").alias("fraud_score"),
    ]


def _named(number: str | pl.Expr, names: tuple[str | None, ...]) -> pl.Expr:
    """The text at that place; null for a number that has none."""
    place = pl.col(number) if isinstance(number, str) else number
    return place.replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
