"""What people want of a stream: running, paused or stopped. It stands in the lake and outlives every process.

Who runs the stream looks here and obeys; who supervises it starts what is wanted and does not run. Nothing else
decides: neither a cursor nor a status of Dagster.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.lake.tables import TableHandle, scan_table

ASSET = "live/wanted"
APP_ID = "streamguard/wanted"
COMPACT_FROM_FILES = 64
"""Every change appends a small file."""

SCHEMA = pa.schema(
    [
        ("sequence", pa.int64()),
        ("state", pa.string()),
        ("wanted_by", pa.string()),
        ("reason", pa.string()),
        ("wanted_at", pa.timestamp("us", "UTC")),
    ]
)
"""The row with the highest ``sequence`` counts; clocks of different machines need not agree."""

_DESCRIPTION = "What people want of the stream: running, paused or stopped; the newest row counts"


class WantedState(StrEnum):
    """What a stream is to do."""

    RUNNING = "running"
    PAUSED = "paused"
    """Read nothing; a process that runs stays, and one that ended is not replaced."""
    STOPPED = "stopped"


@dataclass(frozen=True)
class Wanted:
    """What is wanted, since when, by whom and why. ``at`` is by the clock of whoever asked for it."""

    state: WantedState
    by: str
    reason: str
    at: datetime


NEVER_ASKED = Wanted(WantedState.STOPPED, "nobody", "nobody has started it yet", datetime(1970, 1, 1, tzinfo=UTC))


class WantedTable:
    """The table ``<lake>/<stream>/live/wanted``; made by the first change."""

    def __init__(self, location: LakeLocation, stream: str, *, pause: Pause = time.sleep) -> None:
        self.uri = location.table(stream, ASSET)
        self._pause = pause
        self._handle = TableHandle(self.uri, location.storage_options)
        self._seen: tuple[str, int] | None = None
        self._newest = (0, NEVER_ASKED)

    def current(self) -> Wanted:
        """What is wanted now. Asked again, it reads the log's newer entries only, and rows only after a change."""
        if not self._handle.exists():
            return NEVER_ASKED
        with self._handle.lock:
            return self._followed(self._handle.current())[1]

    def change(self, state: WantedState, *, by: str, reason: str, now: datetime) -> Wanted:
        """Ask for ``state``; also when it is asked for already, since a person's word resets what was tried so far.

        Raises ``CommitContention`` when other writers won every turn.
        """
        wanted = Wanted(state, by, reason, now)
        self._handle.create(SCHEMA, [], _DESCRIPTION)

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            sequence, _ = self._followed(table)
            rows = _row(sequence + 1, wanted)
            write_deltalake(table, rows.to_arrow(), mode="append", commit_properties=properties)

        commit_fenced(self._handle, APP_ID, act, seed=uuid.uuid4().hex, pause=self._pause)
        self._compact_when_scattered()
        return wanted

    def _followed(self, table: DeltaTable) -> tuple[int, Wanted]:
        # A lake that was deleted and made anew may come to the same version again.
        seen = (str(table.metadata().id), table.version())
        if seen != self._seen:
            rows = scan_table(table, self._handle.storage_options).sort("sequence").tail(1).collect()
            self._newest = _read(rows.row(0, named=True)) if rows.height else (0, NEVER_ASKED)
            self._seen = seen
        return self._newest

    def _compact_when_scattered(self) -> None:
        with self._handle.lock:
            if len(self._handle.current().file_uris()) < COMPACT_FROM_FILES:
                return
        compact(self.uri, self._handle.storage_options, pause=self._pause)


def _row(sequence: int, wanted: Wanted) -> pl.DataFrame:
    values = (sequence, wanted.state.value, wanted.by, wanted.reason, wanted.at)
    return pl.DataFrame([values], schema=polars_schema(SCHEMA), orient="row")


def _read(row: dict[str, Any]) -> tuple[int, Wanted]:
    wanted = Wanted(WantedState(row["state"]), row["wanted_by"], row["reason"], row["wanted_at"])
    return row["sequence"], wanted
