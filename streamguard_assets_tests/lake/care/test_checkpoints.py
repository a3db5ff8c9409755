"""Checkpoints come and go; what they stand for can always be read, and the log loses no entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamguard_assets.lake.care import checkpoints
from streamguard_assets.lake.care.checkpoints import checkpoint, superseded
from streamguard_assets.lake.files import FileFacts
from streamguard_assets_tests.lake.care.scattered import NOW, assert_same, everything, scattered
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows


def made(table) -> list[int]:
    return sorted(int(path.name[:20]) for path in Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))


def test_the_newest_version_gets_one_once(location):
    table = scattered(location)
    before = everything(table)
    assert checkpoint(table.uri, {}, NOW, dry_run=True).changed == 1
    assert made(table) == []
    assert checkpoint(table.uri, {}, NOW).files_after == 1
    assert checkpoint(table.uri, {}, NOW).changed == 0
    assert made(table) == [table.version()]
    assert_same(before, everything(events(location)))


def test_old_ones_go_and_every_version_stays_readable_and_every_entry_there(location, monkeypatch):
    monkeypatch.setattr(checkpoints, "MILESTONE_VERSIONS", 60)
    table = events(location)
    for index in range(80):
        table.write(rows(2, index * 10), commit_of(hour(index)))
    assert made(table) == [24, 49, 74]  # as writers make them by themselves
    later = datetime.now(UTC) + checkpoints.KEPT_FOR + timedelta(hours=1)
    report = checkpoint(table.uri, {}, later)
    assert (report.files_before, report.files_after, report.changed) == (3, 2, 3)
    assert report.bytes_after > 0
    assert made(table) == [49, 80]
    assert len(list(Path(table.uri, "_delta_log").glob("*.json"))) >= 81
    assert [table.scan(version=version).collect().height for version in (10, 30, 79)] == [20, 60, 158]
    assert len(events(location).commits()) == 80


def test_a_young_one_stays_for_the_reader_that_was_just_told_of_it(location):
    def aged(hours: float) -> FileFacts:
        return FileFacts(1, round((NOW - timedelta(hours=hours)).timestamp() * 1000))

    kept = {25: aged(400), 50: aged(200), 75: aged(167), 100: aged(1)}
    assert superseded(kept, NOW) == [25, 50]
    assert superseded({**kept, 1_025: aged(300), 1_050: aged(250)}, NOW) == [25, 50, 1_025]
    assert superseded({}, NOW) == []
