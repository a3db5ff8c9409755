"""SQL over the lake: schemas are streams, tables are assets, and a query reaches nothing else."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.lake.catalog import lake_tables
from streamguard_assets.lake.errors import QueryError
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import Quarantine
from streamguard_assets.lake.snapshot_table import SnapshotTable
from streamguard_assets.lake.sql import run_sql
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets_tests.lake.samples import SCHEMA, commit_of, events, hour, rows
from streamguard_assets_tests.lake.test_quarantine import rejected


@pytest.fixture
def lake(location: LakeLocation) -> LakeLocation:
    table = events(location)
    for index in range(3):
        table.write(rows(10, first_offset=10 * index), commit_of(hour(index)))
    return location


def test_counts_by_window(lake):
    answer = run_sql(lake, 'select "window", count(*) as n from security.events group by all order by all')
    assert answer.rows() == [(hour(0), 10), (hour(1), 10), (hour(2), 10)]


def test_replaced_rows_are_not_seen(lake):
    events(lake).write(rows(4), commit_of(hour(1), "second"))
    assert run_sql(lake, "select count(*) as n from security.events").item() == 24


def test_nested_fields_and_zoned_times(lake):
    answer = run_sql(
        lake,
        "select kafka_offset, metadata.port from security.events "
        "where timestamp >= '2026-01-01 00:00:09' and metadata.port is not null order by 1",
    )
    assert answer.rows() == [(9, 9), (19, 9), (29, 9)]


def test_with_clauses_joins_and_subqueries(lake):
    answer = run_sql(
        lake,
        "with busy as (select user, count(*) as n from security.events group by user) "
        "select e.user, max(n) as n from security.events as e join busy using (user) "
        "where exists (select 1 from busy where n > 9) group by e.user order by 1",
    )
    assert answer.rows() == [("user0", 12), ("user1", 9), ("user2", 9)]


def test_only_the_files_of_the_windows_asked_for_are_opened(lake):
    for file in (Path(events(lake).uri) / "window=2026-01-01-02%3A00").iterdir():
        file.unlink()
    answer = run_sql(lake, f"select count(user) as n from security.events where \"window\" = '{hour(1)}'")
    assert answer.item() == 10
    listed = run_sql(
        lake, f"select count(user) as n from security.events where \"window\" in ('{hour(0)}', '{hour(1)}')"
    )
    assert listed.item() == 20


def test_the_quarantine_shows_what_counts(lake):
    quarantine = Quarantine(lake, "security")
    quarantine.write(rejected(3), hour(0), "first")
    quarantine.write(rejected(5), hour(0), "failed")
    quarantine.write(rejected(2), hour(7), "running")
    assert run_sql(lake, "select count(*) as n from security.quarantine").item() == 3


def test_tables_are_named_as_assets_and_groups_are_left_out(lake):
    for asset in ("analyses/revenue_by_category", "live/events", "batches/raw"):
        WindowTable(lake, "transactions", asset, SCHEMA).write(rows(2), commit_of(hour(0)))
    names = [table.sql_name for table in lake_tables(lake)]
    assert names == [
        "security.events",
        "transactions.revenue_by_category",
        "transactions.batches_raw",
        "transactions.live_events",
    ]
    for name in names[1:]:
        assert run_sql(lake, f"select count(*) as n from {name}").item() == 2


def test_tables_of_a_batch_are_named_after_its_id_without_hyphens(lake):
    folder = "batches/batch-20260131-0a1b2c3d"
    for asset in (f"{folder}/raw", f"{folder}/aggregated/hourly_trends", f"{folder}/quarantine"):
        content = rows(2).with_columns(pl.lit(hour(0)).alias("window"))
        SnapshotTable(lake, "transactions", asset, SCHEMA).write(content, commit_of(hour(0)))
    names = ["raw", "hourly_trends", "quarantine"]
    for name in names:
        asked = f"select count(*) as n from transactions.batch_20260131_0a1b2c3d_{name}"
        assert run_sql(lake, asked).item() == 2
    with pytest.raises(QueryError, match=r"security\.events, and 3 tables of batches"):
        run_sql(lake, "select * from security.evnts")


def test_a_table_that_is_not_there_is_answered_with_those_that_are(lake):
    with pytest.raises(QueryError, match=r"no table security\.evnts; the lake has \(stream\.asset\): security\.events"):
        run_sql(lake, "select * from security.evnts")


def test_an_empty_lake_says_so(location):
    with pytest.raises(QueryError, match="the lake is empty"):
        run_sql(location, "select * from security.events")
    assert run_sql(location, "select 1 as one").item() == 1


@pytest.mark.parametrize(
    "query",
    [
        "insert into security.events values (1)",
        "drop table security.events",
        "copy (select 1) to '{folder}/stolen.csv'",
        "attach '{folder}/other.db'",
        "set enable_external_access = true",
        "select 1; select 2",
        "select * from '{folder}/secret.csv'",
        "select * from read_csv('{folder}/secret.csv')",
        "select * from read_text('{folder}/secret.csv')",
        "select * from glob('{folder}/*')",
        "select * from secret_frame",
        "selec",
        "",
    ],
)
def test_a_query_reads_the_lake_and_nothing_else(lake, tmp_path, query):
    secret_frame = pa.table({"password": ["hunter2"]})
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    with pytest.raises(QueryError):
        run_sql(lake, query.format(folder=tmp_path))
    assert not (tmp_path / "stolen.csv").exists()
    assert not (tmp_path / "other.db").exists()
    assert secret_frame.num_rows == 1


def test_a_column_that_is_not_there_is_named(lake):
    with pytest.raises(QueryError, match="usr"):
        run_sql(lake, "select usr from security.events")


def test_a_lake_in_an_object_store(s3_location):
    events(s3_location).write(rows(6), commit_of(hour(0)))
    events(s3_location).write(rows(4), commit_of(hour(1)))
    assert [table.sql_name for table in lake_tables(s3_location)] == ["security.events"]
    answer = run_sql(s3_location, f"select count(*) as n from security.events where \"window\" = '{hour(1)}'")
    assert answer.item() == 4
