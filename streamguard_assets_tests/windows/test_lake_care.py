"""Which tables are cared for, and how, by the settings and the contracts; one that fails keeps no other waiting."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.contracts.registry import contract
from streamguard_assets.lake.catalog import LakeTable, lake_tables
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import Quarantine
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.settings import SettingsError, load_settings
from streamguard_assets.windows.lake_care import Care, LakeCarer, zorder_columns
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.lake.care.scattered import NOW, scattered
from streamguard_assets_tests.lake.samples import hour

EVENTS = LakeTable("security", "events")


def carer(settings: SettingsFactory, location: LakeLocation, *, dry_run: bool = False, **care: Any) -> LakeCarer:
    ticks = count()
    return LakeCarer(settings(lake_care=care), location, NOW, dry_run, lambda: float(next(ticks)))


@pytest.fixture
def location(tmp_path: Path) -> LakeLocation:
    return LakeLocation(str(tmp_path / "lake"))


def ordered(location: LakeLocation, stream: str, asset: str) -> None:
    """A table with the columns that rows of security events are ordered by."""
    frame = pl.DataFrame({"user": ["a", "b", "a"], "event_type": ["x", "x", "y"]})
    table = WindowTable(location, stream, asset, frame.to_arrow().schema, file_rows=1)
    table.write(frame, WindowCommit(hour(0), "first", complete=True))


def test_rows_are_ordered_by_the_user_and_by_what_the_user_did_it_with() -> None:
    assert zorder_columns(contract("security")) == ("user", "event_type")
    assert zorder_columns(contract("transactions")) == ("customer_id", "category")


def test_every_table_is_cared_for_and_ordered_are_those_that_have_the_columns(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    scattered(location)  # has a user and no event_type
    ordered(location, "security", "batches/batch-20260101-0a1b2c3d/raw")
    ordered(location, "forgotten", "events")  # its stream is no longer configured
    here = carer(brokerless_settings, location)
    everything = ["forgotten/events", "security/batches/batch-20260101-0a1b2c3d/raw", "security/events"]
    for care in (Care.COMPACT, Care.VACUUM, Care.CHECKPOINT):
        assert [f"{table.stream}/{table.asset}" for table in here.tables(care)] == everything
    assert here.tables(Care.ZORDER) == [LakeTable("security", "batches/batch-20260101-0a1b2c3d/raw")]
    assert carer(brokerless_settings, LakeLocation(f"{location.uri}-none")).tables(Care.COMPACT) == []


def test_live_tables_are_left_to_their_stream_whoever_names_them(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    ordered(location, "security", "events")
    table = LiveTable(location, "security", "events", pa.schema([("user", pa.string()), ("event_type", pa.string())]))
    table.take_over("stream", "security-events", "id", {0: 0})
    here = carer(brokerless_settings, location)
    live = LakeTable("security", "live/events")
    assert live in lake_tables(location)
    for care in Care:
        assert here.tables(care) == [EVENTS]
        (done,) = here.turn(care, [live])
        assert (done.is_well, done.report.changed) == (True, 0)
        assert "live table" in done.to_record()["remarks"]
    assert table.version() == 1
    assert not list(Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))


def test_a_turn_tells_files_and_bytes_before_and_after_of_each_table(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    scattered(location)
    (done,) = carer(brokerless_settings, location).turn(Care.COMPACT, [EVENTS])
    record = done.to_record()
    assert record.pop("bytes_before") > record.pop("bytes_after") > 0
    assert record == {
        "table": "security.events",
        "changed": 3,
        "files_before": 12,
        "files_after": 3,
        "seconds": 1.0,
        "remarks": "",
    }
    assert done.is_well


def test_settings_decide_the_size_of_files_and_the_smallest_partition_that_is_ordered(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    ordered(location, "security", "events")
    (left,) = carer(brokerless_settings, location, zorder_min_rows=4).turn(Care.ZORDER, [EVENTS])
    (done,) = carer(brokerless_settings, location, zorder_min_rows=3).turn(Care.ZORDER, [EVENTS])
    assert (left.report.changed, done.report.changed) == (0, 1)


def test_a_table_without_the_columns_says_so_when_it_is_named(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    scattered(location)
    (done,) = carer(brokerless_settings, location).turn(Care.ZORDER, [EVENTS])
    assert "does not have the columns" in done.to_record()["remarks"]
    assert done.is_well


def test_columns_that_say_when_a_run_was_are_no_damage(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    retail = contract("transactions")
    assert retail.provenance_columns
    schema = retail.events_schema()
    table = WindowTable(location, "transactions", "events", schema, provenance=retail.provenance_columns, file_rows=1)
    stamps = {name: [NOW, NOW] for name in retail.provenance_columns}
    frame = pl.DataFrame({name: stamps.get(name, [None, None]) for name in schema.names if name != "window"})
    table.write(frame, WindowCommit(hour(0), "first", complete=True))
    (done,) = carer(brokerless_settings, location).turn(Care.COMPACT, [LakeTable("transactions", "events")])
    assert (done.report.changed, done.report.damaged) == (1, ())


def test_files_of_a_stream_that_is_not_configured_stay_as_they_are(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    ordered(location, "forgotten", "events")
    (done,) = carer(brokerless_settings, location).turn(Care.COMPACT, [LakeTable("forgotten", "events")])
    assert (done.report.changed, done.is_well) == (0, True)
    assert "not configured" in done.to_record()["remarks"]


def test_a_table_that_cannot_be_read_is_told_of_and_the_next_has_its_turn(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    scattered(location)
    ordered(location, "security", "batches/batch-20260101-0a1b2c3d/raw")
    entry = Path(location.table("security", "events"), "_delta_log", f"{2:020d}.json")
    entry.write_text("{")
    here = carer(brokerless_settings, location)
    raw, events = here.turn(Care.COMPACT, here.tables(Care.COMPACT))
    assert raw.report.changed == 1
    assert not events.is_well
    assert events.failure is not None
    assert "DeltaError" in events.failure


def test_a_table_that_was_deleted_since_it_was_listed_is_no_failure(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    (done,) = carer(brokerless_settings, location).turn(Care.VACUUM, [EVENTS])
    assert done.is_well
    assert done.to_record()["remarks"] == "the table was deleted meanwhile"


def test_rejected_records_are_kept_apart_by_their_attempt(
    brokerless_settings: SettingsFactory, location: LakeLocation
) -> None:
    quarantine = Quarantine(location, "security")
    names = [name for name in quarantine.scan({}).collect_schema() if name not in ("window", "attempt")]
    for attempt in ("first", "first", "second", "second"):
        quarantine.write(pl.DataFrame({name: [None] for name in names}), hour(0), attempt)
    table = LakeTable("security", "quarantine")
    (done,) = carer(brokerless_settings, location).turn(Care.COMPACT, [table])
    assert done.report.files_after == 2


def test_a_dry_run_changes_nothing(brokerless_settings: SettingsFactory, location: LakeLocation) -> None:
    table = scattered(location)
    version = table.version()
    here = carer(brokerless_settings, location, dry_run=True)
    for care in Care:
        list(here.turn(care, [EVENTS]))
    assert table.version() == version
    assert not list(Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("vacuum_retention_hours", 167, "168"), ("compaction_every_hours", 5, "divide a day"), ("target_file_mb", 0, "1")],
)
def test_a_wrong_setting_stops_the_start_and_names_its_key(key: str, value: int, said: str) -> None:
    with pytest.raises(SettingsError, match=f"lake_care.{key}") as refusal:
        load_settings(lake_care={key: value})
    assert said in str(refusal.value)
