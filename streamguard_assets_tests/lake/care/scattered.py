"""Tables in many small files, and what must stay as it is while they are cared for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from deltalake import DeltaTable

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def scattered(location: LakeLocation, windows: int = 3, files: int = 4, **options: Any) -> WindowTable:
    """``windows`` windows of 12 rows, each in ``files`` files."""
    table = events(location, file_rows=12 // files, **options)
    for index in range(windows):
        table.write(rows(12, index * 100), commit_of(hour(index)))
    return table


def everything(table: WindowTable) -> tuple[pl.DataFrame, dict[str, WindowCommit], int | None]:
    """Rows, window commits and the fence's word."""
    delta = DeltaTable(table.uri, storage_options=table._options)
    found = table.scan().collect().sort("window", "kafka_offset")
    return found, table.commits(), delta.transaction_version("streamguard/windows")


def assert_same(before: tuple[pl.DataFrame, Any, Any], after: tuple[pl.DataFrame, Any, Any]) -> None:
    assert after[0].equals(before[0])
    assert after[1:] == before[1:]


def files_of(table: WindowTable) -> int:
    return len(DeltaTable(table.uri, storage_options=table._options).file_uris())
