"""The hourly schedule: the same plan at each boundary, for those who would rather not run a sensor."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import math

from dagster import (
    DefaultScheduleStatus,
    ResourceParam,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.orchestration.dead_runs import fail_dead_runs
from streamguard_assets.orchestration.jobs import windows_job_name
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.sensors import plan_stream, run_requests, skip_reason
from streamguard_assets.settings import StreamSettings
from streamguard_assets.windows.keeper import NoRecordsYetError


def schedule_cron(settings: StreamSettings) -> str:
    """The cadence's cron, moved behind the grace period: before it, the boundary is not decided yet."""
    minute, rest = Cadence(settings.window_minutes).cron.split(" ", 1)
    delay = math.ceil(settings.grace_s / 60) + 1
    if minute == "0" and delay < 60:
        return f"{delay} {rest}"
    if minute.startswith("*/") and delay < settings.window_minutes:
        return f"{delay}-59/{settings.window_minutes} {rest}"
    return f"{minute} {rest}"


def windows_schedule(stream: str, settings: StreamSettings) -> ScheduleDefinition:
    """Asks, once per window, for everything that should be built and is not. Off until somebody turns it on."""

    @schedule(
        name=f"{stream}_schedule",
        job_name=windows_job_name(stream),
        cron_schedule=schedule_cron(settings),
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.STOPPED,
        description=f"The alternative to the sensor of {stream}: one look per window instead of one every few seconds.",
    )
    def plan_windows(
        context: ScheduleEvaluationContext, streams: ResourceParam[Streams]
    ) -> list[RunRequest] | SkipReason:
        fail_dead_runs(context.instance)
        try:
            planned = plan_stream(streams, stream, context.instance)
        except NoRecordsYetError as nothing:
            return SkipReason(str(nothing))
        return run_requests(streams.open(stream), planned.requests) or SkipReason(skip_reason(planned))

    return plan_windows
