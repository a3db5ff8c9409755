"""A whole verification over tables made by hand, with a topic that is told instead of read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from streamguard_assets.chaos.committed_log import SCHEMA, CommittedLog
from streamguard_assets.chaos.faulty_sinks import SCHEMA as ROWS
from streamguard_assets.chaos.faulty_sinks import Table
from streamguard_assets.chaos.findings import Promise
from streamguard_assets.chaos.journal import Fate, Journal, JournalWriter
from streamguard_assets.chaos.verification import Verification, Verified

STARTS = {"0": 0}


class ToldLog(CommittedLog):
    """A topic of one partition: offsets 0 to 3 are good records, 4 is a bad one, 5 is a hole."""

    def __init__(self) -> None:
        super().__init__("nowhere:1", "told", 1)
        rows = [(0, offset, f"transactional-{offset}", offset < 4) for offset in range(5)]
        self._frames = [pl.DataFrame(rows, schema=SCHEMA, orient="row")]

    def catch_up(self) -> None:
        self.positions = {0: 6}


def row(offset: int, verdict: str = "good") -> tuple[Any, ...]:
    return 0, offset, f"transactional-{offset}", f"{verdict}:transactional-{offset}".encode()


def frame(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ROWS, orient="row")


class Tables:
    """Live tables with what a test puts into them, and their verification."""

    def __init__(self, folder: Path) -> None:
        self.live = folder
        self.events, self.quarantine = (Table(folder / name, fenced=True) for name in ("events", "quarantine"))
        self._own = {table: table.take_over("ana", STARTS, None) for table in (self.events, self.quarantine)}

    def commit(self, rows: pl.DataFrame, until: int = 6, rejected: int = 1, table: Table | None = None) -> None:
        """One commit over ``[0, until)``; what its batch says is right, whatever ``rows`` are."""
        holes = {"0": [(5, 6)]} if until > 5 else {}
        good = until - rejected - (until > 5)
        batch = {"ranges": {"0": (0, until)}, "rows": good, "rejected": rejected, "holes": holes, "gaps": {}}
        table = table or self.events
        table.append(self._own[table], rows, batch)

    def verified(self, dropped_ends: int = 0) -> Verified:
        journal = Journal(self.live / "journal.ndjson")
        return Verification(self.live, ToldLog(), journal, lambda: dropped_ends).verify()

    def broken(self) -> set[Promise]:
        return {finding.promise for finding in self.verified().findings}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """The quarantine is right."""
    tables = Tables(tmp_path)
    tables.commit(frame(row(4, "bad")), table=tables.quarantine)
    return tables


ALL = [row(offset) for offset in range(4)]


def test_tables_that_hold_every_record_once_are_well(tables: Tables) -> None:
    tables.commit(frame(*ALL))

    verified = tables.verified()

    assert verified.findings == ()
    assert verified.records == 5


def test_only_what_is_below_the_positions_has_to_be_there(tables: Tables) -> None:
    tables.commit(frame(*ALL[:3]), until=3, rejected=0)

    assert tables.verified().findings == ()


def test_a_row_past_the_positions_is_foreign(tables: Tables) -> None:
    tables.commit(frame(*ALL), until=3, rejected=0)

    assert tables.broken() == {Promise.FOREIGN, Promise.CONSERVATION}  # its commit adds more than it tells of


def test_a_row_that_another_tool_adds_again_is_doubled(tables: Tables) -> None:
    tables.commit(frame(*ALL))
    write_deltalake(tables.live / "events", frame(row(2)), mode="append")

    assert tables.broken() == {Promise.DOUBLED}


def test_a_good_record_in_the_quarantine_is_foreign_there(tables: Tables) -> None:
    tables.commit(frame(*ALL))
    write_deltalake(tables.live / "quarantine", frame(row(1)), mode="append")

    assert tables.broken() == {Promise.FOREIGN}


def test_a_rejected_record_that_is_nowhere_is_lost(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit(frame(*ALL))

    assert tables.broken() == {Promise.LOST}


def test_positions_past_the_end_of_the_topic_are_no_ones(tables: Tables) -> None:
    tables.commit(frame(*ALL), until=7, rejected=1)

    assert Promise.FOREIGN in tables.broken()


def test_a_hole_that_the_topic_does_not_have_is_found(tables: Tables) -> None:
    tables.commit(frame(*ALL[:3]), until=4, rejected=0)
    holes = {finding.promise for finding in tables.verified().findings}

    assert holes == {Promise.LOST, Promise.CONSERVATION}


def test_a_stream_that_never_committed_has_nothing_to_prove(tmp_path: Path) -> None:
    verified = Verification(tmp_path, ToldLog(), Journal(tmp_path / "journal.ndjson"), lambda: 0).verify()

    assert (verified.version, verified.records, verified.findings) == (None, 0, ())


@pytest.mark.parametrize(
    ("offset", "broken"),
    [(3, {Promise.KAFKA}), (6, set())],
    ids=["where the topic has another record", "behind a transaction that is still open"],
)
def test_an_acknowledged_record_must_be_there_once_it_can_be_read(
    tables: Tables, offset: int, broken: set[Promise]
) -> None:
    tables.commit(frame(*ALL))
    with JournalWriter(tables.live / "journal.ndjson") as journal:
        journal.note(Fate.COMMITTED, [("another", 0, offset)])

    assert tables.broken() == broken


def test_an_aborted_record_that_kafka_gives_as_committed_is_its_own_fault_only_if_it_says_so(tables: Tables) -> None:
    tables.commit(frame(*ALL))
    with JournalWriter(tables.live / "journal.ndjson") as journal:
        journal.note(Fate.ABORTED, [("transactional-3", 0, 3)])

    assert tables.broken() == {Promise.KAFKA}
    told = tables.verified(dropped_ends=1)
    assert (told.findings, told.misjudged_records) == ((), 1)


def test_a_dropped_end_is_no_excuse_for_the_records_of_another_producer(tables: Tables) -> None:
    tables.commit(frame(*ALL))
    with JournalWriter(tables.live / "journal.ndjson") as journal:
        journal.note(Fate.COMMITTED, [("idempotent-3", 0, 3)])

    assert [finding.promise for finding in tables.verified(dropped_ends=1).findings] == [Promise.KAFKA]
