"""The state of a batch is told by Dagster's runs and the lake, and by nothing that a restart could lose."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from streamguard_assets.batches.errors import UnknownBatch
from streamguard_assets.batches.record import BatchStatus
from streamguard_assets.orchestration.batches.graph import batch_tags, partitions_name, result_key
from streamguard_assets.orchestration.batches.registry import SUBMISSION_TAKES
from streamguard_assets.orchestration.batches.submission import NoQueueError, submit
from streamguard_assets.orchestration.dead_runs import PROCESS_TAG, process_tag
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets_tests.batches.rig import STREAM, BatchRig, transactions
from streamguard_assets_tests.orchestration.batches.site import BatchSite

pytestmark = [pytest.mark.broker]


def test_a_submitted_batch_waits_as_a_partition_of_its_stream(site: BatchSite) -> None:
    batch = site.submitted()
    record = site.record(batch)
    assert record.status is BatchStatus.PENDING
    assert record.batch == batch
    assert (record.started_at, record.ended_at, record.row_count, record.error) == (None, None, None, None)
    assert site.instance.get_dynamic_partitions(partitions_name(STREAM)) == [batch.batch_id]
    run = site.registry.unfinished_run(batch.batch_id)
    assert run is not None
    assert run.dagster_run.status is DagsterRunStatus.QUEUED
    assert run.dagster_run.asset_selection is not None
    assert result_key(STREAM, "hourly_trends") not in run.dagster_run.asset_selection


def test_a_completed_batch_tells_what_the_lake_says(site: BatchSite) -> None:
    batch = site.pin("full_report")
    record = site.run(batch)
    assert record.status is BatchStatus.COMPLETED, record.error
    assert (record.row_count, record.rejected) == (30, 1)
    told = record.as_document()
    assert told["deltaRawPath"].endswith(f"{STREAM}/batches/{batch.batch_id}/raw")
    assert set(told["deltaResultPaths"]) == set(batch.analyses)
    assert told["offsets"] == {"0": [0, 21], "1": [0, 10]}
    assert record.started_at is not None
    assert record.ended_at is not None
    assert batch.submitted_at <= record.started_at <= record.ended_at


def test_analyses_that_were_not_asked_for_are_not_made(site: BatchSite) -> None:
    batch = site.pin("fraud_analysis")
    site.run(batch)
    made = {key for key in (result_key(STREAM, "fraud_analysis"), result_key(STREAM, "hourly_trends"))
            if batch.batch_id in site.instance.get_materialized_partitions(key)}  # fmt: skip
    assert made == {result_key(STREAM, "fraud_analysis")}


def test_a_batch_that_fails_says_why(site: BatchSite) -> None:
    batch = site.pin()
    site.rig.delete_before(5)
    record = site.run(batch)
    assert record.status is BatchStatus.FAILED
    assert record.error is not None
    assert "retention overtook" in record.error
    assert "[0, 5)" in record.error
    assert (record.row_count, record.raw_path) == (None, None)
    assert record.ended_at is not None


def test_a_batch_whose_process_was_killed_is_failed_with_the_reason(site: BatchSite) -> None:
    batch = site.pin()
    run_id = site.started(batch, batch_tags(batch))
    assert site.record(batch).status is BatchStatus.RUNNING
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tag = process_tag(ProcessIdentity.of(process.pid), run_id)
        process.kill()
    site.instance.add_run_tags(run_id, {PROCESS_TAG: tag})
    record = site.record(batch)
    assert record.status is BatchStatus.FAILED
    assert "its process is gone" in (record.error or "")


def test_a_batch_that_the_lake_has_is_completed_whatever_became_of_its_run(site: BatchSite) -> None:
    batch = site.pin()
    record = site.run(batch)
    site.started(batch, batch_tags(batch))
    assert site.record(batch).status is BatchStatus.COMPLETED
    for run in site.registry.runs(batch.batch_id):
        site.instance.delete_run(run.dagster_run.run_id)
    purged = site.record(batch)
    assert purged.run_id is None
    assert (purged.status, purged.row_count) == (record.status, record.row_count)
    assert [each.batch for each in site.registry.records()] == [batch]


def test_a_run_that_succeeded_without_a_trace_in_the_lake_is_no_completed_batch(site: BatchSite) -> None:
    batch = site.pin("none")
    site.run(batch)
    shutil.rmtree(site.rig.settings.lake_uri)
    record = site.record(batch)
    assert (record.status, record.row_count) == (BatchStatus.FAILED, None)
    assert "the lake does not have it" in (record.error or "")


def test_a_submission_that_was_cut_short_does_not_wait_for_ever(site: BatchSite) -> None:
    batch = site.pin()
    job = site.definitions.resolve_job_def(f"{STREAM}_batches")
    site.instance.create_run_for_job(job, tags={"dagster/partition": batch.batch_id, **batch_tags(batch)})
    assert site.record(batch).status is BatchStatus.PENDING
    site.clock.instant += SUBMISSION_TAKES + timedelta(seconds=5)
    assert "cut short" in (site.record(batch).error or "")


def test_batches_are_listed_the_newest_first(site: BatchSite) -> None:
    batches = []
    for _ in range(3):
        site.clock.instant += timedelta(minutes=1)
        batches.append(site.submitted("none"))
    site.run(batches[0])
    listed = site.registry.records()
    assert [record.batch.batch_id for record in listed] == [batch.batch_id for batch in reversed(batches)]
    assert [record.status.value for record in listed] == ["PENDING", "PENDING", "COMPLETED"]


def test_an_id_of_nobody_is_told_so(site: BatchSite) -> None:
    with pytest.raises(UnknownBatch, match="batch list"):
        site.registry.record("batch-20260131-0a1b2c3d")


def test_materializing_it_again_from_the_ui_gives_the_same_rows(site: BatchSite) -> None:
    batch = site.pin()
    first = site.run(batch)
    site.rig.produce(transactions(5, first=100))
    site.clock.instant += timedelta(minutes=1)
    assert site.rerun(batch).success
    again = site.record(batch)
    assert (again.row_count, again.rejected) == (first.row_count, first.rejected) == (30, 1)
    assert site.rig.raw(batch).height == 30
    assert again.ended_at != first.ended_at


def test_retrying_a_part_of_it_completes_it(site: BatchSite) -> None:
    batch = site.pin("full_report")
    site.instance.add_dynamic_partitions(partitions_name(STREAM), [batch.batch_id])
    assert site.rerun(batch, analyses=()).success is False, "nobody has said yet what it is to read"
    site.started(batch, batch_tags(batch))
    assert site.rerun(batch, analyses=batch.analyses[:3]).success
    assert site.record(batch).status is not BatchStatus.COMPLETED
    assert site.rerun(batch, analyses=batch.analyses[3:]).success
    assert site.record(batch).status is BatchStatus.COMPLETED


def test_an_instance_without_a_queue_refuses_and_creates_nothing(rig: BatchRig) -> None:
    with DagsterInstance.ephemeral() as ephemeral:
        here = BatchSite(rig, ephemeral)
        with pytest.raises(NoQueueError, match="--here"):
            submit(rig.settings, ephemeral, here.definitions, here.pin("none"))
        assert ephemeral.get_dynamic_partitions(partitions_name(STREAM)) == []
        assert ephemeral.get_runs() == []
