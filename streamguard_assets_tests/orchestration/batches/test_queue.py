"""Eight at once, the rest waits, and what is not a batch passes them by. The queue is that of Dagster's own daemon."""

from __future__ import annotations

import pytest
from dagster import DagsterRunStatus, build_sensor_context
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from streamguard_assets.orchestration.batches.cancelling import cancel_run
from streamguard_assets.orchestration.batches.pool import POOL, limit_batches
from streamguard_assets.orchestration.batches.submission import REPOSITORY
from streamguard_assets.orchestration.jobs import windows_job_name
from streamguard_assets.orchestration.runs import range_tags
from streamguard_assets.orchestration.services import LOCATION
from streamguard_assets_tests.batches.rig import STREAM, RigFactory
from streamguard_assets_tests.orchestration.batches.site import BatchSite

pytestmark = [pytest.mark.broker]


def dequeue(site: BatchSite) -> None:
    """One look of the daemon at the queue."""
    with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), site.instance) as workspace:
        list(QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(workspace))


def waiting(site: BatchSite) -> int:
    return sum(run.status is DagsterRunStatus.QUEUED for run in site.instance.get_runs())


def test_the_ninth_batch_waits_until_one_of_the_eight_is_over(site: BatchSite) -> None:
    batches = [site.submitted("none") for _ in range(9)]
    dequeue(site)
    assert waiting(site) == 1
    run = site.registry.unfinished_run(batches[0].batch_id)
    assert run is not None
    site.instance.report_run_failed(run.dagster_run, "for the test")
    dequeue(site)
    assert waiting(site) == 0


def test_batches_that_wait_keep_no_window_from_its_slot(site: BatchSite) -> None:
    for _ in range(10):
        site.submitted("none")
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    job = site.definitions.resolve_job_def(windows_job_name(STREAM))
    window = site.instance.create_run_for_job(
        job,
        tags=range_tags(["2026-01-31-14:00"]),
        remote_job_origin=location.get_job_origin(job.name),
        status=DagsterRunStatus.QUEUED,
    )
    dequeue(site)
    assert waiting(site) == 2
    found = site.instance.get_run_by_id(window.run_id)
    assert found is not None
    assert found.status is not DagsterRunStatus.QUEUED


def test_a_batch_that_waits_is_cancelled_at_once_and_never_starts(site: BatchSite) -> None:
    batch = site.submitted()
    run = site.registry.unfinished_run(batch.batch_id)
    assert run is not None
    assert cancel_run(site.instance, run.dagster_run)
    record = site.record(batch)
    assert (record.status.value, record.error) == ("FAILED", "cancelled")
    dequeue(site)
    assert site.registry.unfinished_run(batch.batch_id) is None


def limits(site: BatchSite) -> dict[str, int]:
    return {pool.name: pool.limit for pool in site.instance.event_log_storage.get_pool_limits()}


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_follows_the_setting(make_rig: RigFactory, site: BatchSite, limit: int) -> None:
    limit_batches(site.instance, site.rig.settings)
    other = make_rig(batches={"max_concurrent": limit})
    limit_batches(site.instance, other.settings)
    assert limits(site) == {POOL: limit}


def test_a_daemon_that_starts_on_another_setting_takes_it_over_at_its_first_look(site: BatchSite) -> None:
    site.instance.event_log_storage.set_concurrency_slots(POOL, 3)
    definitions = site.definitions
    with build_sensor_context(site.instance, resources=dict(definitions.resources or {})) as context:
        definitions.resolve_sensor_def(f"{STREAM}_sensor").evaluate_tick(context)
    assert limits(site) == {POOL: site.rig.settings.batches.max_concurrent}
