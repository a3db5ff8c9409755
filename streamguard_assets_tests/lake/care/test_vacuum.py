"""Vacuum deletes what no version within the retention needs, and never less than that retention."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from deltalake import DeltaTable

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.care.vacuum import RETENTION_HOURS, vacuum
from streamguard_assets.lake.errors import RetentionTooShort
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake.care.scattered import assert_same, everything, scattered
from streamguard_assets_tests.lake.samples import hour, rows

WEEK_S = RETENTION_HOURS * 3600


def orphan(uri: str, *, age_s: float) -> Path:
    """A staged file whose commit never came."""
    path = next(Path(uri).glob("window=*")) / f"part-lost-{age_s:.0f}.parquet"
    path.write_bytes(b"12345")
    born = path.stat().st_mtime - age_s
    os.utime(path, (born, born))
    return path


def test_old_orphans_go_and_all_that_is_read_or_about_to_be_stays(location):
    table = scattered(location)
    with table.stager(hour(7), "running") as stager:
        stager.add(rows(5))
        running = stager.finish()
    old, young = orphan(table.uri, age_s=WEEK_S + 60), orphan(table.uri, age_s=WEEK_S - 3600)
    before = everything(table)
    expected = vacuum(table.uri, {}, dry_run=True)
    assert old.exists()
    report = vacuum(table.uri, {})
    assert report == expected
    assert (report.changed, report.files_before - report.files_after) == (1, 1)
    assert report.bytes_before - report.bytes_after == 5
    assert (old.exists(), young.exists()) == (False, True)
    assert all(Path(table.uri, file.path).exists() for file in running)
    assert_same(before, everything(table))


def test_files_that_compaction_replaced_stay_readable_by_version(location):
    table = scattered(location)
    version = table.version()
    for path in Path(table.uri).rglob("*.parquet"):  # the age of the file is not what counts, but when it was replaced
        long_ago = path.stat().st_mtime - 2 * WEEK_S
        os.utime(path, (long_ago, long_ago))
    compact(table.uri, {})
    assert vacuum(table.uri, {}).changed == 0
    assert table.scan(version=version).collect().height == 36


def test_nothing_to_delete_is_no_log_entry(location):
    table = scattered(location)
    version = table.version()
    vacuum(table.uri, {})
    assert table.version() == version


@pytest.mark.parametrize("hours", [0, 1, 167])
def test_a_short_retention_is_refused(location, hours):
    table = scattered(location)
    with pytest.raises(RetentionTooShort, match="at least 168"):
        vacuum(table.uri, {}, hours)


def test_a_table_that_asks_for_longer_is_obeyed(location):
    table = scattered(location)
    DeltaTable(table.uri).alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 400 hours"})
    with pytest.raises(RetentionTooShort, match=r"lake_care\.vacuum_retention_hours"):
        vacuum(table.uri, {}, 168)
    assert vacuum(table.uri, {}, 400).changed == 0


def test_an_object_store_is_no_different(s3_location: LakeLocation) -> None:
    table = scattered(s3_location)
    report = vacuum(table.uri, s3_location.storage_options)
    assert (report.changed, report.files_before) == (0, 12)
