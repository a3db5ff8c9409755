"""The active files of a table, part by part: what care decides by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from streamguard_assets.lake.staging import Partition

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.=%/-]+")
"""Paths that delta-rs writes into a log as we would: it escapes what it is given, and a path that it spelled otherwise
than the log does would leave the old file in the table, beside the rows that replace it."""

_FOREIGN_FEATURES = frozenset({"deletionVectors", "columnMapping"})


@dataclass(frozen=True, order=True)
class ActiveFile:
    """A file that the table's version names. ``path`` is its name on the store, below the table."""

    modified_ms: int
    path: str
    bytes: int
    rows: int | None


@dataclass(frozen=True)
class Part:
    """Rows that may share files: those of one partition (None: of the whole table), oldest file first.

    ``apart`` is a further column and its one value in these files, for tables that delete whole files by it.
    """

    partition: Partition | None
    apart: tuple[str, str] | None
    files: tuple[ActiveFile, ...]

    @property
    def key(self) -> tuple[Partition | None, tuple[str, str] | None]:
        return self.partition, self.apart

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(file.path for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def rows(self) -> int | None:
        """Rows of all files; None when the log does not count those of every file."""
        counts = [file.rows for file in self.files if file.rows is not None]
        return sum(counts) if len(counts) == len(self.files) else None

    @property
    def label(self) -> str:
        values = [] if self.partition is None else [f"{self.partition.column}={self.partition.value}"]
        return ", ".join([*values, *(["=".join(self.apart)] if self.apart else [])]) or "the whole table"


def refusal(table: DeltaTable) -> str | None:
    """Why files of ``table`` cannot be rewritten here; None when they can. Tables of this project always can."""
    if len(columns := table.metadata().partition_columns) > 1:
        return f"partitioned by {len(columns)} columns ({', '.join(columns)}): left to the tool that wrote it"
    foreign = _FOREIGN_FEATURES.intersection(table.protocol().reader_features or ())
    return f"it uses {', '.join(sorted(foreign))}: left to the tool that wrote it" if foreign else None


def parts_of(table: DeltaTable, apart: str | None = None) -> list[Part]:
    """Every part of ``table`` at its version, in the order of their labels.

    With ``apart``, files whose values of that column are not one and known belong to no part.
    """
    columns = table.metadata().partition_columns
    found: dict[tuple[Partition | None, tuple[str, str] | None], list[ActiveFile]] = {}
    for action in _actions(table):
        partition = Partition(columns[0], _text(action[f"partition.{columns[0]}"])) if columns else None
        value = _one_value(action, apart) if apart else None
        if apart and value is None:
            continue
        file = ActiveFile(
            action["modification_time"], unquote(action["path"]), action["size_bytes"], action.get("num_records")
        )
        found.setdefault((partition, (apart, value) if apart and value is not None else None), []).append(file)
    parts = [Part(partition, kept, tuple(sorted(files))) for (partition, kept), files in found.items()]
    return sorted(parts, key=lambda part: part.label)


def active_paths(table: DeltaTable) -> frozenset[str]:
    """The names on the store of all files that ``table`` names at its version."""
    logged = pl.DataFrame(table.get_add_actions(flatten=True))["path"]
    # As unquoting does for the names that care writes and replaces, and many times faster.
    return frozenset(logged.str.replace_all("%25", "%", literal=True))


def is_tellable(part: Part) -> bool:
    """Whether every path can be told back to delta-rs so that it means the same file."""
    return all(_PLAIN_PATH.fullmatch(file.path) for file in part.files)


def _actions(table: DeltaTable) -> Iterator[dict[str, Any]]:
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    return actions.iter_rows(named=True)


def _one_value(action: dict[str, Any], column: str) -> str | None:
    lowest, highest = action.get(f"min.{column}"), action.get(f"max.{column}")
    return lowest if lowest == highest else None


def _text(value: Any) -> str | None:
    """A partition's value as the log has it; dates are the only values here that are no texts."""
    return None if value is None else str(value)
