"""State files: found again, cleaned away, and never taken from a newer writer."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.files import FileStore
from streamguard_assets.streaming.dashboard.files import FOLDER, StateFiles

PARTIALS = pl.DataFrame({"part": ["measures"], "events": [3]})


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path), {})


def test_a_state_is_read_as_it_was_written(store: FileStore) -> None:
    files = StateFiles(store)

    assert files.read(files.write(PARTIALS, 3, 12)).equals(PARTIALS)


def test_two_writes_for_the_same_commit_are_two_files(store: FileStore) -> None:
    files = StateFiles(store)

    assert files.write(PARTIALS, 3, 12) != files.write(PARTIALS, 3, 12)


def test_a_file_that_is_gone_is_told_with_what_to_do(store: FileStore) -> None:
    with pytest.raises(LakeError, match=r"_state/1-2-abc.parquet of a live dashboard is gone.*delete the table"):
        StateFiles(store).read("_state/1-2-abc.parquet")


def test_cleaning_takes_what_older_writers_left_and_keeps_what_counts(store: FileStore) -> None:
    files = StateFiles(store)
    rubbish, counts, own = files.write(PARTIALS, 2, 7), files.write(PARTIALS, 2, 8), files.write(PARTIALS, 3, 9)

    assert files.clean(3, counts) == sorted([rubbish, own])
    assert list(store.files(FOLDER)) == [counts]


def test_cleaning_leaves_what_a_newer_writer_may_be_about_to_commit(store: FileStore) -> None:
    files = StateFiles(store)
    newer = files.write(PARTIALS, 4, 9)

    assert files.clean(3, None) == []
    assert list(store.files(FOLDER)) == [newer]


def test_cleaning_leaves_files_that_are_none_of_ours(store: FileStore) -> None:
    store.replace_bytes(b"notes", f"{FOLDER}/README")

    assert StateFiles(store).clean(9, None) == []
    assert list(store.files(FOLDER)) == [f"{FOLDER}/README"]
