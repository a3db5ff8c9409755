"""The table is replaced whole or left as it was, and never somebody else's."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from polars.testing import assert_frame_equal

from streamguard_assets.contracts.transactions import TRANSACTIONS
from streamguard_assets.generators.retail.history import History, day_frames
from streamguard_assets.generators.retail.seed_table import EVENT_DATE, SeedTable, seed_schema
from streamguard_assets.generators.retail.transactions import FIELDS
from streamguard_assets.lake.errors import SchemaConflict, TableMissing
from streamguard_assets_tests.generators.retail.samples import UNTIL

WEEK = History(3_000, 7, UNTIL, seed=1)


@pytest.fixture
def table(tmp_path: Path) -> SeedTable:
    return SeedTable(str(tmp_path / "a lake" / "seed"), {})


def written(table: SeedTable, history: History) -> str:
    with table.staging(history) as staging:
        for _ in staging.frames():
            pass
    return table.commit(staging)


def fail_on_the_way(table: SeedTable) -> None:
    with table.staging(WEEK) as staging:
        for number, _ in enumerate(staging.frames()):
            if number == 4:
                raise RuntimeError("Kafka went away")


def data_files(table: SeedTable) -> list[Path]:
    return list(Path(table.uri).rglob("*.parquet"))


def test_the_columns_are_those_of_the_events_table_without_kafka() -> None:
    events = TRANSACTIONS.events_schema()
    assert seed_schema().names == [*FIELDS, EVENT_DATE]
    for field in seed_schema():
        assert field.type == events.field(field.name).type


def test_it_holds_the_history_partitioned_by_day(table: SeedTable) -> None:
    written(table, WEEK)
    expected = pl.concat(frame.with_columns(pl.lit(day).alias(EVENT_DATE)) for day, frame in day_frames(WEEK))
    assert_frame_equal(table.rows().sort("transaction_id").collect(), expected.sort("transaction_id"))
    stored = DeltaTable(table.uri)
    assert stored.metadata().partition_columns == [EVENT_DATE]
    assert len(stored.partitions()) == 7
    assert pa.schema(stored.schema().to_arrow()).field("quantity").type == pa.int32()


def test_seeding_again_replaces_the_rows_in_one_commit(table: SeedTable) -> None:
    written(table, WEEK)
    version = DeltaTable(table.uri).version()
    written(table, History(500, 2, date(2020, 1, 1), seed=9))
    assert DeltaTable(table.uri).version() == version + 1
    days = table.rows().select(EVENT_DATE).unique().collect().to_series().sort().to_list()
    assert days == [date(2019, 12, 30), date(2019, 12, 31)]
    assert table.rows().collect().height == 500


def test_the_same_history_has_the_same_content_and_another_seed_another(table: SeedTable) -> None:
    first = written(table, WEEK)
    assert written(table, WEEK) == first
    assert first.startswith("3000:")
    assert written(table, History(3_000, 7, UNTIL, seed=2)) != first


def test_an_error_on_the_way_leaves_the_table_and_no_file_of_its_own(table: SeedTable) -> None:
    written(table, WEEK)
    before = {*data_files(table)}
    with pytest.raises(RuntimeError, match="Kafka went away"):
        fail_on_the_way(table)
    assert {*data_files(table)} == before
    assert table.rows().collect().height == 3_000


def test_until_the_first_commit_there_is_no_table(table: SeedTable) -> None:
    with table.staging(WEEK) as staging:
        for _ in staging.frames():
            pass
    with pytest.raises(TableMissing):
        table.rows()


@pytest.mark.parametrize(
    ("foreign", "partitions"),
    [({"event_date": ["2026-01-01"], "window": ["w"]}, ["event_date"]), ({"category": ["toys"]}, None)],
    ids=["other columns", "other partitions"],
)
def test_somebody_elses_table_is_refused_and_kept(
    table: SeedTable, foreign: dict[str, list[str]], partitions: list[str] | None
) -> None:
    write_deltalake(table.uri, pa.table(foreign), partition_by=partitions)
    with pytest.raises(SchemaConflict, match="was not seeded"):
        table.refuse_foreign()
    with pytest.raises(SchemaConflict, match="was not seeded"):
        written(table, WEEK)
    assert DeltaTable(table.uri).to_pyarrow_table().num_rows == 1


def test_a_table_of_an_older_contract_with_fewer_columns_is_replaced(table: SeedTable) -> None:
    write_deltalake(
        table.uri, pa.table({"transaction_id": ["a"], "event_date": [date(2026, 1, 1)]}), partition_by=["event_date"]
    )
    table.refuse_foreign()
    written(table, WEEK)
    assert table.rows().collect_schema().names() == [*FIELDS, EVENT_DATE]
    assert table.rows().collect().height == 3_000
