"""The index shortens a cold start and never changes what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamguard_assets.lake import commit_index, window_table
from streamguard_assets.lake.care.vacuum import vacuum
from streamguard_assets.lake.commit_index import load_index, save_index
from streamguard_assets.lake.commits import CommitFold, WindowCommit
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index every five commits, so that a test sees several."""
    monkeypatch.setattr(window_table, "INDEX_EVERY_COMMITS", 5)


def index_of(location: LakeLocation) -> Path:
    return Path(events(location).uri) / commit_index._PATH


def fill(location: LakeLocation, first: int, count: int) -> None:
    table = events(location)
    for index in range(first, first + count):
        table.write(rows(1), commit_of(hour(index % 4), f"attempt{index}"))


def fold_without_index(location: LakeLocation) -> dict[str, WindowCommit]:
    table, fold = events(location), CommitFold()
    fold.follow(table._handle.current(), table._read_log)
    return fold.newest


@pytest.mark.usefixtures("often")
def test_with_and_without_the_index_the_commits_are_the_same(location):
    fill(location, 0, 12)
    assert index_of(location).is_file()
    fresh = events(location)
    assert fresh.commits() == fold_without_index(location)
    assert fresh.superseded()[hour(0)] == {"attempt0", "attempt4"}
    assert fresh._indexed_version >= 9


@pytest.mark.usefixtures("often")
def test_a_torn_index_counts_as_none(location):
    fill(location, 0, 6)
    index_of(location).write_bytes(b"PAR1 torn")
    assert events(location).commits() == fold_without_index(location)


@pytest.mark.usefixtures("often")
def test_an_index_of_another_table_or_of_the_future_counts_as_none(location):
    fill(location, 0, 6)
    store = FileStore(events(location).uri, {})
    table = events(location)._handle.current()
    table_id = str(table.metadata().id)
    assert load_index(store, table_id, table.version()) is not None
    assert load_index(store, "another table", table.version()) is None
    assert load_index(store, table_id, 1) is None


@pytest.mark.usefixtures("often")
def test_vacuum_leaves_the_index(location):
    fill(location, 0, 6)
    vacuum(events(location).uri, {})
    assert index_of(location).is_file()


def test_the_index_lives_in_an_object_store_too(s3_location):
    events(s3_location).write(rows(1), commit_of(hour(0)))
    table = events(s3_location)
    store = FileStore(table.uri, s3_location.storage_options)
    fold = CommitFold()
    fold.follow(table._handle.current(), table._read_log)
    assert load_index(store, fold.table_id, fold.version) is None
    save_index(store, fold)
    loaded = load_index(store, fold.table_id, fold.version)
    assert loaded is not None
    assert loaded.newest == fold.newest
