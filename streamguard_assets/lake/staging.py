"""Rows of one partition on their way to a table: Parquet files in their final folder that no commit names yet.

Readers see only what a commit names, so a staged file is harmless; if its commit never comes, ``vacuum`` collects it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa
from deltalake.transaction import AddAction

from streamguard_assets.lake.content import combine, content_hash, format_content
from streamguard_assets.lake.errors import SchemaConflict
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.location import partition_folder
from streamguard_assets.lake.schema import WINDOW, conform, polars_schema
from streamguard_assets.lake.statistics import file_statistics

_ATTEMPT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def checked_attempt(attempt: str) -> str:
    """``attempt`` itself; it stands in file names and predicates, so ``ValueError`` for anything but a plain word."""
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"{attempt!r} is no attempt id: 1 to 64 letters, digits, _ and -")
    return attempt


@dataclass(frozen=True)
class Partition:
    """The rows of a table whose ``column`` is ``value``. In the files the column is not; the log has its value."""

    column: str
    value: str | None


@dataclass(frozen=True)
class DataFile:
    """One staged file; picklable, it is what a worker process hands back.

    ``partition`` is None in a table without partitions, ``path`` relative to the table, ``stats`` Delta's JSON,
    ``content_hash`` the sum of row hashes mod 2^64.
    """

    partition: Partition | None
    path: str
    rows: int
    bytes: int
    stats: str
    content_hash: int
    modified_ms: int

    def add_action(self) -> AddAction:
        """The log entry that makes this file part of its table."""
        return AddAction(
            path=self.path,
            size=self.bytes,
            partition_values={self.partition.column: self.partition.value} if self.partition else {},
            modification_time=self.modified_ms,
            data_change=True,
            stats=self.stats,
        )


def rows_of(files: Sequence[DataFile]) -> int:
    """Rows of all ``files``."""
    return sum(file.rows for file in files)


def content_of_files(files: Sequence[DataFile]) -> str:
    """The content hash of the rows of all ``files`` together, ``<rows>:<16 hex>``."""
    return format_content(rows_of(files), combine(file.content_hash for file in files))


class FileStager:
    """Collects frames of one partition and writes them as Parquet files of at most ``file_rows`` rows.

    ``schema`` is the table's, with or without the partition's column. Memory holds at most ``file_rows`` rows and one
    added frame. ``provenance`` names columns that stay out of the content hash; ``window`` always does: it is where
    rows are, not what they say. Any number of stagers, in any processes, may stage the same partition: file names are
    unique. As a context manager it aborts when the block raises.
    """

    def __init__(
        self,
        table_uri: str,
        storage_options: Mapping[str, str],
        schema: pa.Schema,
        partition: Partition | None,
        attempt: str,
        file_rows: int = 250_000,
        provenance: Collection[str] = (),
        row_group_rows: int | None = None,
    ) -> None:
        if file_rows < 1:
            raise ValueError(f"file_rows must be at least 1, not {file_rows}")
        self._store = FileStore(table_uri, storage_options)
        self._where = table_uri
        self._partition = partition
        apart = partition.column if partition else None
        self._dtypes = {name: t for name, t in polars_schema(schema).items() if name != apart}
        folder = f"{partition_folder(partition.column, partition.value)}/" if partition else ""
        self._stem = f"{folder}part-{checked_attempt(attempt)}-{uuid.uuid4().hex[:12]}"
        self._file_rows = file_rows
        self._row_group_rows = row_group_rows
        self._provenance = frozenset({*provenance, WINDOW})
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._begun: list[str] = []
        self._files: list[DataFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()

    @property
    def pending_rows(self) -> int:
        """Rows held in memory."""
        return self._pending_rows

    def add(self, frame: pl.DataFrame) -> None:
        """Take the rows of ``frame``; full files are written at once. ``SchemaConflict`` when they do not fit."""
        frame = self._of_this_partition(frame)
        while frame.height:
            taken = frame.head(self._file_rows - self._pending_rows)
            self._pending.append(conform(taken, self._dtypes, self._where))
            self._pending_rows += taken.height
            frame = frame.slice(taken.height)
            if self._pending_rows == self._file_rows:
                self._write_pending()

    def flush(self) -> None:
        """Write what is held in memory, as a file of its own."""
        if self._pending_rows:
            self._write_pending()

    def finish(self) -> list[DataFile]:
        """Write the rest and tell every file, in the order of writing; none when no row came."""
        self.flush()
        return list(self._files)

    def abort(self) -> None:
        """Delete every file begun here, also a half-written one."""
        for path in self._begun:
            self._store.delete(path)
        self._begun, self._files, self._pending, self._pending_rows = [], [], [], 0

    def _of_this_partition(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A row of another partition would land in this one and be counted there."""
        if self._partition is None or self._partition.column not in frame.columns:
            return frame
        column, value = self._partition.column, self._partition.value
        strange = frame.filter(pl.col(column).ne_missing(pl.lit(value, pl.String)))[column]
        if strange.len():
            raise SchemaConflict(f"{self._where}: {strange.len()} rows of {strange[0]!r} given for {value!r}")
        return frame.drop(column)

    def _write_pending(self) -> None:
        frame = pl.concat(self._pending, rechunk=True)
        self._pending, self._pending_rows = [], 0
        path = f"{self._stem}-{len(self._begun):05d}.zstd.parquet"
        self._begun.append(path)
        facts = self._store.write_parquet(frame, path, self._row_group_rows)
        self._files.append(
            DataFile(
                partition=self._partition,
                path=path,
                rows=frame.height,
                bytes=facts.bytes,
                stats=file_statistics(frame),
                content_hash=content_hash(self._whole(frame), self._provenance),
                modified_ms=facts.modified_ms,
            )
        )

    def _whole(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with the partition's column, where that is part of what the rows say."""
        if self._partition is None or self._partition.column in self._provenance:
            return frame
        return frame.with_columns(pl.lit(self._partition.value, pl.String).alias(self._partition.column))
