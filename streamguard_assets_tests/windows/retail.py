"""Transactions to test with: a real day of a shop, and windows of made-up ones that need no broker."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl

from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.transactions import TRANSACTIONS
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream, open_stream
from streamguard_assets_tests.contracts.transaction_records import transaction

DAY = datetime(2010, 12, 1, tzinfo=UTC)
NEXT_DAY = datetime(2010, 12, 2, 1, tzinfo=UTC)
WINDOW = "2010-12-01-00:00"

START = datetime(2026, 1, 30, 20, tzinfo=UTC)
LENGTH = timedelta(hours=4)
"""Of a window: six make a day, so that few of them reach over three days."""

CHOICES = {
    "customer_id": [f"c-{number}" for number in range(7)],
    "customer_tier": ["gold", "silver", None],
    "product_id": ["p-1", "p-2"],
    "category": ["books", "toys", "grocery"],
    "quantity": [1, 2, 5],
    "total_amount": [0.1, 19.99, 2_500.0, -3.3],
    "discount_percent": [None, 0.0, 12.5],
    "transaction_status": ["completed", "completed", "completed", "failed", "pending"],
    "region": ["north", "west"],
    "city": ["Pune", "Delhi", "Goa"],
    "channel": ["web", "mobile_app", "pos_in_store"],
    "store_id": [None, "s-1", "s-2"],
    "payment_method": ["credit_card", "upi"],
    "card_network": ["visa", None],
    "is_fraudulent": [None, False, True],
    "fraud_score": [None, 0.02, 0.9],
}


def window_of(index: int) -> str:
    """The window that begins ``index`` windows after the first."""
    return window_key(START + index * LENGTH)


def transactions_of(index: int, seed: int, count: int = 40) -> pl.DataFrame:
    """Rows of one window, spread over its time and over every value that analyses tell apart."""
    chance = random.Random(f"{index}/{seed}")
    begin = START + index * LENGTH
    values = [
        transaction(
            transaction_id=f"t-{index}-{number}",
            event_timestamp=(begin + chance.random() * LENGTH).isoformat(),
            **{name: chance.choice(options) for name, options in CHOICES.items()},
        )
        for number in range(count)
    ]
    first = index * 1_000
    parsed = parse_records(
        TRANSACTIONS, "t", 0, range(first, first + count), [0] * count, None, values, processed_at=START
    )
    assert parsed.rejected.is_empty()
    return parsed.accepted


class Shop:
    """A stream of transactions whose events are written straight into the lake."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stream = self.again()

    def again(self) -> Stream:
        """The stream as another process opens it."""
        return open_stream(self.settings, "transactions", LakeLocation(self.settings.lake_uri))

    def close(self, windows: int) -> None:
        """Decide the boundaries of so many windows; each holds 1,000 offsets."""
        boundaries = [Boundary(START + i * LENGTH, {0: i * 1_000}, "topic-1") for i in range(windows + 1)]
        self.stream.ledger.insert_many(boundaries, START + (windows + 1) * LENGTH)

    def fill(self, indices: Iterable[int], seed: int = 0, complete: bool = True) -> None:
        """Commit windows of events; another seed gives other rows."""
        table = self.stream.table("events")
        for index in indices:
            rows = transactions_of(index, seed)
            commit = WindowCommit(window_of(index), f"run-{seed}", complete, details={"definition_hash": "x"})
            table.write(rows.with_columns(window=pl.lit(window_of(index))), commit)
