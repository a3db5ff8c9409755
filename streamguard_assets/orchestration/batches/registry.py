"""Every batch and its state, from Dagster's runs and the lake's word; nothing is remembered anywhere else.

The lake is the truth: a batch that it knows as whole is COMPLETED, whatever became of its run. Of any other the newest
run tells the state, and its events the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.storage.tags import PARTITION_NAME_TAG

from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.errors import UnknownBatch
from streamguard_assets.batches.identity import checked_batch_id
from streamguard_assets.batches.record import CANCELLED, INTERRUPTED, BatchRecord, BatchStatus
from streamguard_assets.batches.request import Batch
from streamguard_assets.orchestration.batches.graph import BATCHES_OF_TAG, tagged_batch
from streamguard_assets.orchestration.dead_runs import fail_dead_runs
from streamguard_assets.orchestration.running import failure_reason
from streamguard_assets.windows.stream import Stream

MAX_RUNS_READ = 5_000
"""Newest runs of batches that are looked at. Older ones that completed are known to the lake."""

SUBMISSION_TAKES = timedelta(minutes=1)
"""A run that was created and not queued for so long was cut short between the two: nothing will start it."""

_INTERRUPT = DagsterExecutionInterruptedError.__name__

_STATES = {
    DagsterRunStatus.QUEUED: BatchStatus.PENDING,
    DagsterRunStatus.NOT_STARTED: BatchStatus.PENDING,
    DagsterRunStatus.STARTING: BatchStatus.PENDING,
    DagsterRunStatus.STARTED: BatchStatus.RUNNING,
    DagsterRunStatus.CANCELING: BatchStatus.RUNNING,
}


class BatchRegistry:
    """The batches of some streams. Before each answer, runs whose process is gone are marked as failed."""

    def __init__(self, instance: DagsterInstance, streams: Iterable[Stream], now: Callable[[], datetime]) -> None:
        self._instance = instance
        self._completed = {stream.name: CompletedBatches(stream) for stream in streams}
        self._now = now

    def record(self, batch_id: str) -> BatchRecord:
        """One batch as it is now.

        Raises:
            UnknownBatch: nobody submitted it, or it was removed.
        """
        checked_batch_id(batch_id)
        fail_dead_runs(self._instance)
        runs = self.runs(batch_id)
        for completed in self._completed.values():
            if removed_at := completed.removed().get(batch_id):
                raise UnknownBatch(batch_id, f"it was removed on {removed_at:%F %R} UTC; submit its range again")
            if whole := completed.records().get(batch_id):
                return _with_run(whole, runs[0] if runs else None)
        for run in runs:
            if (batch := tagged_batch(run.dagster_run.tags)) is not None:
                return self._explained(self._told_by(runs[0], batch))
        raise UnknownBatch(batch_id)

    def records(self, status: BatchStatus | None = None, limit: int | None = None) -> list[BatchRecord]:
        """Batches, the newest submission first: those in ``status`` (None: all), at most ``limit`` (None: all)."""
        fail_dead_runs(self._instance)
        found = [record for record in self._known() if status is None or record.status is status]
        found.sort(key=lambda record: (record.batch.submitted_at, record.batch.batch_id), reverse=True)
        return [self._explained(record) for record in found[:limit]]

    def _known(self) -> list[BatchRecord]:
        """Every batch, in no order, without the reasons of failures: each of them takes a look at the run's events."""
        found: dict[str, BatchRecord] = {}
        removed: set[str] = set()
        for stream, completed in self._completed.items():
            found |= completed.records()
            removed |= completed.removed().keys()
            for run in self._runs({BATCHES_OF_TAG: stream}):
                batch = tagged_batch(run.dagster_run.tags)
                if batch is None or batch.batch_id in removed:
                    continue
                told = found.get(batch.batch_id)
                if told is None:
                    found[batch.batch_id] = self._told_by(run, batch)
                elif told.run_id is None:
                    found[batch.batch_id] = _with_run(told, run)
        return list(found.values())

    def runs(self, batch_id: str) -> list[RunRecord]:
        """The runs of one batch that Dagster still has, the newest first."""
        return self._runs({PARTITION_NAME_TAG: batch_id})

    def unfinished_run(self, batch_id: str) -> RunRecord | None:
        """The run of a batch that is queued or under way."""
        return next((run for run in self.runs(batch_id) if not run.dagster_run.is_finished), None)

    def tables_made(self, record: BatchRecord) -> int:
        """How many of a batch's tables its run has made so far."""
        if record.run_id is None:
            return 0
        return len(self._instance.all_logs(record.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION))

    def _runs(self, tags: dict[str, str]) -> list[RunRecord]:
        return list(self._instance.get_run_records(RunsFilter(tags=tags), limit=MAX_RUNS_READ))

    def _told_by(self, run: RunRecord, batch: Batch) -> BatchRecord:
        """The state of a batch that is not whole, by its newest run."""
        status = run.dagster_run.status
        state = _STATES.get(status, BatchStatus.FAILED)
        error = None
        if status is DagsterRunStatus.NOT_STARTED and self._now() - run.create_timestamp > SUBMISSION_TAKES:
            state, error = BatchStatus.FAILED, "its submission was cut short before it was queued; submit it again"
        return BatchRecord(
            batch=batch,
            status=state,
            started_at=_instant(run.start_time),
            ended_at=_instant(run.end_time) if state.is_over else None,
            error=error,
            run_id=run.dagster_run.run_id,
        )

    def _explained(self, record: BatchRecord) -> BatchRecord:
        """``record`` with the reason, if it failed."""
        if record.status is not BatchStatus.FAILED or record.error is not None or record.run_id is None:
            return record
        run = self._instance.get_run_by_id(record.run_id)
        return record if run is None else replace(record, error=self._error(run))

    def _error(self, run: DagsterRun) -> str:
        status, run_id = run.status, run.run_id
        if status is DagsterRunStatus.CANCELED:
            return CANCELLED
        if status is DagsterRunStatus.SUCCESS:
            return "its run succeeded, but the lake does not have it: its tables were deleted, or it is another lake"
        for failed in self._instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
            if failed.dagster_event is not None:
                failure = failed.dagster_event.step_failure_data
                is_interrupt = failure.error is not None and failure.error.cls_name == _INTERRUPT
                return INTERRUPTED if is_interrupt else failure_reason(failure)
        for failed in self._instance.all_logs(run_id, of_type=DagsterEventType.RUN_FAILURE):
            if failed.dagster_event is not None and failed.dagster_event.message:
                return failed.dagster_event.message
        return "its run failed without a word; see it in the Dagster UI"


def known_batch(instance: DagsterInstance, stream: Stream, batch_id: str) -> Batch | None:
    """What the batch is to read, by the tags of any of its runs or by the lake; None when nobody ever said."""
    for run in instance.get_runs(RunsFilter(tags={PARTITION_NAME_TAG: batch_id})):
        if (batch := tagged_batch(run.tags)) is not None:
            return batch
    whole = CompletedBatches(stream).records().get(batch_id)
    return None if whole is None else whole.batch


def _with_run(record: BatchRecord, run: RunRecord | None) -> BatchRecord:
    return record if run is None else replace(record, run_id=run.dagster_run.run_id)


def _instant(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)
