from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.lake.live.active_files import ActiveFile, active_files
from streamguard_assets.lake.live.compaction import LARGEST_ROWS, MERGED_FILES, Compactor, choose
from streamguard_assets.lake.live.table import LiveTable, Replacement
from streamguard_assets_tests.lake.live.conftest import WIDER, Appender, Lake, offsets_in

FILES = st.lists(st.integers(1, LARGEST_ROWS), max_size=60)


def files_of(rows: list[int], day: str = "2026-01-31") -> list[ActiveFile]:
    return [ActiveFile(f"{day}-{n}", 1_000, day, count, n) for n, count in enumerate(rows)]


def prepared(compactor: Compactor) -> Replacement | None:
    """What the thread of ``compactor`` makes; ``close`` waits for it."""
    compactor.note_commit()
    compactor.close()
    return compactor.ready()


def fill(writer: Appender, files: int) -> None:
    for _ in range(files):
        writer.append(2)


@given(FILES)
def test_what_is_chosen_becomes_one_file_that_memory_can_hold(rows: list[int]) -> None:
    chosen = choose(files_of(rows))

    assert len(chosen) != 1
    assert sum(file.rows for file in chosen) <= LARGEST_ROWS or len(chosen) == 2


@given(FILES)
def test_merging_until_nothing_is_chosen_leaves_few_small_files(rows: list[int]) -> None:
    files = files_of(rows)
    while chosen := choose(files):
        files = [file for file in files if file not in chosen]
        files.append(ActiveFile(chosen[0].path, 1, "2026-01-31", sum(file.rows for file in chosen), 0))

    small = [file for file in files if file.rows < LARGEST_ROWS // 2]
    assert len(small) <= 6 * MERGED_FILES
    assert sum(file.rows for file in files) == sum(rows)


def test_days_are_not_mixed() -> None:
    files = files_of([1] * (MERGED_FILES - 1)) + files_of([1] * (MERGED_FILES - 1), "2026-02-01")

    assert choose(files) == []


def test_small_files_become_one_with_the_next_commit_and_no_row_changes(lake: Lake) -> None:
    writer = lake.owned()
    fill(writer, MERGED_FILES)
    replacement = prepared(Compactor(writer.table, look_every_commits=1))
    assert replacement is not None

    writer.append(2, replacement=replacement)

    assert len(active_files(lake.table().pinned())) == 2
    assert offsets_in(lake.table()) == list(range(2 * MERGED_FILES + 2))


def test_a_replacement_of_files_that_somebody_changed_is_left_out(lake: Lake) -> None:
    writer = lake.owned()
    fill(writer, MERGED_FILES)
    replacement = prepared(Compactor(writer.table, look_every_commits=1))
    lake.table().drop_rows(pl.col("kafka_offset") == 0, lambda state: state.followed_by("remove", removed={0: 1}))

    writer.append(2, replacement=replacement)

    assert offsets_in(lake.table()) == list(range(1, 2 * MERGED_FILES + 2))


def test_a_column_that_the_code_no_longer_has_stays_with_its_values(lake: Lake) -> None:
    older = lake.owned(schema=WIDER)
    for _ in range(MERGED_FILES // 2):
        older.append(1, extra="kept")
    writer = lake.owned("newer")
    fill(writer, MERGED_FILES // 2)
    replacement = prepared(Compactor(writer.table, look_every_commits=1))
    assert replacement is not None

    writer.append(2, replacement=replacement)

    assert len(active_files(lake.table().pinned())) == 2
    assert offsets_in(lake.table()) == list(range(MERGED_FILES // 2 * 3 + 2))
    rows = lake.table().as_stored().scan().sort("kafka_offset").collect()
    assert rows["extra"].to_list() == ["kept"] * (MERGED_FILES // 2) + [None] * (MERGED_FILES + 2)


def test_a_failure_beside_the_stream_is_told_and_does_not_end_it(
    lake: Lake, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = lake.owned()
    fill(writer, MERGED_FILES)

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(LiveTable, "stager", full_disk)

    assert prepared(Compactor(writer.table, look_every_commits=1)) is None
    assert "no space left" in caplog.text
