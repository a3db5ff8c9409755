"""Care of the live tables of a stream as a job: what windows hold is compared, and then removed when it is due."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from typing import Any

from dagster import (
    Failure,
    In,
    JobDefinition,
    MetadataValue,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    ResourceParam,
    ScheduleDefinition,
    TableRecord,
    in_process_executor,
    job,
    op,
)

from streamguard_assets.orchestration.care_schedules import job_schedule
from streamguard_assets.orchestration.dead_runs import note_process
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.reconciliation.reconcile import Reconciliation, reconcile
from streamguard_assets.streaming.reconciliation.retention import Removal, remove_covered

MAX_SHOWN_WINDOWS = 100
_DESCRIPTION = "Compare the live rows of {stream} with its complete windows, and remove those that are proven and due."


def live_care_job_name(stream: str) -> str:
    return f"{stream}_live_care"


def live_care_job(stream: str) -> JobDefinition:
    """Compare first, then remove what is proven; fails at its end when live rows and windows differ."""
    compare, remove = _reconcile_op(stream), _remove_op(stream)

    @job(
        name=live_care_job_name(stream),
        description=_DESCRIPTION.format(stream=stream),
        executor_def=in_process_executor,
    )
    def care_for_live_tables() -> None:
        remove(compare())

    return care_for_live_tables


def live_care_schedule(settings: Settings, stream: str) -> ScheduleDefinition:
    """Asks for the job at the times of ``streaming.care_cron``, unless its last run is still under way."""
    description = _DESCRIPTION.format(stream=stream)
    return job_schedule(settings, live_care_job_name(stream), settings.streaming.care_cron, description)


def _reconcile_op(stream: str) -> OpDefinition:
    @op(name=f"reconcile_{stream}", description="Compare live rows with complete windows, by offset and content.")
    def compare(context: OpExecutionContext, streams: ResourceParam[Streams]) -> None:
        note_process(context)
        found = reconcile(streams.open(stream), streams.now())
        for verdict in found.findings:
            context.log.error(f"window {verdict.window}: {verdict.finding}")
        context.add_output_metadata(reconciliation_metadata(found))

    return compare


def _remove_op(stream: str) -> OpDefinition:
    @op(
        name=f"remove_{stream}",
        ins={"reconciled": In(Nothing)},
        description="Remove live rows that complete windows hold, and files that no reader needs.",
    )
    def remove(context: OpExecutionContext, streams: ResourceParam[Streams]) -> None:
        note_process(context)
        opened, now = streams.open(stream), streams.now()
        # Looked at again, by the verdicts just stored: a window may have been built anew since.
        found = reconcile(opened, now)
        removal = remove_covered(opened, found, now)
        for line in removal.kept:
            context.log.info(f"kept: {line}")
        metadata = removal_metadata(removal)
        if found.findings:
            named = "; ".join(f"window {each.window}: {each.finding}" for each in found.findings)
            raise Failure(f"live rows of {stream} and its windows differ: {named}", metadata=metadata)
        context.add_output_metadata(metadata)

    return remove


def reconciliation_metadata(found: Reconciliation) -> dict[str, Any]:
    """Totals, and a line per window, the newest first."""
    lines = [
        TableRecord(
            {
                "window": verdict.window,
                "verdict": verdict.verdict.value,
                "rows": verdict.rows,
                "rejected": verdict.rejected,
                "rejudged": verdict.rejudged,
                "finding": verdict.finding or "",
            }
        )
        for verdict in reversed(found.verdicts)
    ]
    return {
        "windows": len(found.verdicts),
        "windows_compared": len(found.compared),
        "rows_compared": sum(each.rows for each in found.verdicts if each.window in found.compared),
        "findings": len(found.findings),
        **({"per_window": MetadataValue.table(lines[:MAX_SHOWN_WINDOWS])} if lines else {}),
    }


def removal_metadata(removal: Removal) -> dict[str, Any]:
    """What went: rows of each table, files and bytes on the store before and after; and why the rest stays."""
    reports = removal.files.values()
    return {
        "rows_removed": removal.events.rows,
        "rejected_removed": removal.rejected.rows,
        "removed_below": MetadataValue.json({str(partition): at for partition, at in removal.removed.items()}),
        **{
            name: sum(getattr(report, name) for report in reports)
            for name in ("files_before", "files_after", "bytes_before", "bytes_after")
        },
        **({"kept": MetadataValue.md("\n".join(f"- {line}" for line in removal.kept))} if removal.kept else {}),
    }
