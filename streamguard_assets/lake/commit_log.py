"""Reads the window commits of a range of versions from the entries of a table's log.

The entries are read by their own names and not through delta-rs' ``history``: that one begins at the newest entry of
the log and numbers downwards from the version of its table object, so a commit of another process in between gives
every entry a wrong version.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from streamguard_assets.lake.commits import METADATA_KEY, WindowCommit

_ENTRY = {"commitInfo": pl.Struct({"timestamp": pl.Int64, METADATA_KEY: pl.String})}
"""The part of an entry that is read; entries are lines of JSON, of which one describes the commit."""


def read_commits(uri: str, storage_options: Mapping[str, str], after: int, until: int) -> list[WindowCommit]:
    """Window commits of the versions in ``(after, until]``, oldest first; commits of other tools are passed over."""
    if until <= after:
        return []
    lines = pl.scan_ndjson(
        [f"{uri}/_delta_log/{version:020d}.json" for version in range(after + 1, until + 1)],
        schema=_ENTRY,
        include_file_paths="path",
        storage_options=dict(storage_options) or None,
    )
    info = pl.col("commitInfo").struct
    found = lines.select(
        pl.col("path").str.extract(r"(\d{20})\.json$").cast(pl.Int64).alias("version"),
        info.field("timestamp"),
        info.field(METADATA_KEY).alias("document"),
    ).filter(pl.col("document").is_not_null())
    rows = found.collect().sort("version").iter_rows()
    return [WindowCommit.from_json(document, version, timestamp) for version, timestamp, document in rows]
