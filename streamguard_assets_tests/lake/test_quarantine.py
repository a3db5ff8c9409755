"""Rejected records count for the attempt that the events commit names, and for no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable

from streamguard_assets.lake.quarantine import SCHEMA, Quarantine
from streamguard_assets_tests.lake.samples import commit_of, events, hour, no_pause, rows


def rejected(count: int, first_offset: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "topic": "security-events",
            "kafka_partition": [0] * count,
            "kafka_offset": range(first_offset, first_offset + count),
            "kafka_timestamp": [None] * count,
            "key": [None] * count,
            "value": [b"\x00not json" if i % 2 else None for i in range(count)],
            "reason": "not JSON",
            "code": "syntax",
            "json_path": [None] * count,
            "contract_hash": "c0ffee",
        }
    )


@pytest.fixture
def quarantine(location) -> Quarantine:
    return Quarantine(location, "security")


@pytest.fixture
def now() -> datetime:
    """Files carry the time of the disk, so ages are told from the real clock."""
    return datetime.now(UTC)


def test_only_the_attempt_that_counts_is_shown(quarantine):
    quarantine.write(rejected(3), hour(0), "failed")
    quarantine.write(rejected(2), hour(0), "counts")
    quarantine.write(rejected(4), hour(1), "counts")
    shown = quarantine.scan({hour(0): "counts"}).collect()
    assert shown.columns == SCHEMA.names
    assert shown["kafka_offset"].to_list() == [0, 1]
    assert shown["value"].to_list() == [None, b"\x00not json"]
    assert quarantine.scan({}).collect().height == 0


def test_a_run_of_many_windows_may_count_for_one_and_have_failed_for_another(quarantine):
    for window in (hour(0), hour(1)):
        quarantine.write(rejected(3), window, "first")
    quarantine.write(rejected(1), hour(1), "second")
    shown = quarantine.scan({hour(0): "first", hour(1): "second"}).collect()
    assert dict(shown.group_by("window").len().iter_rows()) == {hour(0): 3, hour(1): 1}


def test_many_windows_are_appended_in_one_commit(quarantine):
    files = []
    for index in range(3):
        stager = quarantine.stager(hour(index), "run")
        stager.add(rejected(2))
        files += stager.finish()
    assert quarantine.append(files, "run") == 1
    assert quarantine.scan({hour(i): "run" for i in range(3)}).collect().height == 6


def test_nothing_rejected_is_no_commit_and_no_table(quarantine):
    assert quarantine.write(rejected(0), hour(0), "run") is None
    assert not quarantine.exists()
    assert quarantine.scan({hour(0): "run"}).collect().columns == SCHEMA.names
    assert quarantine.collect({}, {}, datetime.now(UTC)) == {}


def test_replaced_attempts_are_collected_and_the_counting_one_stays(quarantine, now):
    quarantine.write(rejected(3), hour(0), "old")
    quarantine.write(rejected(2), hour(0), "new")
    collected = quarantine.collect({hour(0): "new"}, {hour(0): {"old"}}, now)
    assert collected == {hour(0): {"old"}}
    assert quarantine.scan({hour(0): "old"}).collect().height == 0
    assert quarantine.scan({hour(0): "new"}).collect().height == 2
    assert quarantine.collect({hour(0): "new"}, {hour(0): {"old"}}, now) == {}


def test_an_attempt_on_its_way_to_its_events_commit_is_left_alone(quarantine, now):
    """Deleting its rows would let its events commit name rejects that are not there."""
    quarantine.write(rejected(3), hour(0), "counts")
    quarantine.write(rejected(2), hour(0), "running")
    quarantine.write(rejected(2), hour(5), "running")
    assert quarantine.collect({hour(0): "counts"}, {}, now) == {}
    assert quarantine.scan({hour(0): "running", hour(5): "running"}).collect().height == 4


def test_an_attempt_that_never_came_to_count_is_collected_after_a_day(quarantine, now):
    quarantine.write(rejected(3), hour(0), "counts")
    quarantine.write(rejected(2), hour(0), "crashed")
    quarantine.write(rejected(1), hour(1), "crashed")
    tomorrow = now + timedelta(hours=25)
    assert quarantine.collect({hour(0): "counts"}, {}, tomorrow) == {hour(0): {"crashed"}, hour(1): {"crashed"}}
    assert quarantine.scan({hour(0): "counts", hour(1): "crashed"}).collect().height == 3


def test_collected_rows_stay_readable_by_version(quarantine, now):
    version = quarantine.write(rejected(3), hour(0), "old")
    quarantine.collect({}, {hour(0): {"old"}}, now)
    assert quarantine.scan({hour(0): "old"}, version=version).collect().height == 3


def test_the_events_table_tells_what_counts_and_what_was_replaced(location, quarantine, now):
    table = events(location)
    for attempt in ("first", "second"):
        quarantine.write(rejected(2), hour(0), attempt)
        table.write(rows(3), commit_of(hour(0), attempt))
    counting = {window: commit.attempt for window, commit in table.commits().items()}
    assert quarantine.scan(counting).collect()["attempt"].unique().to_list() == ["second"]
    assert quarantine.collect(counting, table.superseded(), now) == {hour(0): {"first"}}


def test_an_append_that_loses_a_race_lands_once(location):
    rival, mine = Quarantine(location, "security"), Quarantine(location, "security", pause=no_pause)
    rival.write(rejected(1), hour(0), "start")
    create = DeltaTable.create_write_transaction
    turns: list[int] = []

    def rival_first(self: DeltaTable, *arguments, **options):
        turns.append(self.version())
        if len(turns) == 1:
            rival.write(rejected(2), hour(0), "rival")
        return create(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", rival_first)
        assert mine.write(rejected(5), hour(0), "mine") == 3
    found = {name: mine.scan({hour(0): name}).collect().height for name in ("start", "rival", "mine")}
    assert found == {"start": 1, "rival": 2, "mine": 5}
