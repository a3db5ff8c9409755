"""A folded copy of the commit history beside the table, so that a new process need not read years of log entries.

It is a cache: ``_streamguard/commits.parquet`` in the table's folder, hidden from readers and vacuum by its
underscore. It names the table and the version that it was folded up to; whatever is newer is read from the log. An
index of another table, or one that cannot be read, counts as none.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from streamguard_assets.lake.commits import CommitFold, WindowCommit
from streamguard_assets.lake.files import FileStore

INDEX_EVERY_COMMITS = 500
"""A new process reads at most so many log entries (about 25 ms) beside the index."""

_PATH = "_streamguard/commits.parquet"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = {
    "table_id": pl.String,
    "folded_version": pl.Int64,
    "version": pl.Int64,
    "committed_at_ms": pl.Int64,
    "document": pl.String,
    "superseded": pl.List(pl.String),
}


def save_index(store: FileStore, fold: CommitFold) -> None:
    """Write what ``fold`` knows. Two writers may do so at once: either is right for the version it names."""
    rows = [
        (fold.table_id, fold.version, c.version, _milliseconds(c), c.to_json(), sorted(fold.superseded.get(w, ())))
        for w, c in fold.newest.items()
    ]
    store.replace_parquet(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), _PATH)


def load_index(store: FileStore, table_id: str, newest_version: int) -> CommitFold | None:
    """The saved fold of the table ``table_id``, or None when there is none that fits."""
    try:
        rows = store.read_parquet(_PATH)
    except pl.exceptions.PolarsError:
        return None  # torn by a crash of the machine: the log has everything, and the next save replaces it
    if rows is None or not rows.height or dict(rows.schema) != _SCHEMA:
        return None
    if rows["table_id"][0] != table_id or rows["folded_version"][0] > newest_version:
        return None
    fold = CommitFold()
    fold.table_id, fold.version = table_id, rows["folded_version"][0]
    for row in rows.iter_rows(named=True):
        commit = WindowCommit.from_json(row["document"], row["version"], row["committed_at_ms"])
        fold.newest[commit.window] = commit
        if row["superseded"]:
            fold.superseded[commit.window] = set(row["superseded"])
    return fold


def _milliseconds(commit: WindowCommit) -> int:
    return round(((commit.committed_at or _EPOCH) - _EPOCH).total_seconds() * 1000)
