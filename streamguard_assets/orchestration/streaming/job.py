"""The job ``stream_<stream>``: one op that runs the stream until it is told to stop."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from datetime import timedelta

from dagster import (
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from streamguard_assets.orchestration.dead_runs import fail_dead_runs, note_process
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.streaming.observations import Observer
from streamguard_assets.orchestration.streaming.runs import (
    CODE_TAG,
    LAST_ERROR_TAG,
    RESTARTS_TAG,
    STREAMING_OF_TAG,
    is_by_supervisor,
    older_run_under_way,
    stream_job_name,
)
from streamguard_assets.streaming.host import Place, RunStream, host_stream, owner_name
from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets.streaming.supervision.heartbeat import HeartbeatFile, plain
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import Stream


def stream_job(stream: str, run: RunStream | None = None) -> JobDefinition:
    """Runs ``stream`` with the engine ``run`` (None: the embedded one). It ends when the stream is not wanted."""
    description = (
        f"Keep {stream} going: events from Kafka into the live tables, exactly once, until it is wanted stopped. "
        "Launched by its supervisor; terminating the run means that the stream is wanted stopped."
    )

    @op(name=f"{stream}__stream", description=description)  # names of ops are unique in a code location
    def stream_events(context: OpExecutionContext, streams: ResourceParam[Streams]) -> None:
        note_process(context)
        opened = streams.open(stream)
        _refuse_a_second(context, opened, streams)
        _want_running(context, opened, streams)
        interval = timedelta(seconds=streams.settings.streaming.observation_interval_s)
        try:
            host_stream(
                opened,
                _place(context),
                run or _embedded(),
                now=streams.now,
                on_beat=Observer(context, opened, interval),
            )
        except Exception as error:
            # In words, as the supervisor and the status show them; and the supervisor alone decides on a restart.
            raise Failure(plain(f"{type(error).__name__}: {error}"), allow_retries=False) from error

    @job(
        name=stream_job_name(stream),
        description=description,
        executor_def=in_process_executor,
        tags={STREAMING_OF_TAG: stream},
    )
    def keep_going() -> None:
        stream_events()

    return keep_going


def _embedded() -> RunStream:
    # Imported here: loading the code location streams nothing.
    from streamguard_assets.streaming.embedded.engine import run_stream

    return run_stream


def _place(context: OpExecutionContext) -> Place:
    tags = context.run.tags
    return Place(
        owner_name(context.run_id),
        context.run_id,
        restarts=int(tags.get(RESTARTS_TAG, "0")),
        last_error=tags.get(LAST_ERROR_TAG, ""),
    )


def _refuse_a_second(context: OpExecutionContext, stream: Stream, streams: Streams) -> None:
    fail_dead_runs(context.instance)
    if (older := older_run_under_way(context.instance, stream.name, context.run_id)) is not None:
        raise Failure(
            f"run {older.run_id} has the stream; terminate it first, or leave it to the supervisor", allow_retries=False
        )
    heartbeat = HeartbeatFile(stream.location, stream.name).read_sound(context.log.warning)
    stale_after = timedelta(seconds=streams.settings.streaming.stale_after_s)
    if heartbeat is None or heartbeat.host.run_id is not None or not heartbeat.is_live(streams.now(), stale_after):
        return
    raise Failure(f"{heartbeat.snapshot.owner} has the stream; end it there first", allow_retries=False)


def _want_running(context: OpExecutionContext, stream: Stream, streams: Streams) -> None:
    """A run that a person launched says what is wanted; one of the supervisor only obeys."""
    if is_by_supervisor(context.run):
        return
    if CODE_TAG not in context.run.tags:
        fingerprint = code_fingerprint(streams.settings, stream.name)
        context.instance.add_run_tags(context.run_id, {CODE_TAG: fingerprint})
    wanted = WantedTable(stream.location, stream.name)
    if wanted.current().state is not WantedState.RUNNING:
        reason = f"run {context.run_id} was launched"
        wanted.change(WantedState.RUNNING, by="a person in Dagster", reason=reason, now=streams.now())
