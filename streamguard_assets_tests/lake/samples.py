"""Small rows and tables that the tests of this room share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("window", pa.string()),
        ("kafka_offset", pa.int64()),
        ("user", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("threat_score", pa.float64()),
        ("metadata", pa.struct([("port", pa.int64()), ("domain", pa.string())])),
    ]
)


def hour(index: int) -> str:
    """Key of the hourly window number ``index``."""
    return window_key(START + timedelta(hours=index))


def rows(count: int, first_offset: int = 0) -> pl.DataFrame:
    """``count`` events with consecutive offsets; nulls and nested values among them."""
    return pl.DataFrame(
        {
            "kafka_offset": range(first_offset, first_offset + count),
            "user": [f"user{i % 3}" for i in range(count)],
            "timestamp": [START + timedelta(seconds=i) for i in range(count)],
            "threat_score": [None if i % 4 == 0 else i / 10 for i in range(count)],
            "metadata": [None if i % 5 == 0 else {"port": i, "domain": "example.org"} for i in range(count)],
        },
        schema_overrides={"threat_score": pl.Float64, "metadata": pl.Struct({"port": pl.Int64, "domain": pl.String})},
    )


def events(location: LakeLocation, schema: pa.Schema = SCHEMA, **options: Any) -> WindowTable:
    return WindowTable(location, "security", "events", schema, "accepted events", **options)


def commit_of(window: str, attempt: str = "first", *, complete: bool = True) -> WindowCommit:
    return WindowCommit(window, attempt, complete)


def counts(table: WindowTable) -> dict[str, int]:
    """Rows per window, as a reader counts them."""
    found = table.scan().group_by("window").len().collect()
    return dict(found.sort("window").iter_rows())


def boundary(index: int, *offsets: int, topic_id: str = "topic-id") -> Boundary:
    return Boundary(START + timedelta(hours=index), dict(enumerate(offsets)), topic_id)


def no_pause(_seconds: float) -> None:
    """For races that one process plays with itself: the other side has already moved."""
