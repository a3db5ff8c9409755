"""Files that nobody needs go without a word in the log, and never one that a version of the last hours names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.care.unneeded import delete_unneeded
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake.care.scattered import assert_same, everything, files_of, scattered

HOURS = 6


@pytest.fixture(params=["lake", "a lake"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> LakeLocation:
    return LakeLocation(str(tmp_path / request.param))


def stored(uri: str) -> int:
    return len(list(Path(uri).glob("window=*/*")))


def test_replaced_files_go_once_no_version_of_the_last_hours_names_them(location: LakeLocation) -> None:
    table = scattered(location)
    before = everything(table)
    compact(table.uri, {})
    version = table.version()
    assert delete_unneeded(table.uri, {}, HOURS).changed == 0
    expected = delete_unneeded(table.uri, {}, 0, dry_run=True)
    assert stored(table.uri) == 15
    report = delete_unneeded(table.uri, {}, 0)
    assert report == expected
    assert (report.files_before, report.files_after, report.changed) == (15, 3, 12)
    assert report.bytes_after < report.bytes_before
    assert stored(table.uri) == files_of(table) == 3
    assert table.version() == version
    assert_same(before, everything(table))


def test_staged_files_go_when_they_are_older_than_that(location: LakeLocation) -> None:
    table = scattered(location)
    folder = next(Path(table.uri).glob("window=*"))
    old, young = folder / "part-old.parquet", folder / "part-young.parquet"
    for path, hours in ((old, HOURS + 1), (young, HOURS - 1)):
        path.write_bytes(b"12345")
        born = path.stat().st_mtime - hours * 3600
        os.utime(path, (born, born))
    report = delete_unneeded(table.uri, {}, HOURS)
    assert (report.changed, report.bytes_before - report.bytes_after) == (1, 5)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_table_that_is_not_there_is_told(location: LakeLocation) -> None:
    with pytest.raises(TableMissing):
        delete_unneeded(location.table("security", "events"), {}, HOURS)
