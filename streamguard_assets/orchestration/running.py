"""Running windows in this process, for commands: the same job that the sensor asks for, on the same instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dagster import DagsterInstance, Definitions, ExecuteInProcessResult
from dagster._core.execution.plan.objects import StepFailureData

from streamguard_assets.orchestration.jobs import checks_job_name, windows_job_name
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.rollups import rollup_request, rollups_job_name
from streamguard_assets.orchestration.runs import STREAM_TAG, range_tags
from streamguard_assets.windows.rollups import due_rollups
from streamguard_assets.windows.stream import Stream

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's log stands in the instance and its UI; on the terminal it would bury the progress bar."""


@dataclass(frozen=True)
class RunOutcome:
    """How one run over contiguous windows ended; ``failures`` are the texts of its failed steps."""

    windows: tuple[str, ...]
    run_id: str
    success: bool
    failures: tuple[str, ...]


def run_windows(
    definitions: Definitions,
    instance: DagsterInstance,
    stream: str,
    windows: Sequence[str],
    assets: Sequence[str] | None = None,
) -> RunOutcome:
    """Materialize contiguous ``windows`` (ascending) in one run; ``assets`` limits it, by default all are built."""
    job = definitions.resolve_job_def(windows_job_name(stream))
    result = job.execute_in_process(
        instance=instance,
        tags={**range_tags(list(windows)), STREAM_TAG: stream},
        asset_selection=[asset_key(stream, name) for name in assets] if assets is not None else None,
        raise_on_error=False,
        run_config=QUIET,
    )
    return _outcome(windows, result)


def run_rollups(definitions: Definitions, instance: DagsterInstance, stream: Stream) -> list[RunOutcome]:
    """Bring the rollups of ``stream`` up to date, in as few runs as the gaps between its late days allow."""
    outcomes: list[RunOutcome] = []
    job = definitions.resolve_job_def(rollups_job_name(stream.name))
    while (due := due_rollups(stream)) and all(outcome.success for outcome in outcomes):
        request = rollup_request(stream, due)
        result = job.execute_in_process(
            instance=instance,
            tags=request.tags,
            asset_selection=list(request.asset_selection or []),
            raise_on_error=False,
            run_config=QUIET,
        )
        outcomes.append(_outcome(list(due.days), result))
    return outcomes


def _outcome(windows: Sequence[str], result: ExecuteInProcessResult) -> RunOutcome:
    failures = tuple(failure_reason(event.step_failure_data) for event in result.all_events if event.is_step_failure)
    return RunOutcome(tuple(windows), result.run_id, result.success, failures)


def failure_reason(failure: StepFailureData) -> str:
    """Why a step failed, in its own words: ours where we raised a description, else the innermost cause."""
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "it failed without a word; see the run in the UI"


def run_checks(definitions: Definitions, instance: DagsterInstance, stream: str) -> bool:
    """Run the checks job of a stream, so that its results stand in the UI; True when none failed with an error."""
    job = definitions.resolve_job_def(checks_job_name(stream))
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET).success
