"""The lake's word on batches: one commit of ``<stream>/batches/completed`` for each batch that is whole.

It is the last commit of a batch, so that all of its tables are there when it is. It outlives Dagster's runs, and can
be asked in SQL. A batch that was removed has a commit without a row, which keeps the removal on record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from streamguard_assets.batches.build import STARTED_AT, result_inputs_hash, tables_of
from streamguard_assets.batches.record import BatchRecord, BatchStatus
from streamguard_assets.batches.request import Batch
from streamguard_assets.batches.tables import FOLDER
from streamguard_assets.contracts.schemas import COMMENT, UTC_MICROSECONDS
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.schema import WINDOW, polars_schema
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.windows.stream import CODE_VERSION, Stream

ASSET = f"{FOLDER}/completed"
REMOVED_AT = "removed_at"


def _field(name: str, kind: pa.DataType, comment: str) -> pa.Field:
    return pa.field(name, kind, metadata={COMMENT: comment})


SCHEMA = pa.schema(
    [
        _field(WINDOW, pa.string(), "id of the batch"),
        _field("analysis_type", pa.string(), "analysis that was asked for"),
        _field("topic", pa.string(), "topic that was read"),
        _field("offsets", pa.string(), "offsets that were read, as JSON: partition to start and end"),
        _field("submit_time", UTC_MICROSECONDS, "when it was submitted"),
        _field("start_time", UTC_MICROSECONDS, "when it began to read"),
        _field("end_time", UTC_MICROSECONDS, "when its last table was there"),
        _field("row_count", pa.int64(), "accepted records"),
        _field("rejected_count", pa.int64(), "rejected records"),
        _field("raw_path", pa.string(), "address of its raw rows"),
    ]
)


class CompletedBatches:
    """The completed batches of one stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._table = WindowTable(stream.location, stream.name, ASSET, SCHEMA, "Batches that are whole, one row each")

    def records(self) -> dict[str, BatchRecord]:
        """Every batch that is whole, by its id."""
        return {key: _record(commit) for key, commit in self._table.commits().items() if not _is_removal(commit)}

    def removed(self) -> dict[str, datetime]:
        """Every batch that was removed, by its id, with the instant."""
        found = self._table.commits()
        return {
            key: datetime.fromisoformat(commit.details[REMOVED_AT])
            for key, commit in found.items()
            if _is_removal(commit)
        }

    def complete(self, batch: Batch, now: datetime) -> BatchRecord | None:
        """Enter ``batch`` when all that was asked of it is in the lake; None while something is missing."""
        tables = tables_of(self._stream, batch.batch_id)
        raw = tables.raw.newest()
        if raw is None:
            return None
        for name in batch.analyses:
            result = tables.aggregated(name).newest()
            if result is None or result.inputs_hash != result_inputs_hash(name, raw):
                return None
        document = _document(self._stream, batch, raw, now)
        commit = WindowCommit(
            window=batch.batch_id,
            attempt=uuid.uuid4().hex,
            complete=True,
            inputs_hash=raw.inputs_hash,
            code_version=CODE_VERSION,
            details=document,
        )
        return _record(self._table.write(_row(batch, document), commit))

    def enter_removal(self, batch_id: str, now: datetime) -> None:
        """From now on the batch is not there, whatever is left of its files."""
        details = {REMOVED_AT: now.isoformat()}
        commit = WindowCommit(window=batch_id, attempt=uuid.uuid4().hex, complete=True, details=details)
        self._table.commit([], commit)


def _is_removal(commit: WindowCommit) -> bool:
    return REMOVED_AT in commit.details


def _document(stream: Stream, batch: Batch, raw: WindowCommit, now: datetime) -> dict[str, Any]:
    tables = tables_of(stream, batch.batch_id)
    rejected = raw.details["rejected"]
    return {
        "batch": batch.to_json(),
        "started_at": raw.details[STARTED_AT],
        "ended_at": now.isoformat(),
        "rows": raw.rows,
        "rejected": rejected,
        "raw_path": tables.raw.uri,
        "aggregated_path": tables.aggregated_folder if batch.analyses else None,
        "rejected_path": tables.quarantine.uri if rejected else None,
        "result_paths": {name: tables.aggregated(name).uri for name in batch.analyses},
    }


def _record(commit: WindowCommit) -> BatchRecord:
    told: Mapping[str, Any] = commit.details
    return BatchRecord(
        batch=Batch.from_json(told["batch"]),
        status=BatchStatus.COMPLETED,
        started_at=datetime.fromisoformat(told["started_at"]),
        ended_at=datetime.fromisoformat(told["ended_at"]),
        row_count=told["rows"],
        rejected=told["rejected"],
        raw_path=told["raw_path"],
        aggregated_path=told["aggregated_path"],
        rejected_path=told["rejected_path"],
        result_paths=told["result_paths"],
    )


def _row(batch: Batch, document: Mapping[str, Any]) -> pl.DataFrame:
    values = {
        WINDOW: batch.batch_id,
        "analysis_type": batch.analysis,
        "topic": batch.topic,
        "offsets": str(batch.range).removeprefix(f"{batch.topic} "),
        "submit_time": batch.submitted_at,
        "start_time": datetime.fromisoformat(document["started_at"]),
        "end_time": datetime.fromisoformat(document["ended_at"]),
        "row_count": document["rows"],
        "rejected_count": document["rejected"],
        "raw_path": document["raw_path"],
    }
    return pl.DataFrame({name: [values[name]] for name in SCHEMA.names}, schema=polars_schema(SCHEMA))
