"""Rows on their way to a table that is partitioned by one of their own columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

from streamguard_assets.lake.staging import DataFile, FileStager, Partition

PENDING_FILES = 2
"""Rows held in memory before the fullest partition is written, in full files. One would make files of all partitions
small; more would only take memory."""


class PartitionedStager:
    """A ``FileStager`` for every value of ``column``, a text column of ``schema``.

    Memory holds at most ``PENDING_FILES`` full files and one added frame, however many values there are.
    """

    def __init__(
        self,
        table_uri: str,
        storage_options: Mapping[str, str],
        schema: pa.Schema,
        column: str,
        attempt: str,
        file_rows: int = 250_000,
        provenance: Collection[str] = (),
    ) -> None:
        self._column = column
        self._file_rows = file_rows
        self._table = (table_uri, storage_options, schema)
        self._attempt = attempt
        self._provenance = frozenset(provenance)
        self._stagers: dict[str | None, FileStager] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()

    def add(self, frame: pl.DataFrame) -> None:
        """Take the rows of ``frame``. ``SchemaConflict`` when they do not fit."""
        for (value,), rows in frame.partition_by(self._column, as_dict=True, maintain_order=True).items():
            self._stager(value).add(rows)
        while sum(stager.pending_rows for stager in self._stagers.values()) > PENDING_FILES * self._file_rows:
            max(self._stagers.values(), key=lambda stager: stager.pending_rows).flush()

    def finish(self) -> list[DataFile]:
        """Write the rest and tell every file."""
        return [file for stager in self._stagers.values() for file in stager.finish()]

    def abort(self) -> None:
        """Delete every file begun here."""
        for stager in self._stagers.values():
            stager.abort()

    def _stager(self, value: str | None) -> FileStager:
        if value not in self._stagers:
            partition = Partition(self._column, value)
            self._stagers[value] = FileStager(
                *self._table, partition, self._attempt, self._file_rows, provenance=self._provenance
            )
        return self._stagers[value]
