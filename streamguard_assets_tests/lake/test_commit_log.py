"""Every window commit of a range of versions is read, with the version that it really has."""

from __future__ import annotations

from functools import partial

from deltalake import DeltaTable, write_deltalake

from streamguard_assets.lake.commit_log import read_commits
from streamguard_assets.lake.commits import CommitFold
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows


def test_a_range_of_versions_oldest_first(location):
    table = events(location)
    landed = [table.write(rows(1), commit_of(hour(index))) for index in range(6)]
    assert read_commits(table.uri, {}, after=-1, until=6) == landed
    assert read_commits(table.uri, {}, after=2, until=4) == landed[2:4]
    assert read_commits(table.uri, {}, after=6, until=6) == []


def test_commits_of_other_tools_are_passed_over(location):
    table = events(location)
    first = table.write(rows(1), commit_of(hour(0)))
    write_deltalake(table.uri, table.scan().collect().to_arrow(), mode="append")
    DeltaTable(table.uri).optimize.compact()
    last = table.write(rows(1), commit_of(hour(1)))
    assert last.version == 4
    assert read_commits(table.uri, {}, after=-1, until=4) == [first, last]


def test_commits_that_land_while_a_table_is_followed_are_neither_lost_nor_taken_early(location):
    """`history` of an object that stands further back numbers the newest entries of the log as its own."""
    table = events(location)
    for index in range(6):
        table.write(rows(1), commit_of(hour(index)))
    fold = CommitFold()
    for version in (1, 3, 4, 6):
        fold.follow(DeltaTable(table.uri, version=version), partial(read_commits, table.uri, {}))
        assert {window: commit.version for window, commit in fold.newest.items()} == {
            hour(index): index + 1 for index in range(version)
        }


def test_a_log_in_an_object_store(s3_location):
    table = events(s3_location)
    landed = [table.write(rows(1), commit_of(hour(index))) for index in range(3)]
    assert read_commits(table.uri, s3_location.storage_options, after=1, until=3) == landed[1:]
