"""Z-order: the same rows, near each other in every column that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from streamguard_assets.lake.care import zorder as zorder_module
from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.care.zorder import in_z_order, z_values, zorder
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.snapshot_table import SnapshotTable
from streamguard_assets_tests.lake.care.scattered import assert_same, everything, scattered
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows

COLUMNS = ("user", "kafka_offset")


def test_rows_commits_and_the_fence_stay(location):
    table = scattered(location)
    before = everything(table)
    report = zorder(table.uri, {}, COLUMNS, min_rows=12)
    assert (report.changed, report.files_before, report.files_after, report.damaged) == (3, 12, 3, ())
    assert_same(before, everything(table))


def test_a_window_in_order_is_left_until_it_is_written_anew_or_other_columns_are_wanted(location):
    table = scattered(location)
    zorder(table.uri, {}, COLUMNS, min_rows=12)
    assert zorder(table.uri, {}, COLUMNS, min_rows=12).changed == 0
    assert compact(table.uri, {}).changed == 0
    table.write(rows(12, 300), commit_of(hour(1), "second"))
    assert zorder(table.uri, {}, COLUMNS, min_rows=12).changed == 1
    assert zorder(table.uri, {}, ("user",), min_rows=12).changed == 3


def test_a_window_in_several_files_of_one_turn_is_in_order(location):
    table = events(location)
    table.write(rows(4_000), commit_of(hour(0)))
    before = everything(table)
    assert zorder(table.uri, {}, COLUMNS, min_rows=1, target_bytes=8_000).files_after > 1
    assert zorder(table.uri, {}, COLUMNS, min_rows=1, target_bytes=8_000).changed == 0
    assert_same(before, everything(table))


def test_windows_that_a_reader_opens_whole_anyway_are_left(location):
    table = scattered(location)
    assert zorder(table.uri, {}, COLUMNS, min_rows=13).changed == 0


def test_readers_can_skip_most_row_groups_for_one_user_and_for_one_offset(location, monkeypatch):
    """Rows come as Kafka has them, every user everywhere; in order, few row groups may hold one of them."""
    monkeypatch.setattr(zorder_module, "ROW_GROUP_ROWS", 500)
    table = events(location)
    frame = rows(16_000).with_columns(pl.format("user{}", pl.int_range(16_000) % 64).alias("user"))
    table.write(frame, commit_of(hour(0)))

    def groups_that_may_hold(column: str, value: object) -> float:
        (path,) = DeltaTable(table.uri).file_uris()
        file = pq.ParquetFile(path)
        index = file.schema_arrow.get_field_index(column)
        bounds = [file.metadata.row_group(n).column(index).statistics for n in range(file.num_row_groups)]
        return sum(bound.min <= value <= bound.max for bound in bounds) / len(bounds)

    assert groups_that_may_hold("user", "user17") == 1
    zorder(table.uri, {}, COLUMNS, min_rows=1)
    assert groups_that_may_hold("user", "user17") <= 0.25
    assert groups_that_may_hold("kafka_offset", 4_711) <= 0.25


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers()), st.one_of(st.none(), st.text(max_size=3))), max_size=40))
def test_the_rows_are_the_same_whatever_they_hold(values):
    frame = pl.DataFrame(
        {"n": [n for n, _ in values], "t": [t for _, t in values], "row": range(len(values))},
        schema={"n": pl.Int128, "t": pl.String, "row": pl.Int64},
    )
    ordered = pl.concat([frame.clear(), *in_z_order([frame.head(7), frame.slice(7)], ["n", "t"])])
    assert ordered.sort("row").equals(frame)
    assert ordered.equals(pl.concat([frame.clear(), *in_z_order([frame], ["n", "t"])]))


@given(st.lists(st.integers(0, 200), min_size=2, max_size=50))
def test_along_one_column_the_curve_is_the_column(values):
    place = z_values(pl.DataFrame({"n": values}), ["n"]).to_list()
    assert [value for _, value in sorted(zip(place, values, strict=True))] == sorted(values)


def test_values_of_every_kind_have_a_place():
    frame = pl.DataFrame(
        {"at": [datetime(2026, 1, 1, tzinfo=UTC), None], "share": [float("nan"), 1.0], "ok": [True, None]}
    )
    assert z_values(frame, list(frame.columns)).null_count() == 0


def test_a_column_that_the_table_is_partitioned_by_takes_no_part(location):
    schema = pa.schema([("category", pa.string()), ("user", pa.string())])
    table = SnapshotTable(location, "s", "raw", schema, partition_by="category")
    frame = pl.DataFrame({"category": ["a", "b"] * 20, "user": [f"u{n % 7}" for n in range(40)]})
    with table.stager("first", 100) as stager:
        stager.add(frame)
        files = stager.finish()
    table.commit(files, WindowCommit("batch", "first", complete=True))
    report = zorder(table.uri, {}, ("user", "category"), min_rows=1)
    assert (report.changed, report.damaged) == (2, ())
    assert_frame_equal(table.scan().collect(), frame, check_row_order=False)
    assert zorder(table.uri, {}, ("category",), min_rows=1).changed == 0
