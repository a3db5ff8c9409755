"""Live tables are tables of the lake: found by name, asked in SQL, with a history that can be read."""

from __future__ import annotations

import pytest

from streamguard_assets.lake.catalog import lake_tables, live_tables, named_table
from streamguard_assets.lake.history import read_history
from streamguard_assets.lake.sql import run_sql
from streamguard_assets.lake.time_travel import rows_at_version
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets_tests.streaming.two_paths import START, TwoPaths, expected, offsets_of

NAMES = ["live_events", "live_quarantine", "live_reconciled"]


@pytest.fixture
def streamed(paths: TwoPaths) -> TwoPaths:
    paths.close(1)
    paths.build(0)
    paths.stream_windows(0, 2)
    reconcile(paths.stream, START)
    return paths


def test_they_are_listed_after_their_stream_and_told_from_the_others(streamed: TwoPaths) -> None:
    location = streamed.stream.location
    known = lake_tables(location)
    assert [table.sql_name for table in known if table.is_live] == [f"transactions.{name}" for name in NAMES]
    assert not any(table.is_live for table in known if table.asset in ("events", "quarantine", "offset_ranges"))
    assert live_tables(location, "transactions") == [table for table in known if table.is_live]
    assert live_tables(location, "security") == []


@pytest.mark.parametrize(("name", "rejected"), [("live_events", False), ("live_quarantine", True)])
def test_they_are_asked_in_sql(streamed: TwoPaths, name: str, rejected: bool) -> None:
    query = f"select kafka_partition, kafka_offset from transactions.{name} order by all"
    rows = run_sql(streamed.stream.location, query).rows()
    assert rows == expected(map(offsets_of, (0, 1)), rejected=rejected)


def test_verdicts_are_asked_in_sql(streamed: TwoPaths) -> None:
    found = run_sql(streamed.stream.location, 'select "window", verdict from transactions.live_reconciled')
    assert found.rows() == [("2026-01-30-20:00", "same")]


def test_their_history_and_their_rows_as_of_a_version_can_be_read(streamed: TwoPaths) -> None:
    location = streamed.stream.location
    table = named_table(location, "transactions.live_events")
    uri = location.table(table.stream, table.asset)
    entries = read_history(uri, location.storage_options, 10)
    assert [entry.version for entry in entries] == [3, 2, 1, 0]
    assert [entry.rows for entry in entries][:2] == [len(expected([offsets_of(index)])) for index in (1, 0)]
    assert rows_at_version(uri, location.storage_options, 2).collect().height == len(expected([offsets_of(0)]))
