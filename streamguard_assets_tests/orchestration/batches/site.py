"""Batches of one stream with its code location and its instance: what the daemon has, in one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, Definitions, ExecuteInProcessResult
from dagster._core.storage.tags import PARTITION_NAME_TAG

from streamguard_assets.batches.record import BatchRecord
from streamguard_assets.batches.request import Batch
from streamguard_assets.definitions import build_defs
from streamguard_assets.orchestration.batches.graph import batch_keys, batches_job_name
from streamguard_assets.orchestration.batches.registry import BatchRegistry
from streamguard_assets.orchestration.batches.submission import run_here, submit
from streamguard_assets.orchestration.running import QUIET
from streamguard_assets_tests.batches.rig import STREAM, BatchRig
from streamguard_assets_tests.orchestration.site import Clock


@dataclass
class BatchSite:
    """``rig`` is the stream; ``clock`` that of its runs and of those who ask."""

    rig: BatchRig
    instance: DagsterInstance
    clock: Clock = field(default_factory=lambda: Clock(datetime.now(UTC)))

    @property
    def definitions(self) -> Definitions:
        return build_defs(self.rig.settings, now=self.clock)

    @property
    def registry(self) -> BatchRegistry:
        """What a process that just started sees: nothing is remembered."""
        return BatchRegistry(self.instance, [self.rig.again()], self.clock)

    def record(self, batch: Batch) -> BatchRecord:
        return self.registry.record(batch.batch_id)

    def pin(self, analysis: str = "revenue_by_category") -> Batch:
        return self.rig.pin(analysis=analysis, now=self.clock())

    def submitted(self, analysis: str = "revenue_by_category") -> Batch:
        """A batch of the whole topic in the queue."""
        batch = self.pin(analysis)
        submit(self.rig.settings, self.instance, self.definitions, batch)
        return batch

    def run(self, batch: Batch) -> BatchRecord:
        """A batch run in this process."""
        run_here(self.rig.settings, self.instance, self.definitions, batch)
        return self.record(batch)

    def rerun(self, batch: Batch, analyses: tuple[str, ...] | None = None) -> ExecuteInProcessResult:
        """What the UI does when somebody materializes the partition by hand: none of our tags come along."""
        names = batch.analyses if analyses is None else analyses
        return self.definitions.resolve_job_def(batches_job_name(STREAM)).execute_in_process(
            instance=self.instance,
            partition_key=batch.batch_id,
            asset_selection=batch_keys(STREAM, names),
            raise_on_error=False,
            run_config=QUIET,
        )

    def started(self, batch: Batch, tags: dict[str, str]) -> str:
        """A run of ``batch`` that Dagster shows as started."""
        return self.instance.create_run_for_job(
            self.definitions.resolve_job_def(batches_job_name(STREAM)),
            tags={PARTITION_NAME_TAG: batch.batch_id, **tags},
            status=DagsterRunStatus.STARTED,
        ).run_id

    def pass_days(self, days: float) -> None:
        self.clock.instant += timedelta(days=days)
