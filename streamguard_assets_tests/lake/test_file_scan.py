"""Tables read file by file: partition values that no folder tells, and queries that give up early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.snapshot_table import SnapshotTable

SCHEMA = pa.schema([("number", pa.int64()), ("category", pa.string())])
ODD = ["", "x" * 400, "__HIVE_DEFAULT_PARTITION__", "a/b=c%20d", "é", None]

QUERY = """
import sys
import polars as pl, pyarrow as pa
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.snapshot_table import SnapshotTable
schema = pa.schema([("number", pa.int64()), ("category", pa.string())])
rows = SnapshotTable(LakeLocation(sys.argv[1]), "s", "raw", schema, partition_by="category").scan()
nothing = rows.select("number").sort("number").slice(5_000, 100).collect()
print(rows.join(nothing.lazy(), on="number", how="semi").sort("number").collect().height, rows.head(1).collect().height)
"""


def rows() -> pl.DataFrame:
    return pl.DataFrame({"number": range(60), "category": ODD * 10}, schema={"number": pl.Int64, "category": pl.String})


@pytest.fixture
def table(tmp_path: Path) -> SnapshotTable:
    made = SnapshotTable(LakeLocation(str(tmp_path / "a lake")), "s", "raw", SCHEMA, partition_by="category")
    with made.stager("first", 100) as stager:
        stager.add(rows())
        files = stager.finish()
    made.commit(files, WindowCommit("batch", "first", complete=True))
    return made


def test_every_value_comes_back_as_it_was_but_empty_text_which_delta_does_not_have(table: SnapshotTable) -> None:
    expected = rows().with_columns(category=pl.when(pl.col("category") != "").then("category"))
    assert_frame_equal(table.scan().collect(), expected, check_row_order=False)
    assert table.scan().filter(pl.col("category") == "x" * 400).select(pl.len()).collect().item() == 10


def test_a_process_whose_query_needs_no_rows_ends_well(table: SnapshotTable, tmp_path: Path) -> None:
    program = [sys.executable, "-c", QUERY, str(tmp_path / "a lake")]
    for _ in range(3):
        ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.returncode, ended.stdout.split()) == (0, ["0", "1"]), ended.stderr
