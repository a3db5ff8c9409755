"""The live rows of a topic that is gone are kept under another name before those of the new topic come."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.lake.live.table import LIVE_DATE, LiveTable
from streamguard_assets.streaming.embedded import recreated
from streamguard_assets.streaming.embedded.recreated import set_aside
from streamguard_assets.streaming.live_tables import live_events
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.two_paths import START, TwoPaths, land, parsed

ENDS = {0: 60, 1: 30}
PLACE = ("kafka_partition", "kafka_offset")


@pytest.fixture
def paths(brokerless_settings: SettingsFactory) -> TwoPaths:
    return TwoPaths.of(brokerless_settings())


def copied(paths: TwoPaths, name: str) -> pl.DataFrame:
    return pl.DataFrame(paths.raw(name).to_pyarrow_table()).sort(PLACE)


def test_every_row_is_kept_a_batch_at_a_time_and_once_also_when_it_is_done_again(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recreated, "BATCH_ROWS", 7)
    epoch = paths.begin()
    paths.append(epoch, ENDS)
    quarantined = paths.quarantine.state()
    assert quarantined is not None

    set_aside(paths.stream)
    set_aside(paths.stream)

    kept = copied(paths, f"live/events_before_{epoch}")
    assert kept.equals(paths.events.scan().collect().sort(PLACE), null_equal=True)
    rejected = copied(paths, f"live/quarantine_before_{quarantined.epoch}")
    assert rejected.equals(paths.quarantine.scan().collect().sort(PLACE), null_equal=True)


def test_a_column_that_the_contract_no_longer_has_is_kept_too(paths: TwoPaths) -> None:
    events = live_events(paths.stream)
    columns = [field for field in events.schema if field.name != LIVE_DATE]
    wider = LiveTable(
        paths.stream.location,
        paths.stream.name,
        events.name,
        pa.schema([*columns, pa.field("loyalty_tier", pa.string())]),
    )
    epoch = wider.take_over("older", paths.stream.topic, "topic-1", {0: 0, 1: 0}).epoch
    chunks = parsed(paths.stream, {0: (0, 20)}, START)
    land(
        wider, epoch, pl.concat([chunk.accepted for chunk in chunks]).with_columns(loyalty_tier=pl.lit("kept")), {0: 20}
    )

    set_aside(paths.stream)

    assert copied(paths, f"live/events_before_{epoch}")["loyalty_tier"].unique().to_list() == ["kept"]


def test_tables_that_nobody_wrote_leave_nothing(paths: TwoPaths) -> None:
    set_aside(paths.stream)

    assert not paths.events.exists()
