"""A table that each commit replaces whole: there with all of its rows, or not there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.content import content_of
from streamguard_assets.lake.errors import SchemaConflict, TableMissing
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.snapshot_table import SnapshotTable
from streamguard_assets.lake.tables import open_table

BATCH = "batch-20260131-0a1b2c3d"
SCHEMA = pa.schema([pa.field("category", pa.string(), False), pa.field("amount", pa.int64())])
ODD_CATEGORIES = (
    "a",
    "toys & games",
    "Café/é%25",
    "",
    "x" * 400,
    "a=b",
    "2026",
    "__HIVE_DEFAULT_PARTITION__",
    "ж" * 90,
)


def table_in(folder: Path, *, partition_by: str | None = "category", schema: pa.Schema = SCHEMA) -> SnapshotTable:
    return SnapshotTable(LakeLocation(str(folder)), "s", f"batches/{BATCH}/raw", schema, partition_by=partition_by)


def rows(count: int, first: int = 0) -> pl.DataFrame:
    numbers = range(first, first + count)
    return pl.DataFrame({"category": [ODD_CATEGORIES[n % len(ODD_CATEGORIES)] for n in numbers], "amount": numbers})


def commit(attempt: str) -> WindowCommit:
    return WindowCommit(BATCH, attempt, complete=True)


@pytest.mark.parametrize("partition_by", ["category", None])
def test_each_commit_replaces_every_row(tmp_path: Path, partition_by: str | None) -> None:
    table = table_in(tmp_path, partition_by=partition_by)
    assert table.write(rows(27), commit("first")).version == 0
    assert table_in(tmp_path, partition_by=partition_by).write(rows(5, first=100), commit("second")).version == 1
    assert table.scan().sort("amount").collect().equals(rows(5, first=100))
    assert table.scan(version=0).sort("amount").collect().equals(rows(27))


def test_a_table_comes_with_its_first_rows(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    with table.stager("first") as stager:
        stager.add(rows(9))
        files = stager.finish()
        assert not table.exists()
        assert table.newest() is None
        with pytest.raises(TableMissing):
            table.scan()
    table.commit(files, commit("first"))
    assert open_table(table.uri, {}).version() == 0
    assert table.scan().collect().height == 9


def test_no_rows_are_a_table_too(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    table.commit([], commit("first"))
    assert table.scan().collect().schema == {"category": pl.String, "amount": pl.Int64}
    assert table.required().rows == 0


def test_two_that_make_it_at_once_leave_the_rows_of_the_later(tmp_path: Path) -> None:
    one, other = table_in(tmp_path), table_in(tmp_path)
    assert not one.exists()
    assert not other.exists()
    with one.stager("one") as stager:
        stager.add(rows(3))
        files = stager.finish()
    other.write(rows(6), commit("other"))
    assert one._made_with(files, commit("one")) is False
    assert one.commit(files, commit("one")).version == 1
    assert other.scan().collect().height == 3


def test_the_commit_tells_its_rows_whatever_their_files(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    with table.stager("first", file_rows=2) as stager:
        stager.add(rows(20))
        files = stager.finish()
    told = table.commit(files, commit("first"))
    assert (told.rows, told.content_hash) == (20, content_of(rows(20)))
    read = table_in(tmp_path).required()
    assert (read.window, read.attempt, read.content_hash, read.version) == (BATCH, "first", told.content_hash, 0)


def test_a_failed_stage_leaves_no_file(tmp_path: Path) -> None:
    table = table_in(tmp_path)

    def stage() -> None:
        with table.stager("first", file_rows=1) as stager:
            stager.add(rows(9))
            stager.add(rows(9).rename({"amount": "sum"}))

    with pytest.raises(SchemaConflict):
        stage()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_frames_of_many_categories_stay_bounded_in_memory_and_lose_no_row(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    many = pl.DataFrame({"category": [f"c{n % 300}" for n in range(3_000)], "amount": range(3_000)})
    with table.stager("first", file_rows=10) as stager:
        for start in range(0, 3_000, 50):
            stager.add(many.slice(start, 50))
            assert sum(each.pending_rows for each in stager._stagers.values()) <= 20  # pyright: ignore
        table.commit(stager.finish(), commit("first"))
    assert table.scan().sort("amount").collect().equals(many)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_any_text_is_a_category(categories: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        frame = pl.DataFrame({"category": categories, "amount": range(len(categories))}, schema=_DTYPES)
        table = table_in(Path(folder))
        table.write(frame, commit("first"))
        assert table.scan().sort("amount").collect().equals(frame)


_DTYPES = {"category": pl.String, "amount": pl.Int64}
