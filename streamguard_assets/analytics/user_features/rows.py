"""The rows that tallies run over: events with only the columns that features need, and the grains made of them."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.instants import day_of_week, epoch_us, hour_of_day
from streamguard_assets.analytics.user_features.feature import Grain

EVENT_COLUMNS = (
    "user",
    "timestamp",
    "kafka_partition",
    "kafka_offset",
    "event_type",
    "status",
    "source_ip",
    "destination_ip",
    "threat_score",
    "metadata",
)
"""Columns of ``events`` that features read; of ``metadata`` only ``geo_location``."""

EVENT_ORDER = ("at_us", "kafka_partition", "kafka_offset")
"""The order of a user's events. Partition and offset are the identity of an event, so there are no ties."""

_TEXTS = ("user", "event_type", "status", "source_ip", "destination_ip", "location")


def event_rows(events: nw.LazyFrame) -> nw.LazyFrame:
    """One row per event, only with what features need.

    Columns: user, event_type, status, source_ip, destination_ip, location; threat_score (Float64); at_us (Int64);
    kafka_partition, kafka_offset. Raises ``ValueError`` naming the columns that are missing.
    """
    names = events.collect_schema().names()
    if missing := [column for column in EVENT_COLUMNS if column not in names]:
        raise ValueError(f"events have no column {', '.join(missing)}; user features need {', '.join(EVENT_COLUMNS)}")
    return _encoded(
        events.select(
            "user", "kafka_partition", "kafka_offset", "event_type", "status", "source_ip", "destination_ip",
            "threat_score",
            location=nw.col("metadata").struct.field("geo_location"),
            at_us=epoch_us("timestamp", events.implementation),
        )
    )  # fmt: skip


def user_spans(rows: nw.LazyFrame) -> nw.LazyFrame:
    """One row per user: total_events, first_us, span_us (last minus first), all Int64."""
    spans = rows.group_by("user").agg(
        nw.len().cast(nw.Int64).alias("total_events"),
        nw.col("at_us").min().alias("first_us"),
        nw.col("at_us").max().alias("last_us"),
    )
    return spans.select("user", "total_events", "first_us", span_us=nw.col("last_us") - nw.col("first_us"))


def grain_rows(rows: nw.LazyFrame, grain: Grain) -> nw.LazyFrame:
    """The rows of one grain, from ``event_rows``; all numbers are Int64.

    - events: as they are, with hour and weekday.
    - hours: user, hour, hour_events, and the user's total_events, first_us, span_us.
    - addresses: user, source_ip, address_events.
    - steps: user, at_us, event_type, previous_event_type and gap_us (both null for a user's first event), and the
      user's total_events, first_us, span_us.
    """
    match grain:
        case Grain.EVENTS:
            return rows.with_columns(hour=hour_of_day(nw.col("at_us")), weekday=day_of_week(nw.col("at_us")))
        case Grain.HOURS:
            hours = rows.select("user", hour=hour_of_day(nw.col("at_us"))).group_by("user", "hour")
            return _with_spans(hours.agg(nw.len().cast(nw.Int64).alias("hour_events")), rows)
        case Grain.ADDRESSES:
            addressed = rows.filter(~nw.col("source_ip").is_null())
            return addressed.group_by("user", "source_ip").agg(nw.len().cast(nw.Int64).alias("address_events"))
        case Grain.STEPS:
            steps = rows.select(
                "user",
                "at_us",
                "event_type",
                gap_us=nw.col("at_us") - _previous("at_us"),
                previous_event_type=_previous("event_type"),
            )
            return _with_spans(steps, rows)


def _with_spans(counted: nw.LazyFrame, rows: nw.LazyFrame) -> nw.LazyFrame:
    return counted.join(user_spans(rows), on="user", how="inner")


def _previous(column: str) -> nw.Expr:
    return nw.col(column).shift(1).over("user", order_by=EVENT_ORDER)


def _encoded(rows: nw.LazyFrame) -> nw.LazyFrame:
    """Texts as category codes where the engine has them: grouping a million strings five times is slow."""
    if rows.implementation.is_polars():
        return rows.with_columns(nw.col(*_TEXTS).cast(nw.Categorical))
    return rows
