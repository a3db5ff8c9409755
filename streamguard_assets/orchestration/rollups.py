"""Keeping the rollups of a stream up to date: their job, and the sensor that asks for what is late."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from datetime import datetime

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    in_process_executor,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from streamguard_assets.contracts.windows import contiguous_runs
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.runs import ATTEMPTS_HORIZON, FINISHED, STREAM_TAG, UNFINISHED, range_tags
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import analyses_of, configured_graph
from streamguard_assets.windows.rollups import DAY, DueRollups, daily_rollup, due_rollups, history_rollup
from streamguard_assets.windows.stream import Stream

INTERVAL_S = 30
MAX_DAYS_PER_RUN = 92
"""A history that is rolled up for the first time goes a quarter at a time; all history follows the last of them."""

FINGERPRINT_TAG = "streamguard/rollups"
"""Run tag that names the content that was wanted; attempts are counted by it."""


def rollups_job_name(stream: str) -> str:
    return f"{stream}_rollups"


def rollups_job(settings: Settings, stream: str) -> UnresolvedAssetJobDefinition:
    """Days, and then all history, of every analysis of a stream, in one run and one process."""
    return define_asset_job(
        rollups_job_name(stream),
        selection=AssetSelection.assets(*_keys(stream, analyses_of(configured_graph(settings, stream)))),
        description=f"Bring the daily and all-history analyses of {stream} up to date.",
        executor_def=in_process_executor,
        tags={STREAM_TAG: stream},
    )


def rollups_sensor(stream: str) -> SensorDefinition:
    """Asks for the days whose windows have changed and for all history; one run at a time, and without a cursor."""

    @sensor(
        name=f"{stream}_rollups_sensor",
        job_name=rollups_job_name(stream),
        minimum_interval_seconds=INTERVAL_S,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Keeps the daily and all-history analyses of {stream} up to date.",
    )
    def watch_rollups(context: SensorEvaluationContext, streams: ResourceParam[Streams]) -> RunRequest | SkipReason:
        opened = streams.open(stream)
        due = due_rollups(opened)
        if not due:
            return SkipReason("every day and all history are up to date")
        if context.instance.get_runs(RunsFilter(job_name=rollups_job_name(stream), statuses=UNFINISHED), limit=1):
            return SkipReason("a run is under way")
        attempt = _attempts(context.instance, stream, due, streams.now())
        if attempt >= opened.config.max_attempts:
            return SkipReason(f"tried {attempt} times; `streamguard materialize {stream}` tries again and says why")
        return rollup_request(opened, due, attempt)

    return watch_rollups


def rollup_request(stream: Stream, due: DueRollups, attempt: int = 0) -> RunRequest:
    """The run that brings the oldest contiguous days of ``due`` up to date; the last such run, all history too."""
    days = next(iter(contiguous_runs(list(due.days), DAY)), [])[:MAX_DAYS_PER_RUN]
    names = analyses_of(stream.graph)
    daily = [asset_key(stream.name, daily_rollup(name)) for name in names] if days else []
    history = [asset_key(stream.name, history_rollup(name)) for name in names] if len(days) == len(due.days) else []
    return RunRequest(
        run_key=f"{due.fingerprint}/{attempt}",
        tags={STREAM_TAG: stream.name, FINGERPRINT_TAG: due.fingerprint, **(range_tags(days) if days else {})},
        asset_selection=[*daily, *history],
    )


def _attempts(instance: DagsterInstance, stream: str, due: DueRollups, now: datetime) -> int:
    """How many runs of the last week wanted this content and ended without bringing it.

    The content is what is late: a run that brought some of it has left another content to be wanted.
    """
    ended = RunsFilter(
        job_name=rollups_job_name(stream),
        statuses=FINISHED,
        tags={FINGERPRINT_TAG: due.fingerprint},
        updated_after=now - ATTEMPTS_HORIZON,
    )
    return instance.get_runs_count(ended)


def _keys(stream: str, names: tuple[str, ...]) -> list[AssetKey]:
    return [asset_key(stream, rollup(name)) for name in names for rollup in (daily_rollup, history_rollup)]
