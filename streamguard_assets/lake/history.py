"""What happened to a table, version by version, read from the entries of its log by their own names.

delta-rs' ``history`` is not used: it numbers entries from the version of its table object, and is wrong as soon as
somebody commits in between (see ``commit_log``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from streamguard_assets.lake.care.rewrite import CARE_KEY
from streamguard_assets.lake.commits import METADATA_KEY, WindowCommit
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.tables import no_table

LOG = "_delta_log"
_ENTRY = re.compile(rf"{LOG}/(\d{{20}})\.json")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINE = {
    "commitInfo": pl.Struct(
        {
            "timestamp": pl.Int64,
            "operation": pl.String,
            "engineInfo": pl.String,
            "writtenBy": pl.String,
            METADATA_KEY: pl.String,
            CARE_KEY: pl.String,
        }
    ),
    "add": pl.Struct({"path": pl.String, "size": pl.Int64, "stats": pl.String}),
    "remove": pl.Struct({"path": pl.String, "size": pl.Int64}),
}
"""The parts of an entry that are read; entries are lines of JSON, one per action."""


@dataclass(frozen=True)
class HistoryEntry:
    """One version: when, what and by whom, and what it added and took away.

    ``operation`` is Delta's word, or what a turn of care was for. ``window``, ``attempt``, ``complete`` and
    ``content_hash`` are those of a window commit, else None. ``rows`` are the rows in the files that it added, None
    when the log does not count them.
    """

    version: int
    committed_at: datetime
    operation: str
    writer: str
    window: str | None
    attempt: str | None
    complete: bool | None
    content_hash: str | None
    rows: int | None
    files_added: int
    files_removed: int
    bytes_added: int
    bytes_removed: int


def log_versions(uri: str, storage_options: Mapping[str, str]) -> list[int]:
    """The versions whose log entries are there, ascending. A foreign tool may have deleted the oldest."""
    found = map(_ENTRY.fullmatch, FileStore(uri, storage_options).files(LOG))
    return sorted(int(match[1]) for match in found if match)


def read_history(uri: str, storage_options: Mapping[str, str], limit: int | None = None) -> list[HistoryEntry]:
    """The newest ``limit`` versions of a table (None: all), newest first. ``TableMissing`` when there is none."""
    versions = log_versions(uri, storage_options)
    if not versions:
        raise no_table(uri)
    wanted = versions if limit is None else versions[-limit:]
    lines = read_lines(uri, storage_options, wanted).collect()
    rows = _per_version(lines).sort("version", descending=True).iter_rows(named=True)
    return [_entry(row) for row in rows]


def read_lines(uri: str, storage_options: Mapping[str, str], versions: Sequence[int]) -> pl.LazyFrame:
    """The actions of ``versions``: ``version``, ``commitInfo``, ``add``, ``remove``; one row per line of the log."""
    if not versions:
        return pl.LazyFrame(schema={"version": pl.Int64, **_LINE})
    lines = pl.scan_ndjson(
        [f"{uri}/{LOG}/{version:020d}.json" for version in versions],
        schema=_LINE,
        include_file_paths="entry",
        storage_options=dict(storage_options) or None,
    )
    return lines.select(pl.col("entry").str.extract(r"(\d{20})\.json$").cast(pl.Int64).alias("version"), *_LINE)


def _per_version(lines: pl.DataFrame) -> pl.DataFrame:
    added, removed = pl.col("add").struct, pl.col("remove").struct
    counted = added.field("stats").str.json_path_match("$.numRecords").cast(pl.Int64)
    return lines.group_by("version").agg(
        pl.col("commitInfo").drop_nulls().first(),
        added.field("path").count().alias("files_added"),
        removed.field("path").count().alias("files_removed"),
        added.field("size").sum().alias("bytes_added"),
        removed.field("size").sum().alias("bytes_removed"),
        pl.when(counted.count() == added.field("path").count()).then(counted.sum()).alias("rows"),
    )


def _entry(row: Mapping[str, Any]) -> HistoryEntry:
    info = row["commitInfo"] or {}
    stamp_ms = info.get("timestamp") or 0
    commit = _window_commit(info.get(METADATA_KEY), row["version"], stamp_ms)
    return HistoryEntry(
        version=row["version"],
        committed_at=_EPOCH + timedelta(milliseconds=stamp_ms),
        operation=_operation(info),
        writer=info.get("writtenBy") or info.get("engineInfo") or "",
        window=commit.window if commit else None,
        attempt=commit.attempt if commit else None,
        complete=commit.complete if commit else None,
        content_hash=commit.content_hash if commit else None,
        **{name: row[name] for name in ("rows", "files_added", "files_removed", "bytes_added", "bytes_removed")},
    )


def _window_commit(document: str | None, version: int, stamp_ms: int) -> WindowCommit | None:
    return WindowCommit.from_json(document, version, stamp_ms) if document else None


def _operation(info: Mapping[str, Any]) -> str:
    care = info.get(CARE_KEY)
    return str(json.loads(care)["purpose"]).upper() if care else info.get("operation") or ""
