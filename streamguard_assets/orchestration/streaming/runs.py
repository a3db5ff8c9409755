"""The runs of a stream's job, read from the instance in the words of the supervision; and the tags that they carry."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, RUN_FAILURE_REASON_TAG

from streamguard_assets.orchestration.running import failure_reason
from streamguard_assets.orchestration.runs import UNFINISHED
from streamguard_assets.streaming.supervision.decision import RunState, StreamRun
from streamguard_assets.streaming.supervision.heartbeat import plain

STREAMING_OF_TAG = "streamguard/streaming_of"
"""The stream that the run keeps going. Not the tag of window runs: by that one a run counts as building windows."""
CODE_TAG = "streamguard/code"
"""Fingerprint of the code and settings that the run was launched with."""
SUPERVISED_TAG = "streamguard/launched_by"
ENDED_TAG = "streamguard/ended_by_supervisor"
"""The run that the supervisor has asked to end. A run that is retried from the UI takes over the tags of the one
before, so the tag has to say of which run it speaks."""
RESTARTS_TAG = "streamguard/restarts"
LAST_ERROR_TAG = "streamguard/last_error"
SUPERVISOR = "supervisor"

LONGEST_ERROR = 300
"""Characters of an error that a tag carries; all of it stands in the events of the run that failed."""

_EXITED = "Run execution process for"
"""Dagster's code server says so of a run whose process it finds ended; what follows is for those who know Dagster."""
ENDED_SILENTLY = "its process was killed or ended without a word"
_UNSPECIFIC = "This run has been marked as failed from outside"

_STATES = {
    DagsterRunStatus.QUEUED: RunState.QUEUED,
    DagsterRunStatus.NOT_STARTED: RunState.QUEUED,
    DagsterRunStatus.STARTING: RunState.STARTING,
    DagsterRunStatus.STARTED: RunState.STARTED,
    DagsterRunStatus.CANCELING: RunState.ENDING,
    DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    DagsterRunStatus.FAILURE: RunState.FAILED,
    DagsterRunStatus.CANCELED: RunState.CANCELED,
}


def stream_job_name(stream: str) -> str:
    return f"stream_{stream}"


def is_by_supervisor(run: DagsterRun) -> bool:
    """Whether the supervisor launched the run; one that a person retried has its tags, and a parent."""
    return run.tags.get(SUPERVISED_TAG) == SUPERVISOR and PARENT_RUN_ID_TAG not in run.tags


def latest_runs(instance: DagsterInstance, stream: str, limit: int) -> list[StreamRun]:
    """The newest runs of the stream, newest first."""
    records = instance.get_run_records(RunsFilter(job_name=stream_job_name(stream)), limit=limit)
    # Only of the newest does it matter who ended it: a newer run shows that somebody wanted the stream since.
    return [_told(record, instance if position == 0 else None) for position, record in enumerate(records)]


def older_run_under_way(instance: DagsterInstance, stream: str, run_id: str) -> DagsterRun | None:
    """Another run of the stream that was there before ``run_id`` and has not ended."""
    found = instance.get_run_records(RunsFilter(job_name=stream_job_name(stream), statuses=UNFINISHED), ascending=True)
    first = next((record.dagster_run for record in found), None)
    return None if first is None or first.run_id == run_id else first


def error_of(instance: DagsterInstance, run_id: str) -> str:
    """Why a run failed, in a line without colours; empty when it did not, or nobody knows."""
    for failed in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        if failed.dagster_event is not None:
            return plain(failure_reason(failed.dagster_event.step_failure_data))
    told = _messages(instance, run_id, DagsterEventType.RUN_FAILURE)
    # A process that the supervisor kills is found ended by the code server too, and whoever is first is not fixed.
    if specific := [message for message in told if not message.startswith(_UNSPECIFIC)]:
        return plain(specific[0])
    if any(_EXITED in text for text in _messages(instance, run_id, DagsterEventType.ENGINE_EVENT)):
        return ENDED_SILENTLY
    return next(iter(told), "").partition(". ")[0]


def _messages(instance: DagsterInstance, run_id: str, kind: DagsterEventType) -> list[str]:
    entries = instance.all_logs(run_id, of_type=kind)
    return [entry.dagster_event.message or "" for entry in entries if entry.dagster_event is not None]


def _told(record: RunRecord, instance: DagsterInstance | None) -> StreamRun:
    run = record.dagster_run
    return StreamRun(
        run_id=run.run_id,
        state=_STATES.get(run.status, RunState.QUEUED),
        created_at=record.create_timestamp,
        started_at=_instant(record.start_time),
        ended_at=_instant(record.end_time) or (record.update_timestamp if run.is_finished else None),
        fingerprint=run.tags.get(CODE_TAG),
        asked_to_end_at=_asked_to_end_at(instance, record) if instance is not None else None,
        by_supervisor=run.tags.get(ENDED_TAG) == run.run_id,
        was_interrupted=run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.UNEXPECTED_TERMINATION.value,
    )


def _asked_to_end_at(instance: DagsterInstance, record: RunRecord) -> datetime | None:
    status, run_id = record.dagster_run.status, record.dagster_run.run_id
    if status not in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE):
        return None
    asked = instance.all_logs(run_id, of_type=DagsterEventType.RUN_CANCELING)
    if asked:
        return _instant(asked[0].timestamp)
    return record.update_timestamp if status is DagsterRunStatus.CANCELED else None


def _instant(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)
