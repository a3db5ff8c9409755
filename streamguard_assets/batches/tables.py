"""The tables of one batch: raw rows, rejected records and one result per analysis, and their columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.batches.identity import checked_batch_id
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.schemas import COMMENT, REJECTED_SCHEMA, UTC_MICROSECONDS
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.snapshot_table import SnapshotTable

FOLDER = "batches"
BATCH_ID = "batch_id"
PROCESSING_TIMESTAMP = "processing_timestamp"
PARTITION_COLUMN = "category"
"""Analysis of a batch is often of one category; a contract without it has raw tables without partitions."""

_MADE_FIELDS = (
    pa.field(BATCH_ID, pa.string(), metadata={COMMENT: "the batch that the row was made in"}),
    pa.field(PROCESSING_TIMESTAMP, UTC_MICROSECONDS, metadata={COMMENT: "when the batch took it in"}),
)


def raw_schema(rules: Contract) -> pa.Schema:
    """The columns of a batch's raw rows: those of ``events`` but for the window, with the batch and its instant."""
    fields = [field for field in rules.events_schema() if field.name != WINDOW]
    there = {field.name for field in fields}
    return pa.schema([*fields, *(field for field in _MADE_FIELDS if field.name not in there)])


def folder_of(batch_id: str) -> str:
    """The folder of a batch below its stream's."""
    return f"{FOLDER}/{checked_batch_id(batch_id)}"


@dataclass(frozen=True)
class BatchTables:
    """The tables of the batch ``batch_id`` of ``stream``, whose records follow ``rules``."""

    location: LakeLocation
    stream: str
    rules: Contract
    batch_id: str

    @cached_property
    def raw(self) -> SnapshotTable:
        """Accepted records, one row each."""
        schema = raw_schema(self.rules)
        return SnapshotTable(
            self.location,
            self.stream,
            f"{folder_of(self.batch_id)}/raw",
            schema,
            f"Accepted records of {self.batch_id}; the commit says of which offsets",
            partition_by=PARTITION_COLUMN if PARTITION_COLUMN in schema.names else None,
            # Which batch a row is in and when it was read are not what it says: the same offsets are the same rows.
            provenance=(*self.rules.provenance_columns, BATCH_ID, PROCESSING_TIMESTAMP),
        )

    @cached_property
    def quarantine(self) -> SnapshotTable:
        """Rejected records with their raw bytes; the table is there when there are any."""
        return SnapshotTable(
            self.location,
            self.stream,
            f"{folder_of(self.batch_id)}/quarantine",
            REJECTED_SCHEMA,
            f"Rejected records of {self.batch_id} with their raw bytes and the reason",
        )

    def aggregated(self, name: str) -> SnapshotTable:
        """The result of one analysis over the raw rows."""
        defined = analysis(name)
        return SnapshotTable(
            self.location,
            self.stream,
            f"{folder_of(self.batch_id)}/aggregated/{name}",
            defined.schema,
            f"{defined.description} Over the rows of {self.batch_id}.",
        )

    @property
    def aggregated_folder(self) -> str:
        """The address under which the results are."""
        return f"{self.location.uri.rstrip('/')}/{self.stream}/{folder_of(self.batch_id)}/aggregated"
