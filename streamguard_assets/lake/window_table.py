"""A table of windows: each commit replaces the rows of exactly one window, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from streamguard_assets.lake.commit_index import INDEX_EVERY_COMMITS, load_index, save_index
from streamguard_assets.lake.commit_log import read_commits
from streamguard_assets.lake.commits import CommitFold, WindowCommit
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.filling import filled, log_metadata
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import WINDOW, as_declared, merged, polars_schema, with_window
from streamguard_assets.lake.staging import DataFile, FileStager, Partition
from streamguard_assets.lake.tables import TableHandle, scan_table

APP_ID = "streamguard/windows"


@dataclass(frozen=True)
class WindowSnapshot:
    """One version of a table of windows, and the newest commit per window as of that version."""

    version: int
    commits: Mapping[str, WindowCommit]


class WindowTable:
    """The table ``<lake>/<stream>/<asset>``, partitioned by ``window``; created by its first commit.

    ``schema`` is the Arrow schema of its rows, with or without ``window``. ``provenance`` names columns that say how
    a row came about, not what it says; they stay out of content hashes. ``pause`` waits between lost turns.
    """

    def __init__(
        self,
        location: LakeLocation,
        stream: str,
        asset: str,
        schema: pa.Schema,
        description: str = "",
        *,
        provenance: Collection[str] = (),
        file_rows: int = 250_000,
        pause: Pause = time.sleep,
    ) -> None:
        self.uri = location.table(stream, asset)
        self.schema = with_window(schema)
        self.description = description
        self._options = dict(location.storage_options)
        self._provenance = frozenset(provenance)
        self._file_rows = file_rows
        self._pause = pause
        self._handle = TableHandle(self.uri, self._options)
        self._store = FileStore(self.uri, self._options)
        self._read_log = partial(read_commits, self.uri, self._options)
        self._fold = CommitFold()
        self._indexed_version = -1

    def exists(self) -> bool:
        return self._handle.exists()

    def version(self) -> int | None:
        """The newest version, or None when the table was never written."""
        if not self.exists():
            return None
        with self._handle.lock:
            return self._handle.current().version()

    def stager(self, window: str, attempt: str) -> FileStager:
        """A stager for rows of one window of this table."""
        return FileStager(
            self.uri,
            self._options,
            self.schema,
            Partition(WINDOW, window),
            attempt,
            self._file_rows,
            provenance=self._provenance,
        )

    def write(
        self, rows: pl.DataFrame | pa.RecordBatchReader | Iterable[pl.DataFrame], commit: WindowCommit
    ) -> WindowCommit:
        """Stage ``rows`` chunk by chunk and ``commit`` them as the window. What was staged goes when staging fails."""
        with self.stager(commit.window, commit.attempt) as stager:
            for chunk in _chunks(rows):
                stager.add(chunk)
            files = stager.finish()
        # Outside the block: an error after the commit landed must not delete the files that it names.
        return self.commit(files, commit)

    def commit(self, files: Sequence[DataFile], commit: WindowCommit) -> WindowCommit:
        """Replace the window's rows by those of ``files`` (none: the window is empty) in one commit.

        Returns the commit as it stands in the log. That is another attempt's when this one is not complete and a
        complete one is there already: a window never goes back to less. Two complete ones both land, the later
        wins. Columns that the table lacks are added in the same commit.

        Raises ``ValueError`` when ``files`` are not what ``commit`` says, ``SchemaConflict`` when a column changed
        its type, ``CommitContention`` when other writers won every turn.
        """
        commit = _completed(commit, files)
        self._handle.create(self.schema, [WINDOW], self.description)

        def act(table: DeltaTable, properties: CommitProperties) -> WindowCommit:
            standing = self._followed(table).newest.get(commit.window)
            if standing is not None and _settles(standing, commit):
                return standing
            table.create_write_transaction(
                [file.add_action() for file in files],
                "overwrite",
                # Delta takes the schema given here as the table's new one, so it must hold every old column.
                merged(table.schema(), self.schema, self.uri),
                partition_by=[WINDOW],
                partition_filters=[(WINDOW, "=", commit.window)],
                commit_properties=properties,
            )
            # Commits are never rebased, so this one is the next version after the snapshot.
            return replace(commit, version=table.version() + 1)

        landed = commit_fenced(
            self._handle, APP_ID, act, seed=commit.attempt, metadata=log_metadata(commit), pause=self._pause
        )
        return self._as_logged(landed)

    def snapshot(self) -> WindowSnapshot | None:
        """The newest version with its commits, for reads that must see exactly those; None: never written."""
        if not self.exists():
            return None
        with self._handle.lock:
            table = self._handle.current()
            return WindowSnapshot(table.version(), dict(self._followed(table).newest))

    def commits(self) -> dict[str, WindowCommit]:
        """The newest commit per window; empty when the table was never written. Cheap when asked again."""
        found = self.snapshot()
        return {} if found is None else dict(found.commits)

    def superseded(self) -> dict[str, set[str]]:
        """Per window the attempts that once counted and were replaced by another."""
        if not self.exists():
            return {}
        with self._handle.lock:
            fold = self._followed(self._handle.current())
            return {window: set(attempts) for window, attempts in fold.superseded.items()}

    def scan(
        self, windows: Collection[str] | None = None, version: int | None = None, *, empty_if_missing: bool = False
    ) -> pl.LazyFrame:
        """The rows of ``windows`` (None: of all) at ``version`` (None: the newest now), with this schema's columns.

        Only files of those windows are opened. A column that the version did not have yet is null. Raises
        ``TableMissing`` when the table was never written, unless ``empty_if_missing``.
        """
        dtypes = polars_schema(self.schema)
        try:
            table = self._handle.pinned(version)
        except TableMissing:
            if not empty_if_missing:
                raise
            return pl.LazyFrame(schema=dtypes)
        rows = scan_table(table, self._options, only=None if windows is None else {WINDOW: set(windows)})
        return as_declared(rows, dtypes)

    def _followed(self, table: DeltaTable) -> CommitFold:
        if self._fold.version < 0 and table.version() >= INDEX_EVERY_COMMITS:
            saved = load_index(self._store, str(table.metadata().id), table.version())
            if saved is not None:
                self._fold, self._indexed_version = saved, saved.version
        self._fold.follow(table, self._read_log)
        return self._fold

    def _as_logged(self, landed: WindowCommit) -> WindowCommit:
        """``landed`` with the log's time; and the index is written when enough commits have gathered."""
        if landed.committed_at is not None:
            return landed
        with self._handle.lock:
            fold = self._followed(self._handle.current())
            if fold.version - self._indexed_version >= INDEX_EVERY_COMMITS:
                save_index(self._store, fold)
                self._indexed_version = fold.version
            newest = fold.newest[landed.window]
        return newest if newest.version == landed.version else landed


def _chunks(rows: pl.DataFrame | pa.RecordBatchReader | Iterable[pl.DataFrame]) -> Iterable[pl.DataFrame]:
    if isinstance(rows, pl.DataFrame):
        return [rows]
    if isinstance(rows, pa.RecordBatchReader):
        return (pl.DataFrame(batch) for batch in rows)
    return rows


def _completed(commit: WindowCommit, files: Sequence[DataFile]) -> WindowCommit:
    """``commit`` with rows and content hash of ``files``; files of another window or other rows are refused."""
    for file in files:
        if file.partition != Partition(WINDOW, commit.window):
            raise ValueError(f"{file.path} holds rows of {file.partition} and was given for {commit.window!r}")
    return filled(commit, files)


def _settles(standing: WindowCommit, wanted: WindowCommit) -> bool:
    """Whether nothing is left to commit.

    Either ``wanted`` landed although its writer was told otherwise (the store's answer was lost on the way), or the
    window is complete and ``wanted`` is not.
    """
    return standing.same_content(wanted) or (standing.complete and not wanted.complete)
