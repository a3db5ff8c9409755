"""Batches go when their time is over, with all they left, and never while they wait or run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from streamguard_assets.batches.build import build_raw, tables_of
from streamguard_assets.batches.errors import BatchBusy, UnknownBatch
from streamguard_assets.batches.removal import batches_with_files
from streamguard_assets.orchestration.batches.graph import batch_tags, partitions_name
from streamguard_assets.orchestration.batches.retention import expired_batches, remove_batch
from streamguard_assets_tests.batches.rig import STREAM
from streamguard_assets_tests.orchestration.batches.site import BatchSite

pytestmark = [pytest.mark.broker]


def expired(site: BatchSite) -> list[str]:
    return expired_batches(site.instance, site.rig.again(), site.clock())


def test_a_batch_is_kept_for_its_days_and_then_goes_with_all_it_left(site: BatchSite) -> None:
    batch = site.pin("full_report")
    site.run(batch)
    folder = Path(tables_of(site.rig.stream, batch.batch_id).raw.uri).parent
    site.pass_days(6.9)
    assert expired(site) == []
    site.pass_days(0.2)
    assert expired(site) == [batch.batch_id]
    files = [file for file in folder.rglob("*") if file.is_file()]
    gone = remove_batch(site.instance, site.rig.again(), batch.batch_id, site.clock())
    assert (gone.files, folder.exists()) == (len(files), False)
    assert gone.bytes > 0
    assert site.instance.get_dynamic_partitions(partitions_name(STREAM)) == []
    assert site.registry.records() == []
    with pytest.raises(UnknownBatch, match="it was removed on"):
        site.record(batch)
    assert expired(site) == []


def test_a_batch_that_waits_or_runs_is_never_removed(site: BatchSite) -> None:
    waiting, running = site.submitted(), site.pin()
    site.started(running, batch_tags(running))
    site.pass_days(30)
    assert expired(site) == []
    for batch in (waiting, running):
        with pytest.raises(BatchBusy, match="batch cancel"):
            remove_batch(site.instance, site.rig.stream, batch.batch_id, site.clock())


def test_a_completed_batch_that_is_run_again_stays_while_it_is(site: BatchSite) -> None:
    batch = site.pin("none")
    site.run(batch)
    site.started(batch, batch_tags(batch))
    site.pass_days(30)
    assert expired(site) == []


def test_what_a_failed_batch_left_goes_too(site: BatchSite) -> None:
    batch = site.pin()
    site.rig.delete_before(3)
    site.run(batch)
    site.pass_days(8)
    assert expired(site) == [batch.batch_id]
    remove_batch(site.instance, site.rig.again(), batch.batch_id, site.clock())
    assert site.registry.records() == []


def test_tables_that_nobody_knows_of_any_more_go_by_the_day_in_their_id(site: BatchSite) -> None:
    batch = site.pin("none")
    build_raw(site.rig.stream, batch, "lost", site.clock())
    assert batches_with_files(site.rig.stream) == {batch.batch_id}
    site.pass_days(6)
    assert expired(site) == []
    site.pass_days(3)
    assert expired(site) == [batch.batch_id]


def test_a_removal_that_was_cut_short_is_finished_by_the_next(site: BatchSite) -> None:
    batch = site.pin("none")
    site.run(batch)
    site.pass_days(8)
    remove_batch(site.instance, site.rig.again(), batch.batch_id, site.clock())
    site.instance.add_dynamic_partitions(partitions_name(STREAM), [batch.batch_id])  # as if it had not come so far
    assert expired(site) == [batch.batch_id]
    assert remove_batch(site.instance, site.rig.again(), batch.batch_id, site.clock()).files == 0
    assert expired(site) == []


def test_another_retention_may_be_asked_for(site: BatchSite) -> None:
    batch = site.pin("none")
    site.run(batch)
    site.pass_days(1)
    assert expired_batches(site.instance, site.rig.stream, site.clock(), timedelta(hours=1)) == [batch.batch_id]
