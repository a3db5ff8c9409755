"""A boundary is decided once. Whoever comes second reads what the first one stored."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import pytest
from deltalake import DeltaTable, write_deltalake

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.lake import ledger as ledger_module
from streamguard_assets.lake.errors import LedgerConflict
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake import processes
from streamguard_assets_tests.lake.samples import START, boundary

SPAWN = multiprocessing.get_context("spawn")


def ledger_at(location: LakeLocation, topic: str = "security-events", minutes: int = 60) -> Ledger:
    return Ledger(location, "security", topic, Cadence(minutes), "1.0")


def test_an_empty_ledger_has_no_boundaries(location):
    ledger = ledger_at(location)
    assert (ledger.boundaries(), ledger.last(), ledger.boundary(START)) == ([], None, None)


def test_boundaries_are_kept_in_time_order_with_their_offsets(location):
    ledger = ledger_at(location)
    made = [boundary(0, 5, 7), boundary(1, 5, 9), boundary(2, 20, 9, 3)]
    for one in made:
        assert ledger.insert(one, START) == one
    for reader in (ledger, ledger_at(location)):
        assert reader.boundaries() == made
        assert reader.last() == made[-1]
        assert reader.boundary(START + timedelta(hours=1)) == made[1]


def test_a_second_decision_is_answered_with_the_first(location):
    ledger_at(location).insert(boundary(0, 5), START)
    assert ledger_at(location).insert(boundary(0, 99), START) == boundary(0, 5)
    assert ledger_at(location).boundaries() == [boundary(0, 5)]


def test_many_boundaries_are_one_commit(location):
    ledger = ledger_at(location)
    made = [boundary(index, index, 2 * index) for index in range(3000)]
    assert ledger.insert_many(made, START) == made
    assert DeltaTable(ledger.uri).version() == 1
    assert ledger_at(location).boundaries() == made


def test_where_another_was_first_for_some_theirs_stand_and_the_rest_is_added(location):
    ledger_at(location).insert_many([boundary(0, 0), boundary(1, 10)], START)
    stored = ledger_at(location).insert_many([boundary(0, 0), boundary(1, 8), boundary(2, 12)], START)
    assert stored == [boundary(0, 0), boundary(1, 10), boundary(2, 12)]


def test_a_reader_follows_what_others_insert(location):
    reader = ledger_at(location)
    ledger_at(location).insert(boundary(0, 0), START)
    assert len(reader.boundaries()) == 1
    ledger_at(location).insert(boundary(1, 4), START)
    assert reader.boundaries() == [boundary(0, 0), boundary(1, 4)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (boundary(2, 9, 20), "partition 0 would go from 10 back to 9"),
        (boundary(2, 10), "partition 1 would go from 20 back to None"),
        (boundary(3, 10, 20), "the next boundary to decide is 2026-01-01T02:00:00"),
        (boundary(-1, 0, 0), "the next boundary to decide is 2026-01-01T02:00:00"),
        (boundary(2, 10, 20, topic_id="another"), "deleted and created again"),
        (boundary(1, 10, 20, topic_id="another"), "deleted and created again"),
    ],
)
def test_what_does_not_follow_is_refused_and_nothing_is_stored(location, wrong, reason):
    ledger = ledger_at(location)
    ledger.insert_many([boundary(0, 0, 0), boundary(1, 10, 20)], START)
    with pytest.raises(LedgerConflict, match=reason):
        ledger.insert(wrong, START)
    assert ledger_at(location).boundaries() == [boundary(0, 0, 0), boundary(1, 10, 20)]


def test_an_instant_between_two_of_the_cadence_is_refused(location):
    ledger = ledger_at(location, minutes=120)
    with pytest.raises(LedgerConflict, match="not an instant of the cadence of 120 minutes"):
        ledger.insert(boundary(1, 0), START)
    assert ledger.boundaries() == []


def test_one_wrong_boundary_of_many_stores_none(location):
    ledger = ledger_at(location)
    with pytest.raises(LedgerConflict, match="back to 3"):
        ledger.insert_many([boundary(0, 5), boundary(1, 3)], START)
    assert ledger.boundaries() == []


def test_topic_and_cadence_never_change_under_a_ledger(location):
    ledger_at(location).insert(boundary(0, 0), START)
    with pytest.raises(LedgerConflict, match="begun with topic 'security-events'"):
        ledger_at(location, topic="other-events").boundaries()
    with pytest.raises(LedgerConflict, match="begun with cadence_minutes 60"):
        ledger_at(location, minutes=30).boundaries()


def test_a_row_that_somebody_doubled_is_found(location):
    ledger = ledger_at(location)
    ledger.insert(boundary(0, 0), START)
    table = DeltaTable(ledger.uri)
    rows = table.to_pyarrow_table()
    write_deltalake(table, rows, mode="append")
    with pytest.raises(LedgerConflict, match="twice"):
        ledger_at(location).boundaries()


def test_many_small_inserts_are_compacted_and_nothing_is_lost(location, monkeypatch):
    monkeypatch.setattr(ledger_module, "COMPACT_FROM_FILES", 8)
    ledger = ledger_at(location)
    made = [boundary(index, index) for index in range(20)]
    for one in made:
        ledger.insert(one, START)
    assert len(DeltaTable(ledger.uri).file_uris()) < 8
    assert ledger.boundaries() == ledger_at(location).boundaries() == made


def test_a_ledger_lives_in_an_object_store_too(s3_location):
    ledger_at(s3_location).insert_many([boundary(0, 0), boundary(1, 10)], START)
    assert ledger_at(s3_location).insert(boundary(1, 11), START) == boundary(1, 10)


@pytest.mark.fault
def test_processes_that_race_all_read_the_same_boundaries(location, start):
    barrier, results = SPAWN.Barrier(3), SPAWN.Queue()
    racers = [start(processes.insert_boundaries, location, offset, 8, barrier, results) for offset in (1, 2, 3)]
    answers = [results.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join(60)
    results.close()
    results.join_thread()
    stored = [one.offsets[0] for one in ledger_at(location).boundaries()]
    assert answers == [stored] * 3
    assert len(stored) == 8
    assert [offset // 100 for offset in stored] == list(range(8))
