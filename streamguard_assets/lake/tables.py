"""Delta tables as this project keeps them: configuration, creation, and a handle that stays fast."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.file_scan import scan_files
from streamguard_assets.lake.location import local_path

REOPEN_AFTER_COMMITS = 25
"""A long-lived DeltaTable slows down linearly with the commits it has followed, even with checkpoints."""

CONFIGURATION = {
    # The history is the durable truth of what each window was built from: it must never expire.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "25",
}

_CREATE_TURNS = 5


def table_exists(uri: str, storage_options: Mapping[str, str]) -> bool:
    return DeltaTable.is_deltatable(uri, dict(storage_options))


def open_table(uri: str, storage_options: Mapping[str, str], version: int | None = None) -> DeltaTable:
    """The table at ``version`` (default: newest). ``TableMissing`` when nobody has written it yet."""
    try:
        return DeltaTable(uri, version=version, storage_options=dict(storage_options))
    except TableNotFoundError as error:
        raise no_table(uri) from error


def no_table(uri: str) -> TableMissing:
    """The error of those who read a table that nobody has written."""
    return TableMissing(f"there is no table at {uri}; materialize the asset that writes it first")


def stored_schema(uri: str, storage_options: Mapping[str, str]) -> pa.Schema:
    """The columns that the table has now. ``TableMissing`` when nobody has written it yet."""
    return pa.schema(open_table(uri, storage_options).schema().to_arrow())


def scan_table(
    table: DeltaTable,
    storage_options: Mapping[str, str],
    *,
    file_by_file: bool = False,
    only: Mapping[str, Collection[str]] | None = None,
) -> pl.LazyFrame:
    """The rows of ``table`` at its version, lazily; ``only`` those with the named values of partition columns.

    delta-rs names the files of a local table percent-encoded, and Polars takes those names literally: in a folder
    with a space it finds nothing. Such a folder is read file by file. So is, with ``file_by_file``, a table whose
    partition values cannot be told from the names of its folders, as Polars does.
    """
    path = local_path(table.table_uri)
    is_encoded = path is not None and "%" in table.table_uri
    if is_encoded or file_by_file:
        return scan_files(table, storage_options, only)
    rows = pl.scan_delta(table)
    return rows.filter([pl.col(column).is_in(sorted(values)) for column, values in only.items()]) if only else rows


def create_table(
    uri: str,
    storage_options: Mapping[str, str],
    schema: pa.Schema,
    partition_by: Sequence[str],
    description: str,
    configuration: Mapping[str, str] = CONFIGURATION,
) -> None:
    """Create the table unless it is there; several processes may do so at once."""
    for turn in range(1, _CREATE_TURNS + 1):
        try:
            DeltaTable.create(
                uri,
                Schema.from_arrow(schema),
                mode="ignore",
                partition_by=list(partition_by),
                description=description,
                configuration=dict(configuration),
                storage_options=dict(storage_options),
            )
            return
        except DeltaError:
            # Losing the race to create shows as various errors; the next turn then finds the winner's table.
            if turn == _CREATE_TURNS:
                raise


class TableHandle:
    """One table, opened when first needed and followed cheaply from then on.

    ``lock`` is held by whoever uses the object that ``current`` returns: another thread would move it to a newer
    version between a decision and its commit, and the fence would let the stale decision through.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self.uri = uri
        self.storage_options = dict(storage_options)
        self.lock = threading.RLock()
        self._table: DeltaTable | None = None
        self._opened_at = 0
        self._birth: tuple[int, int] | None = None

    def exists(self) -> bool:
        return self._followable() or table_exists(self.uri, self.storage_options)

    def create(
        self,
        schema: pa.Schema,
        partition_by: Sequence[str],
        description: str,
        configuration: Mapping[str, str] = CONFIGURATION,
    ) -> None:
        if not self.exists():
            create_table(self.uri, self.storage_options, schema, partition_by, description, configuration)

    def current(self) -> DeltaTable:
        """The table at its newest version; use it under ``lock`` and do not keep it, it moves on later."""
        with self.lock:
            table = self._table
            if table is None or not self._followable() or table.version() - self._opened_at >= REOPEN_AFTER_COMMITS:
                self._birth = self._birth_now()
                table = self._table = open_table(self.uri, self.storage_options)
                self._opened_at = table.version()
            else:
                table.update_incremental()
            return table

    def _followable(self) -> bool:
        """Whether the open table is still the one at this address. One made anew there has another first commit.

        Following the old object would mix both, or show windows that are gone. Told on the local disk only: nobody
        deletes a table in an object store while its own processes run.
        """
        return self._table is not None and self._birth == self._birth_now()

    def _birth_now(self) -> tuple[int, int] | None:
        folder = local_path(self.uri)
        if folder is None:
            return None
        try:
            facts = (folder / "_delta_log" / f"{0:020d}.json").stat()
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_mtime_ns

    def pinned(self, version: int | None = None) -> DeltaTable:
        """An object of its own that stays at ``version`` (default: the newest now)."""
        return open_table(self.uri, self.storage_options, version)
