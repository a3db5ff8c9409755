"""Tables read through Arrow: no row is lost to what the log does not know; what is not asked for stays shut."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from streamguard_assets.lake.arrow_files import arrow_dataset
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.sql import run_sql
from streamguard_assets.lake.tables import open_table
from streamguard_assets.lake.window_table import WindowTable

WINDOWS = ("2026-01-01-00:00", "2026-01-01-01:00")
SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string()), ("share", pa.float64())])


@pytest.fixture(params=["lake", "a lake"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> LakeLocation:
    """A lake of two windows; the first has a text and a number for which the log keeps no bounds."""
    where = LakeLocation(str(tmp_path / request.param))
    table = WindowTable(where, "s", "e", SCHEMA)
    rows = {
        WINDOWS[0]: {"number": [1, 2], "text": ["short", "x" * 70], "share": [0.5, float("inf")]},
        WINDOWS[1]: {"number": [3, 4], "text": ["short", None], "share": [0.5, 0.1]},
    }
    for window, columns in rows.items():
        frame = pl.DataFrame(columns).with_columns(window=pl.lit(window))
        table.write(frame, WindowCommit(window, "a", complete=True))
    return where


def dataset(location: LakeLocation) -> ds.FileSystemDataset:
    return arrow_dataset(open_table(location.table("s", "e"), {}))


@pytest.mark.parametrize("condition", ["text = 'short'", "share = 0.5", "text = 'short' and share < 1"])
def test_a_file_without_bounds_loses_no_rows_in_sql(location: LakeLocation, condition: str) -> None:
    assert run_sql(location, f"select number from s.e where {condition} order by 1")["number"].to_list() == [1, 3]


def test_a_file_without_bounds_loses_no_rows_in_a_scan(location: LakeLocation) -> None:
    rows = WindowTable(location, "s", "e", SCHEMA).scan()
    assert sorted(rows.filter(pl.col("text") == "short").collect()["number"]) == [1, 3]
    assert sorted(rows.filter(pl.col("share") < 1).collect()["number"]) == [1, 3, 4]


def test_rows_are_counted_also_when_no_column_is_asked_for(location: LakeLocation) -> None:
    rows = WindowTable(location, "s", "e", SCHEMA).scan()
    assert rows.select(pl.len()).collect().item() == 4
    assert rows.filter(pl.col("number") > 1).select(pl.len()).collect().item() == 3


def test_a_scan_projects_filters_and_stops(location: LakeLocation) -> None:
    rows = WindowTable(location, "s", "e", SCHEMA).scan()
    assert rows.collect_schema().names() == ["window", "number", "text", "share"]
    assert rows.filter(pl.col("number") == 4).select("share").collect().rows() == [(0.1,)]
    assert rows.head(3).collect().height == 3


def test_a_file_of_the_dataset_is_known_by_its_partition(location: LakeLocation) -> None:
    found = dataset(location)
    assert len(list(found.get_fragments())) == 2
    (fragment,) = found.get_fragments(ds.field("window") == WINDOWS[1])
    assert "01%3A00" in fragment.path


def test_windows_of_a_scan_are_chosen_in_any_folder(location: LakeLocation) -> None:
    table = WindowTable(location, "s", "e", SCHEMA)
    assert sorted(table.scan([WINDOWS[1]]).collect()["number"]) == [3, 4]
    assert table.scan([]).collect().is_empty()
