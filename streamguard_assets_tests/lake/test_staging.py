"""Staged files: bounded, uniquely named, truthful about their rows, and gone when staging fails."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.lake.content import content_hash, content_of
from streamguard_assets.lake.errors import SchemaConflict
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.staging import FileStager, Partition, content_of_files, rows_of
from streamguard_assets_tests.lake.samples import SCHEMA, hour, rows


def stager_at(folder: Path, file_rows: int = 1000, attempt: str = "first", schema: pa.Schema = SCHEMA) -> FileStager:
    return FileStager(str(folder), {}, schema, Partition(WINDOW, hour(0)), attempt, file_rows)


def parquet_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def test_files_hold_at_most_file_rows_however_the_rows_come(tmp_path):
    stager = stager_at(tmp_path, file_rows=100)
    for first, count in [(0, 30), (30, 30), (60, 250), (310, 1), (311, 0)]:
        stager.add(rows(count, first))
    files = stager.finish()
    assert [file.rows for file in files] == [100, 100, 100, 11]
    read = pl.concat(pl.read_parquet(tmp_path / file.path, hive_partitioning=False) for file in files)
    assert read["kafka_offset"].to_list() == list(range(311))


def test_full_files_are_written_at_once_and_not_kept_in_memory(tmp_path):
    stager = stager_at(tmp_path, file_rows=100)
    stager.add(rows(250))
    assert len(parquet_below(tmp_path)) == 2
    stager.add(rows(49, 250))
    assert len(parquet_below(tmp_path)) == 2
    stager.add(rows(1, 299))
    assert len(parquet_below(tmp_path)) == 3


def test_files_tell_their_rows_content_and_size(tmp_path):
    stager = stager_at(tmp_path, file_rows=7)
    stager.add(rows(20))
    files = stager.finish()
    assert rows_of(files) == 20
    assert content_of_files(files) == content_of(rows(20))
    assert [file.bytes for file in files] == [(tmp_path / file.path).stat().st_size for file in files]


def test_files_lie_in_the_folder_of_their_window_and_name_their_attempt(tmp_path):
    stager = stager_at(tmp_path, attempt="run-7")
    stager.add(rows(1))
    (file,) = stager.finish()
    assert Path(file.path).parent.name == "window=2026-01-01-00%3A00"
    assert "run-7" in Path(file.path).name


def test_two_stagers_of_one_window_and_attempt_do_not_meet(tmp_path):
    first, second = stager_at(tmp_path), stager_at(tmp_path)
    first.add(rows(1))
    second.add(rows(2))
    assert {f.path for f in first.finish()}.isdisjoint({f.path for f in second.finish()})


def test_no_rows_are_no_files(tmp_path):
    stager = stager_at(tmp_path)
    stager.add(rows(0))
    assert stager.finish() == []
    assert parquet_below(tmp_path) == []


def test_what_was_staged_goes_when_the_block_raises(tmp_path):
    def staging_that_fails() -> None:
        with stager_at(tmp_path, file_rows=5) as stager:
            stager.add(rows(12))
            assert len(parquet_below(tmp_path)) == 2
            raise RuntimeError("the broker went away")

    with pytest.raises(RuntimeError, match="went away"):
        staging_that_fails()
    assert parquet_below(tmp_path) == []


def test_a_file_travels_between_processes(tmp_path):
    stager = stager_at(tmp_path)
    stager.add(rows(3))
    (file,) = stager.finish()
    assert pickle.loads(pickle.dumps(file)) == file  # noqa: S301  (our own bytes)


def test_statistics_bound_scalar_columns_and_count_nulls(tmp_path):
    stager = stager_at(tmp_path)
    stager.add(rows(9, first_offset=100))
    (file,) = stager.finish()
    stats = json.loads(file.stats)
    assert stats["numRecords"] == 9
    assert (stats["minValues"]["kafka_offset"], stats["maxValues"]["kafka_offset"]) == (100, 108)
    assert (stats["minValues"]["user"], stats["maxValues"]["user"]) == ("user0", "user2")
    assert stats["maxValues"]["timestamp"] == "2026-01-01T00:00:08.000000Z"
    assert stats["nullCount"]["threat_score"] == 3
    assert "metadata" not in stats["nullCount"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("threat_score", [1.0, float("nan")]),
        ("threat_score", [1.0, float("inf")]),
        ("user", ["a", "z" * 65]),
        ("timestamp", [datetime(2026, 1, 1, tzinfo=UTC), None]),
    ],
)
def test_bounds_that_json_cannot_say_truthfully_are_left_out(tmp_path, column, values):
    frame = rows(2).with_columns(pl.Series(column, values, dtype=rows(0).schema[column]))
    if column == "timestamp":  # the year 60000, which Python cannot say, comes as a number
        frame = frame.with_columns(pl.Series(column, [0, 1_831_300_000_000_000_000]).cast(pl.Datetime("us", "UTC")))
    stager = stager_at(tmp_path)
    stager.add(frame)
    (file,) = stager.finish()
    stats = json.loads(file.stats)
    assert column not in stats["minValues"]
    assert column not in stats["maxValues"]
    assert "kafka_offset" in stats["minValues"]


def test_rows_of_another_window_are_refused(tmp_path):
    stager = stager_at(tmp_path)
    stager.add(rows(2).with_columns(pl.lit(hour(0)).alias("window")))
    with pytest.raises(SchemaConflict, match=f"1 rows of '{hour(1)}' given for '{hour(0)}'"):
        stager.add(rows(2).with_columns(pl.Series("window", [hour(0), hour(1)])))


def test_rows_that_lack_a_column_or_have_a_strange_one_are_refused(tmp_path):
    with pytest.raises(SchemaConflict, match=r"lack \['user'\]"):
        stager_at(tmp_path).add(rows(1).drop("user"))
    with pytest.raises(SchemaConflict, match=r"have \['extra'\] too many"):
        stager_at(tmp_path).add(rows(1).with_columns(pl.lit(1).alias("extra")))


def test_values_are_cast_without_loss_or_refused(tmp_path):
    stager = stager_at(tmp_path, schema=pa.schema([("kafka_partition", pa.int32())]))
    stager.add(pl.DataFrame({"kafka_partition": [7]}, schema={"kafka_partition": pl.Int64}))
    (file,) = stager.finish()
    assert file.content_hash == content_hash(
        pl.DataFrame({"kafka_partition": [7]}, schema={"kafka_partition": pl.Int32})
    )
    with pytest.raises(SchemaConflict, match="cannot be cast"):
        stager.add(pl.DataFrame({"kafka_partition": [2**40]}))


def test_an_attempt_that_could_leave_its_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no attempt id"):
        stager_at(tmp_path, attempt="../elsewhere")
