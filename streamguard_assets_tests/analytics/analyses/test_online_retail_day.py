"""A day of a real shop: 3,108 order lines, and figures that were computed elsewhere, exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.contracts.registry import contract
from streamguard_assets.engines.polars.records import parse_record_frame

DATA = Path(__file__).parents[2] / "data"
EXPECTED = json.loads((DATA / "online_retail_day_expected.json").read_text())


@cache
def events() -> pl.DataFrame:
    values = (DATA / "online_retail_2010-12-01.ndjson").read_bytes().splitlines()
    records = pl.DataFrame({"value": values}).select(
        pl.lit("transactions-stream").alias("topic"),
        pl.lit(0, pl.Int32).alias("partition"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("offset"),
        pl.lit(None, pl.Datetime("us", "UTC")).alias("timestamp"),
        pl.lit(None, pl.Binary).alias("key"),
        "value",
    )
    parsed = parse_record_frame(contract("transactions"), records, chunk_records=2_000)
    assert parsed.rejected.is_empty()
    return parsed.accepted


def figures(rows: pl.DataFrame, key: str, **renamed: str) -> list[dict[str, Any]]:
    """The columns that the expected figures have, in their form; money by the text of its shortest decimal."""
    columns = {"key": key, **{name: name for name in ("total_revenue", "transaction_count", "unique_customers")}}
    chosen = rows.select(**{name: pl.col(renamed.get(column, column)) for name, column in columns.items()})
    return [{**row, "total_revenue": Decimal(repr(row["total_revenue"]))} for row in chosen.to_dicts()]


def expected(by: str) -> list[dict[str, Any]]:
    rows = EXPECTED["completed"][by]
    names = ("key", "total_revenue", "transaction_count", "unique_customers")
    return [{name: row[name] for name in names} | {"total_revenue": Decimal(row["total_revenue"])} for row in rows]


def units(by: str) -> list[int]:
    return [row["total_units_sold"] for row in EXPECTED["completed"][by]]


def test_revenue_by_category_is_exact() -> None:
    made = analysis("revenue_by_category")(events())

    assert figures(made, "category") == expected("by_category")
    assert made["total_units_sold"].to_list() == units("by_category")


def test_revenue_by_region_is_exact() -> None:
    assert figures(analysis("revenue_by_region")(events()), "region") == expected("by_region")


def test_hourly_revenue_is_exact() -> None:
    made = analysis("hourly_trends")(events())
    hours = made.with_columns(pl.col("event_hour").cast(pl.String).str.zfill(2))

    assert figures(hours, "event_hour", total_revenue="hourly_revenue") == expected("by_hour_utc")
    assert made["units_sold"].to_list() == units("by_hour_utc")


def test_all_completed_lines_together_are_exact() -> None:
    made = analysis("channel_performance")(events())

    assert made["transaction_count"].sum() == EXPECTED["completed"]["rows"]
    assert Decimal(repr(made["total_revenue"].item())) == Decimal(EXPECTED["completed"]["total_revenue"])
    assert made["unique_customers"].item() == EXPECTED["completed"]["unique_customers"]
