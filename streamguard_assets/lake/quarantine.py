"""Rejected records. Rows are appended before the ``events`` commit and count once that commit names their attempt."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import WINDOW, merged, polars_schema
from streamguard_assets.lake.staging import DataFile, FileStager, Partition, checked_attempt
from streamguard_assets.lake.tables import TableHandle, scan_table

ASSET = "quarantine"
APP_ID = "streamguard/quarantine"
ATTEMPT = "attempt"
SCHEMA = pa.schema(
    [
        (WINDOW, pa.string()),
        (ATTEMPT, pa.string()),
        ("topic", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("reason", pa.string()),
        ("code", pa.string()),
        ("json_path", pa.string()),
        ("contract_hash", pa.string()),
    ]
)
ABANDONED_AFTER = timedelta(hours=24)
"""Rows of an attempt that never came to count are kept so long: its ``events`` commit may still be on the way."""

_DESCRIPTION = "Rejected records with their raw bytes; a row counts when the window's events commit names its attempt"


class QuarantineStager:
    """A ``FileStager`` that writes the attempt into every row."""

    def __init__(self, stager: FileStager, attempt: str) -> None:
        self._stager = stager
        self._attempt = attempt

    def add(self, frame: pl.DataFrame) -> None:
        self._stager.add(frame.with_columns(pl.lit(self._attempt).alias(ATTEMPT)))

    def finish(self) -> list[DataFile]:
        return self._stager.finish()

    def abort(self) -> None:
        self._stager.abort()


class Quarantine:
    """The table ``<lake>/<stream>/quarantine``, partitioned by ``window``; created by its first append."""

    def __init__(self, location: LakeLocation, stream: str, *, pause: Pause = time.sleep) -> None:
        self.uri = location.table(stream, ASSET)
        self._options = dict(location.storage_options)
        self._pause = pause
        self._handle = TableHandle(self.uri, self._options)

    def exists(self) -> bool:
        return self._handle.exists()

    def stager(self, window: str, attempt: str, file_rows: int = 250_000) -> QuarantineStager:
        """Stages rejected records of one window; frames need neither ``window`` nor ``attempt``."""
        partition = Partition(WINDOW, window)
        stager = FileStager(self.uri, self._options, SCHEMA, partition, attempt, file_rows, provenance=(ATTEMPT,))
        return QuarantineStager(stager, attempt)

    def append(self, files: Sequence[DataFile], attempt: str) -> int | None:
        """Commit staged files, of one or many windows, and return the version that holds them; None for no files."""
        if not files:
            return None
        self._handle.create(SCHEMA, [WINDOW], _DESCRIPTION)

        def act(table: DeltaTable, properties: CommitProperties) -> int:
            table.create_write_transaction(
                [file.add_action() for file in files],
                "append",
                merged(table.schema(), SCHEMA, self.uri),
                partition_by=[WINDOW],
                commit_properties=properties,
            )
            return table.version() + 1

        note = {"writtenBy": f"streamguard-assets: rejected records of attempt {checked_attempt(attempt)}"}
        return commit_fenced(self._handle, APP_ID, act, seed=attempt, metadata=note, pause=self._pause)

    def write(self, frame: pl.DataFrame, window: str, attempt: str) -> int | None:
        """Stage and append the rejected records of one window."""
        stager = self.stager(window, attempt)
        stager.add(frame)
        return self.append(stager.finish(), attempt)

    def scan(self, counting: Mapping[str, str], version: int | None = None) -> pl.LazyFrame:
        """The rows that count, of the windows in ``counting``, which maps a window to the attempt that counts for it.

        That map is what the ``events`` commits say. Rows of attempts that failed or were replaced are not shown.
        """
        try:
            table = self._handle.pinned(version)
        except TableMissing:
            return pl.LazyFrame(schema=polars_schema(SCHEMA))
        pairs = pl.LazyFrame({WINDOW: list(counting), ATTEMPT: list(counting.values())}, schema_overrides=_PAIR)
        rows = scan_table(table, self._options, only={WINDOW: list(counting)})
        return rows.join(pairs, on=[WINDOW, ATTEMPT], how="semi").select(list(SCHEMA.names))

    def collect(
        self,
        counting: Mapping[str, str],
        superseded: Mapping[str, Collection[str]],
        now: datetime,
        abandoned_after: timedelta = ABANDONED_AFTER,
    ) -> dict[str, set[str]]:
        """Delete rows that can never count again, in one commit, and return their attempts per window.

        That is: attempts that counted once and were replaced (``superseded``), and attempts that do not count and
        whose rows are older than ``abandoned_after``. A younger one is left alone: it may be a run of the same
        window that is about to commit its events. Safe to repeat, and beside any other writer.
        """
        if not self.exists():
            return {}
        dead: dict[str, set[str]] = {}

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            dead.clear()
            for window, attempt, modified_ms in _attempts(table):
                if attempt == counting.get(window):
                    continue
                abandoned = modified_ms < (now - abandoned_after).timestamp() * 1000
                if abandoned or attempt in superseded.get(window, ()):
                    dead.setdefault(window, set()).add(attempt)
            if dead:
                table.delete(_predicate(dead), commit_properties=properties)

        commit_fenced(self._handle, APP_ID, act, seed=f"{self.uri}{now.isoformat()}", pause=self._pause)
        return dead


_PAIR = {WINDOW: pl.String, ATTEMPT: pl.String}


def _attempts(table: DeltaTable) -> Iterator[tuple[str, str, int]]:
    """Window, attempt and time of every file. A file that mixes attempts (foreign compaction) is left alone."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if not actions.height:
        return
    columns = (f"partition.{WINDOW}", f"min.{ATTEMPT}", f"max.{ATTEMPT}", "modification_time")
    for window, lowest, highest, modified in actions.select(columns).iter_rows():
        if lowest is not None and lowest == highest:
            yield window, lowest, modified


def _predicate(dead: Mapping[str, Collection[str]]) -> str:
    clauses = []
    for window in sorted(dead):
        attempts = ", ".join(f"'{checked_attempt(attempt)}'" for attempt in sorted(dead[window]))
        clauses.append(f"(\"window\" = '{_quoted(window)}' AND attempt IN ({attempts}))")
    return " OR ".join(clauses)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
