"""Rows of one window on their way to a table: Parquet files in their final folder that no commit names yet.

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
from streamguard_assets.lake.location import window_folder
from streamguard_assets.lake.schema import WINDOW, conform, polars_schema, with_window
from streamguard_assets.lake.statistics import file_statistics

_ATTEMPT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def checked_attempt(attempt: str) -> str:
    """``attempt`` itself; it stands in file names and predicates, so ``ValueError`` for anything but a plain word."""
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"{attempt!r} is no attempt id: 1 to 64 letters, digits, _ and -")
    return attempt


@dataclass(frozen=True)
class DataFile:
    """One staged file; picklable, it is what a worker process hands back.

    ``path`` is relative to the table, ``stats`` is Delta's JSON, ``content_hash`` the sum of row hashes mod 2^64.
    """

    window: str
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
            partition_values={WINDOW: self.window},
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
    """Collects frames of one window and writes them as Parquet files of at most ``file_rows`` rows.

    ``schema`` is the table's, with or without ``window``. Memory holds at most ``file_rows`` rows and one added
    frame. ``provenance`` names columns that stay out of the content hash. Any number of stagers, in any processes,
    may stage the same window: file names are unique. As a context manager it aborts when the block raises.
    """

    def __init__(
        self,
        table_uri: str,
        storage_options: Mapping[str, str],
        schema: pa.Schema,
        window: str,
        attempt: str,
        file_rows: int = 250_000,
        provenance: Collection[str] = (),
    ) -> None:
        if file_rows < 1:
            raise ValueError(f"file_rows must be at least 1, not {file_rows}")
        self._store = FileStore(table_uri, storage_options)
        self._where = table_uri
        self._dtypes = {name: t for name, t in polars_schema(with_window(schema)).items() if name != WINDOW}
        self._window = window
        self._stem = f"{window_folder(window)}/part-{checked_attempt(attempt)}-{uuid.uuid4().hex[:12]}"
        self._file_rows = file_rows
        self._provenance = frozenset(provenance)
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

    def add(self, frame: pl.DataFrame) -> None:
        """Take the rows of ``frame``; full files are written at once. ``SchemaConflict`` when they do not fit."""
        frame = self._of_this_window(frame)
        while frame.height:
            taken = frame.head(self._file_rows - self._pending_rows)
            self._pending.append(conform(taken, self._dtypes, self._where))
            self._pending_rows += taken.height
            frame = frame.slice(taken.height)
            if self._pending_rows == self._file_rows:
                self._write_pending()

    def finish(self) -> list[DataFile]:
        """Write the rest and tell every file, in the order of writing; none when no row came."""
        if self._pending_rows:
            self._write_pending()
        return list(self._files)

    def abort(self) -> None:
        """Delete every file begun here, also a half-written one."""
        for path in self._begun:
            self._store.delete(path)
        self._begun, self._files, self._pending, self._pending_rows = [], [], [], 0

    def _of_this_window(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A row of another window would land in this one's partition and be counted there."""
        if WINDOW not in frame.columns:
            return frame
        strange = frame.filter(pl.col(WINDOW).ne_missing(self._window))[WINDOW]
        if strange.len():
            raise SchemaConflict(f"{self._where}: {strange.len()} rows of {strange[0]!r} given for {self._window!r}")
        return frame.drop(WINDOW)

    def _write_pending(self) -> None:
        frame = pl.concat(self._pending, rechunk=True)
        self._pending, self._pending_rows = [], 0
        path = f"{self._stem}-{len(self._begun):05d}.zstd.parquet"
        self._begun.append(path)
        facts = self._store.write_parquet(frame, path)
        self._files.append(
            DataFile(
                window=self._window,
                path=path,
                rows=frame.height,
                bytes=facts.bytes,
                stats=file_statistics(frame),
                content_hash=content_hash(frame, self._provenance),
                modified_ms=facts.modified_ms,
            )
        )
