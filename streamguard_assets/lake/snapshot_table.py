"""A table that each commit replaces whole: what one batch holds.

Its first commit also makes it, so that a reader sees either no table or all of it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import create_table_with_add_actions

from streamguard_assets.lake.commit_log import read_commits
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.filling import filled, log_metadata
from streamguard_assets.lake.location import LakeLocation, folder_tells
from streamguard_assets.lake.partitioned_staging import PartitionedStager
from streamguard_assets.lake.schema import as_declared, merged, polars_schema
from streamguard_assets.lake.staging import DataFile, FileStager
from streamguard_assets.lake.tables import CONFIGURATION, TableHandle, scan_table

APP_ID = "streamguard/snapshot"


class SnapshotTable:
    """The table ``<lake>/<stream>/<asset>``; ``partition_by`` names one text column of ``schema``, or none.

    The ``window`` of its commits is whatever they are commits of: the id of a batch. ``provenance`` names columns
    that stay out of content hashes.
    """

    def __init__(
        self,
        location: LakeLocation,
        stream: str,
        asset: str,
        schema: pa.Schema,
        description: str = "",
        *,
        partition_by: str | None = None,
        provenance: Collection[str] = (),
        pause: Pause = time.sleep,
    ) -> None:
        self.uri = location.table(stream, asset)
        # Nullable throughout: delta-rs checks required columns of rows that it writes, and ours come as files.
        self.schema = pa.schema([field.with_nullable(True) for field in schema], metadata=schema.metadata)
        self.description = description
        self._required_partition = _is_required(schema, partition_by)
        self._partition_by = partition_by
        self._options = dict(location.storage_options)
        self._provenance = frozenset(provenance)
        self._pause = pause
        self._handle = TableHandle(self.uri, self._options)

    def exists(self) -> bool:
        return self._handle.exists()

    def stager(self, attempt: str, file_rows: int = 250_000) -> FileStager | PartitionedStager:
        """Stages rows of this table."""
        table = (self.uri, self._options, self.schema)
        if self._partition_by is not None:
            return PartitionedStager(*table, self._partition_by, attempt, file_rows, self._provenance)
        return FileStager(*table, None, attempt, file_rows, self._provenance)

    def write(self, frame: pl.DataFrame, commit: WindowCommit) -> WindowCommit:
        """Stage ``frame`` as one file, which keeps the order of its rows, and commit it as the whole table."""
        with self.stager(commit.attempt, max(1, frame.height)) as stager:
            stager.add(frame)
            files = stager.finish()
        return self.commit(files, commit)

    def commit(self, files: Sequence[DataFile], commit: WindowCommit) -> WindowCommit:
        """Replace all rows by those of ``files`` (none: the table is there, and empty) in one commit.

        Raises ``ValueError`` when ``files`` are not what ``commit`` says, ``SchemaConflict`` when a column changed
        its type, ``CommitContention`` when other writers won every turn.
        """
        commit = filled(commit, files)
        if self._made_with(files, commit):
            return replace(commit, version=0)

        def act(table: DeltaTable, properties: CommitProperties) -> WindowCommit:
            table.create_write_transaction(
                [file.add_action() for file in files],
                "overwrite",
                merged(table.schema(), self.schema, self.uri),
                partition_by=self._partition_columns,
                commit_properties=properties,
            )
            return replace(commit, version=table.version() + 1)

        return commit_fenced(
            self._handle, APP_ID, act, seed=commit.attempt, metadata=log_metadata(commit), pause=self._pause
        )

    def newest(self) -> WindowCommit | None:
        """What the newest commit says; None when the table was never written."""
        if not self.exists():
            return None
        version, read = self._handle.current().version(), 1
        # Backwards: care for the table leaves entries of its own, but the last word is never far from the end.
        while not (commits := read_commits(self.uri, self._options, max(-1, version - read), version)):
            if read > version:
                return None
            read *= 2
        return commits[-1]

    def required(self) -> WindowCommit:
        """The same; ``TableMissing`` when the table was never written."""
        found = self.newest()
        if found is None:
            raise TableMissing(f"there is no table at {self.uri}; materialize the asset that writes it first")
        return found

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """All rows, lazily, with this schema's columns. Raises ``TableMissing`` when the table was never written."""
        table = self._handle.pinned(version)
        rows = scan_table(table, self._options, file_by_file=not all(map(folder_tells, self._partition_values(table))))
        found = as_declared(rows, polars_schema(self.schema))
        if self._required_partition is not None:
            # Delta has no empty text as a partition: it reads as null, which a required column cannot hold.
            found = found.with_columns(pl.col(self._required_partition).fill_null(""))
        return found

    def _partition_values(self, table: DeltaTable) -> list[str | None]:
        column = self._partition_by
        return [] if column is None else [partition[column] for partition in table.partitions()]

    @property
    def _partition_columns(self) -> list[str] | None:
        return None if self._partition_by is None else [self._partition_by]

    def _made_with(self, files: Sequence[DataFile], commit: WindowCommit) -> bool:
        """Make the table with its first rows; False when it is there already."""
        if self.exists():
            return False
        try:
            create_table_with_add_actions(
                self.uri,
                Schema.from_arrow(self.schema),
                [file.add_action() for file in files],
                mode="error",
                partition_by=self._partition_columns,
                description=self.description,
                configuration=CONFIGURATION,
                storage_options=self._options,
                commit_properties=CommitProperties(custom_metadata=log_metadata(commit), max_commit_retries=0),
            )
        except DeltaError:
            if not self.exists():
                raise
            return False  # another run of the same batch was first; its rows are replaced by these, which are the same
        return True


def _is_required(schema: pa.Schema, column: str | None) -> str | None:
    return column if column is not None and not schema.field(column).nullable else None
