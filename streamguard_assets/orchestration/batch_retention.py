"""Batch retention as a job and a schedule: batches that ended long ago go, with their tables and partitions."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from typing import Any

from dagster import (
    Config,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    ResourceParam,
    ScheduleDefinition,
    TableRecord,
    in_process_executor,
    job,
    op,
)

from streamguard_assets.batches.errors import BatchBusy
from streamguard_assets.lake.files import FolderFacts
from streamguard_assets.orchestration.batches.retention import expired_batches, remove_batch
from streamguard_assets.orchestration.care_schedules import job_schedule
from streamguard_assets.orchestration.dead_runs import note_process
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream

JOB_NAME = "batch_retention"
_DESCRIPTION = "Delete batches that ended longer ago than batches.retention_days, with their tables and partitions."


class RetentionConfig(Config):
    """How one run goes about it."""

    dry_run: bool = False


def batch_retention_job() -> JobDefinition:
    """Take away the batches of every stream whose time is over."""

    @op(name="remove_expired_batches", description=_DESCRIPTION)
    def remove_expired_batches(
        context: OpExecutionContext, config: RetentionConfig, streams: ResourceParam[Streams]
    ) -> None:
        note_process(context)
        removed: list[dict[str, Any]] = []
        for name in sorted(streams.settings.streams):
            stream = streams.open(name)
            for batch_id in expired_batches(context.instance, stream, streams.now()):
                gone = _removed(context, streams, stream, batch_id) if not config.dry_run else FolderFacts(0, 0)
                if gone is not None:
                    removed.append({"stream": name, "batch": batch_id, "files": gone.files, "bytes": gone.bytes})
        context.add_output_metadata(_metadata(removed))

    @job(name=JOB_NAME, description=_DESCRIPTION, executor_def=in_process_executor)
    def batch_retention() -> None:
        remove_expired_batches()

    return batch_retention


def batch_retention_schedule(settings: Settings) -> ScheduleDefinition:
    """Asks for the job once a day, by the settings; ``SettingsError`` when the setting is no cron."""
    return job_schedule(settings, JOB_NAME, settings.lake_care.batch_retention_cron, _DESCRIPTION)


def _removed(context: OpExecutionContext, streams: Streams, stream: Stream, batch_id: str) -> FolderFacts | None:
    try:
        return remove_batch(context.instance, stream, batch_id, streams.now())
    except BatchBusy as busy:
        context.log.info(str(busy))  # it was submitted again since it was listed; it is no longer over
        return None


def _metadata(removed: list[dict[str, Any]]) -> dict[str, Any]:
    totals = {name: sum(record[name] for record in removed) for name in ("files", "bytes")}
    lines = {"per_batch": MetadataValue.table([TableRecord(record) for record in removed])} if removed else {}
    return {"batches": len(removed), **totals, **lines}
