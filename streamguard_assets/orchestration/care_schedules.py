"""The schedule of a job that looks after things: at its times, unless its last run is still under way."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from streamguard_assets.orchestration.dead_runs import fail_dead_runs
from streamguard_assets.orchestration.runs import UNFINISHED
from streamguard_assets.settings import Settings


def job_schedule(settings: Settings, job_name: str, cron: str, description: str) -> ScheduleDefinition:
    """Asks for the job ``job_name`` at the times of ``cron``, UTC; on or off by ``lake_care.scheduled``."""

    @schedule(
        name=f"{job_name}_schedule",
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING if settings.lake_care.scheduled else DefaultScheduleStatus.STOPPED,
        description=description,
    )
    def plan_care(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        fail_dead_runs(context.instance)
        if context.instance.get_runs_count(RunsFilter(job_name=job_name, statuses=UNFINISHED)):
            return SkipReason("the last run has not ended yet")
        # Two daemons see the same time: the second asks for a run that is there already.
        return RunRequest(run_key=f"{job_name}-{context.scheduled_execution_time.isoformat()}")

    return plan_care
