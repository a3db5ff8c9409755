"""Submitting a batch: to the queue of the instance, or to this process."""

from __future__ import annotations

from dagster import DagsterInstance, Definitions
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.utils import make_new_run_id

from streamguard_assets.batches.errors import BatchError
from streamguard_assets.batches.request import Batch
from streamguard_assets.orchestration.batches.graph import batch_keys, batch_tags, batches_job_name, partitions_name
from streamguard_assets.orchestration.batches.pool import limit_batches
from streamguard_assets.orchestration.dead_runs import PROCESS_TAG, process_tag
from streamguard_assets.orchestration.running import QUIET
from streamguard_assets.orchestration.services import LOCATION
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.settings import Settings

REPOSITORY = "__repository__"
"""The name that Dagster gives to the repository of a module with ``Definitions``."""


class NoQueueError(BatchError):
    """The instance launches runs at once and keeps no queue, in which a batch could wait."""

    def __str__(self) -> str:
        return (
            "the Dagster instance that DAGSTER_HOME names has no QueuedRunCoordinator, so a batch cannot wait there; "
            "configure one, or run the batch with --here"
        )


def submit(settings: Settings, instance: DagsterInstance, definitions: Definitions, batch: Batch) -> str:
    """Put ``batch`` into the queue of the instance; the id of its run. It waits there until a daemon takes it.

    Raises:
        NoQueueError: the instance has no queue; nothing was created.
    """
    coordinator = instance.run_coordinator
    if not isinstance(coordinator, QueuedRunCoordinator):
        raise NoQueueError()
    job = definitions.resolve_job_def(batches_job_name(batch.stream))
    limit_batches(instance, settings)
    # The partition first: a run of a partition that is not there is started and fails.
    instance.add_dynamic_partitions(partitions_name(batch.stream), [batch.batch_id])
    # The location by its name alone: `up` finds a port anew at each start, and the queue outlives it.
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    run = instance.create_run_for_job(
        job,
        tags=_tags(batch),
        asset_selection=frozenset(batch_keys(batch.stream, batch.analyses)),
        remote_job_origin=repository.get_job_origin(job.name),
    )
    # The coordinator needs no workspace to write down that a run waits; the daemon brings its own when it launches it.
    coordinator.submit_run(SubmitRunContext(run, workspace=None))  # pyright: ignore[reportArgumentType]
    return run.run_id


def run_here(settings: Settings, instance: DagsterInstance, definitions: Definitions, batch: Batch) -> str:
    """Run ``batch`` in this process, at once and outside the queue; the id of its run, however it ended."""
    job = definitions.resolve_job_def(batches_job_name(batch.stream))
    limit_batches(instance, settings)
    instance.add_dynamic_partitions(partitions_name(batch.stream), [batch.batch_id])
    run_id = make_new_run_id()
    # The process is noted before the first step: killed in between, the run would be shown as started for ever.
    process = {PROCESS_TAG: process_tag(ProcessIdentity.current(), run_id)}
    job.execute_in_process(
        instance=instance,
        partition_key=batch.batch_id,
        tags={**_tags(batch), **process},
        asset_selection=batch_keys(batch.stream, batch.analyses),
        raise_on_error=False,
        run_config=QUIET,
        run_id=run_id,
    )
    return run_id


def _tags(batch: Batch) -> dict[str, str]:
    return {**batch_tags(batch), PARTITION_NAME_TAG: batch.batch_id}
