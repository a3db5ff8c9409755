"""What a table of transactions holds, in the figures that a person asks for first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl


@dataclass(frozen=True)
class Summary:
    """``average_order_value`` is the mean of ``total_amount`` over all rows, whatever their status, rounded to a cent;
    ``fraud_rate`` the share of rows that are marked as fraudulent."""

    rows: int
    rows_per_category: dict[str, int]
    earliest: datetime
    latest: datetime
    average_order_value: float
    fraud_rate: float


def summarize(rows: pl.LazyFrame) -> Summary:
    """The summary of ``rows``, which must not be empty; categories by name."""
    per_category = (
        rows.group_by("category")
        .agg(
            pl.len().alias("rows"),
            pl.col("event_timestamp").min().alias("earliest"),
            pl.col("event_timestamp").max().alias("latest"),
            # In whole cents, so that the sum does not depend on the order of the rows.
            (pl.col("total_amount") * 100).round().cast(pl.Int64).sum().alias("cents"),
            pl.col("is_fraudulent").sum().alias("frauds"),
        )
        .sort("category")
        .collect()
    )
    count = int(per_category["rows"].sum())
    earliest, latest = per_category["earliest"].min(), per_category["latest"].max()
    assert isinstance(earliest, datetime)
    assert isinstance(latest, datetime)
    return Summary(
        rows=count,
        rows_per_category=dict(per_category.select("category", "rows").rows()),
        earliest=earliest,
        latest=latest,
        average_order_value=round(int(per_category["cents"].sum()) / count / 100, 2),
        fraud_rate=int(per_category["frauds"].sum()) / count,
    )
