"""The planning sensor of a stream: one look per tick, thin around a pure plan."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from collections.abc import Sequence

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from streamguard_assets.orchestration.batches.pool import limit_batches
from streamguard_assets.orchestration.dead_runs import fail_dead_runs
from streamguard_assets.orchestration.jobs import windows_job_name
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.recording import record_unreported_windows
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.runs import attempts_so_far, request_tags, runs_in_flight
from streamguard_assets.windows.graph import assets_of_run, planned_assets
from streamguard_assets.windows.keeper import NoRecordsYetError
from streamguard_assets.windows.observe import observe, policy_of
from streamguard_assets.windows.planning import Plan, plan
from streamguard_assets.windows.requests import Request
from streamguard_assets.windows.stream import Stream
from streamguard_assets.windows.view import InFlight

INTERVAL_S = 15


def planning_sensor(stream: str) -> SensorDefinition:
    """Asks for the windows of ``stream`` that should be built and are not. It keeps no cursor: nothing can be lost."""

    @sensor(
        name=f"{stream}_sensor",
        job_name=windows_job_name(stream),
        minimum_interval_seconds=INTERVAL_S,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Builds windows of {stream} as its Kafka offsets advance.",
    )
    def plan_windows(context: SensorEvaluationContext, streams: ResourceParam[Streams]) -> SensorResult | SkipReason:
        for run_id in fail_dead_runs(context.instance):
            context.log.warning(f"run {run_id} is marked as failed: its process is gone")
        limit_batches(context.instance, streams.settings)  # the setting may be another one than at the last start
        try:
            planned = plan_stream(streams, stream, context.instance)
        except NoRecordsYetError as nothing:
            return SkipReason(str(nothing))
        record_unreported_windows(
            streams.open(stream), context.instance, busy_windows(streams, stream, context.instance)
        )
        for given_up in planned.exhausted:
            context.log.warning(
                f"window {given_up.window}: {given_up.asset} was tried {given_up.attempts} times and is left to you "
                f"({given_up.reason}); `streamguard materialize {stream} --from {given_up.window}` tries it again"
            )
        for window, reason in planned.blocked.items():
            context.log.warning(f"window {window}: {reason}")
        if not planned.requests:
            return SkipReason(skip_reason(planned))
        return SensorResult(run_requests=run_requests(streams.open(stream), planned.requests))

    return plan_windows


def plan_stream(streams: Streams, name: str, instance: DagsterInstance) -> Plan:
    """What the stream ``name`` needs now.

    Raises:
        NoRecordsYetError: the stream has not begun.
        KafkaFailure: the cluster does not answer, or the topic was recreated.
    """
    stream, now = streams.open(name), streams.now()
    in_flight = _in_flight(streams, name, instance)
    view = observe(stream, now, in_flight, attempts_so_far(instance, name, now))
    return plan(view, policy_of(stream))


def busy_windows(streams: Streams, name: str, instance: DagsterInstance) -> frozenset[str]:
    """Windows that queued and running runs of the stream cover."""
    return frozenset().union(*(run.windows for run in _in_flight(streams, name, instance)))


def _in_flight(streams: Streams, name: str, instance: DagsterInstance) -> list[InFlight]:
    stream = streams.open(name)
    return runs_in_flight(instance, name, stream.cadence, planned_assets(stream.graph))


def run_requests(stream: Stream, requests: Sequence[Request]) -> list[RunRequest]:
    """The runs that a plan asks for, as Dagster takes them."""
    return [
        RunRequest(
            run_key=request.run_key,
            tags=request_tags(stream.name, request),
            asset_selection=[asset_key(stream.name, name) for name in assets_of_run(stream.graph, request.assets)],
        )
        for request in requests
    ]


def skip_reason(planned: Plan) -> str:
    """Why a tick asks for nothing, in one line."""
    parts = []
    if planned.waiting:
        parts.append(f"{len(planned.waiting)} windows wait ({planned.waiting[0].reason})")
    if planned.exhausted:
        parts.append(f"{len(planned.exhausted)} windows were given up: {planned.exhausted[0].window}, …")
    if planned.blocked:
        parts.append(f"{len(planned.blocked)} windows are out of reach: {next(iter(planned.blocked))}, …")
    return "; ".join(parts) or "every window is built"
