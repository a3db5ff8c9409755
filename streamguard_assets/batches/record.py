"""What is told of a batch: its state, its times, its rows and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from streamguard_assets.batches.request import Batch


class BatchStatus(StrEnum):
    """The states of a batch. A cancelled one is ``FAILED`` with the message ``cancelled``."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        return self in (BatchStatus.COMPLETED, BatchStatus.FAILED)


CANCELLED = "cancelled"
INTERRUPTED = "interrupted: its process was told to end, by Ctrl-C or by the end of everything; submit it again"


@dataclass(frozen=True)
class BatchRecord:
    """One batch as it is now. Counts and paths are known once it has completed; ``run_id`` while Dagster keeps it."""

    batch: Batch
    status: BatchStatus
    started_at: datetime | None = None
    ended_at: datetime | None = None
    row_count: int | None = None
    rejected: int | None = None
    raw_path: str | None = None
    aggregated_path: str | None = None
    rejected_path: str | None = None
    result_paths: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    run_id: str | None = None

    def as_document(self) -> dict[str, Any]:
        """For printing and for programs, under the published names of a batch's fields, and some more."""
        batch = self.batch
        return {
            "batchId": batch.batch_id,
            "status": self.status.value,
            "analysisType": batch.analysis,
            "stream": batch.stream,
            "topic": batch.topic,
            "startOffset": batch.asked_start,
            "endOffset": batch.asked_end,
            "offsets": batch.range.to_json()["offsets"],
            "submitTime": batch.submitted_at,
            "startTime": self.started_at,
            "endTime": self.ended_at,
            "rowCount": self.row_count,
            "rejectedCount": self.rejected,
            "deltaRawPath": self.raw_path,
            "deltaAggPath": self.aggregated_path,
            "deltaResultPaths": dict(self.result_paths),
            "deltaRejectedPath": self.rejected_path,
            "errorMessage": self.error,
            "runId": self.run_id,
        }
