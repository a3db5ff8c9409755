"""The files that a live table names at one version."""

from __future__ import annotations

import time
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction

LIVE_DATE = "live_date"
"""The column that live tables are partitioned by: the UTC day of the commit."""


@dataclass(frozen=True)
class ActiveFile:
    """A file of the table as its log names it. ``live_date`` is the partition's value, as text."""

    path: str
    bytes: int
    live_date: str
    rows: int
    modified_ms: int

    def removed(self, *, data_change: bool = True) -> RemoveAction:
        """The log entry that takes the file out of the table."""
        return RemoveAction(
            path=self.path,
            data_change=data_change,
            deletion_timestamp=time.time_ns() // 1_000_000,
            size=self.bytes,
            partition_values={LIVE_DATE: self.live_date},
        )


def active_files(table: DeltaTable) -> dict[str, ActiveFile]:
    """The files that ``table`` names at its version, by path."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if not actions.height:
        return {}
    wanted = ["path", "size_bytes", f"partition.{LIVE_DATE}", "num_records", "modification_time"]
    found = actions.select(pl.col(wanted[0]), pl.col(wanted[1]), pl.col(wanted[2]).cast(pl.String), *wanted[3:])
    return {row[0]: ActiveFile(*row) for row in found.iter_rows()}
