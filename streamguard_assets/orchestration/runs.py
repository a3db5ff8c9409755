"""What Dagster's runs tell the planner: which windows are under way, and what was tried before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from streamguard_assets.contracts.windows import Cadence, window_start
from streamguard_assets.orchestration.keys import asset_name
from streamguard_assets.windows.requests import FINGERPRINTS_TAG, FinishedRun, Request, count_attempts
from streamguard_assets.windows.view import Attempts, InFlight

STREAM_TAG = "streamguard/stream"
REASONS_TAG = "streamguard/reasons"
ATTEMPT_TAG = "streamguard/attempt"

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]

ATTEMPTS_HORIZON = timedelta(days=7)
"""How far back attempts are counted. A window that failed for good a week ago may be tried again; without a bound a
tick would read every run ever made."""
MAX_RUNS_READ = 500


def range_tags(windows: tuple[str, ...] | list[str]) -> dict[str, str]:
    """Run tags that make one run cover contiguous windows, given ascending."""
    return {ASSET_PARTITION_RANGE_START_TAG: windows[0], ASSET_PARTITION_RANGE_END_TAG: windows[-1]}


def request_tags(stream: str, request: Request) -> dict[str, str]:
    """The tags of the run that a request asks for; attempts are counted from them later."""
    return {
        **range_tags(request.windows),
        STREAM_TAG: stream,
        FINGERPRINTS_TAG: request.fingerprints_tag,
        REASONS_TAG: "; ".join(request.reasons)[:500],
        ATTEMPT_TAG: str(request.attempt),
    }


def windows_of(tags: Mapping[str, str], cadence: Cadence) -> list[str]:
    """The windows that a run covers by its tags, ascending; none when it is not partitioned."""
    if PARTITION_NAME_TAG in tags:
        return [tags[PARTITION_NAME_TAG]]
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first is None or last is None:
        return []
    return cadence.keys(window_start(first), cadence.end(last))


def runs_in_flight(instance: DagsterInstance, stream: str, cadence: Cadence, assets: Iterable[str]) -> list[InFlight]:
    """Queued and running runs that touch ``assets`` of the stream, whoever asked for them."""
    every = frozenset(assets)
    found = []
    for run in instance.get_runs(RunsFilter(statuses=UNFINISHED)):
        if touched := _assets_of(run, stream, every):
            windows = frozenset(windows_of(run.tags, cadence))
            found.append(InFlight(windows, touched, planned=FINGERPRINTS_TAG in run.tags))
    return found


def attempts_so_far(instance: DagsterInstance, stream: str, now: datetime) -> dict[str, Attempts]:
    """How often each content was asked for without coming, from the finished runs of the last week."""
    records = instance.get_run_records(
        RunsFilter(statuses=FINISHED, tags={STREAM_TAG: stream}, updated_after=now - ATTEMPTS_HORIZON),
        limit=MAX_RUNS_READ,
    )
    return count_attempts(_finished(record) for record in records if FINGERPRINTS_TAG in record.dagster_run.tags)


def _finished(record: RunRecord) -> FinishedRun:
    run = record.dagster_run
    ended = record.end_time
    finished_at = datetime.fromtimestamp(ended, UTC) if ended is not None else record.update_timestamp
    reason = "" if run.status is DagsterRunStatus.SUCCESS else f"run {run.run_id} ended as {run.status.value}"
    return FinishedRun(run.tags[FINGERPRINTS_TAG], finished_at, reason)


def _assets_of(run: DagsterRun, stream: str, every: frozenset[str]) -> frozenset[str]:
    if run.asset_selection is None:
        return every if run.tags.get(STREAM_TAG) == stream else frozenset()
    names = {asset_name(key, stream) for key in run.asset_selection}
    return frozenset(name for name in names if name in every)
