"""Rows of ``events`` for the tests of this folder: say what matters, the rest is plain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

EVENT_TYPES = ("auth_attempt", "network_connection", "file_access", "process_execution", "dns_query")
WINDOW = "2026-01-14-12:00"
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)  # a Wednesday

SCHEMA = {
    "window": pl.String(),
    "kafka_partition": pl.Int32(),
    "kafka_offset": pl.Int64(),
    "kafka_timestamp": pl.Datetime("us", "UTC"),
    "event_id": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "event_type": pl.String(),
    "user": pl.String(),
    "source_ip": pl.String(),
    "destination_ip": pl.String(),
    "status": pl.String(),
    "threat_score": pl.Float64(),
    "metadata": pl.Struct({"user_agent": pl.String, "geo_location": pl.String, "port": pl.Int64}),
}

Event = Mapping[str, Any]


def event(number: int = 0, *, location: str | None = None, **fields: Any) -> dict[str, Any]:
    """One row; ``number`` is its offset, and its seconds after noon unless ``timestamp`` is given."""
    return {
        "window": WINDOW,
        "kafka_partition": 0,
        "kafka_offset": number,
        "kafka_timestamp": NOON,
        "event_id": f"e{number}",
        "timestamp": NOON + timedelta(seconds=number),
        "event_type": "file_access",
        "user": "ada",
        "source_ip": None,
        "destination_ip": None,
        "status": None,
        "threat_score": None,
        "metadata": {"user_agent": None, "geo_location": location, "port": None},
        **fields,
    }


def events_frame(rows: Iterable[Event]) -> pl.DataFrame:
    return pl.DataFrame([dict(row) for row in rows], schema=SCHEMA)
