"""Rows against records: what is missing, doubled, aborted or of nobody is told apart."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.chaos.findings import Promise
from streamguard_assets.chaos.journal import Fate, Journal, JournalWriter
from streamguard_assets.chaos.numbered_events import NumberedEvent, named_in
from streamguard_assets.chaos.verification import compared
from streamguard_assets.contracts.registry import contract
from streamguard_assets.contracts.verdict import Rejection


def frame(*rows: tuple[int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"partition": pl.Int32, "offset": pl.Int64, "event_id": pl.String}, orient="row")


WANTED = frame((0, 0, "a"), (0, 2, "b"), (1, 0, "c"))


def found(rows: pl.DataFrame, *aborted: str) -> list[tuple[Promise, str]]:
    return [(finding.promise, finding.text) for finding in compared("live/events", WANTED, rows, set(aborted))]


def test_the_same_rows_in_another_order_are_well() -> None:
    assert found(WANTED.reverse()) == []


def test_a_missing_row_is_lost_and_named() -> None:
    ((promise, text),) = found(WANTED.filter(pl.col("event_id") != "b"))

    assert promise is Promise.LOST
    assert "1 committed records" in text
    assert "0-2-b" in text


def test_a_row_that_is_there_twice_is_doubled() -> None:
    assert [promise for promise, _ in found(pl.concat([WANTED, WANTED.head(1)]))] == [Promise.DOUBLED]


def test_a_row_of_an_aborted_record_is_called_so() -> None:
    assert [promise for promise, _ in found(pl.concat([WANTED, frame((0, 1, "x"))]), "x")] == [Promise.ABORTED]


def test_a_row_that_nobody_wrote_is_foreign() -> None:
    assert [promise for promise, _ in found(pl.concat([WANTED, frame((7, 1, "x"))]))] == [Promise.FOREIGN]


def test_a_row_with_another_events_content_is_lost_and_foreign() -> None:
    swapped = WANTED.with_columns(event_id=pl.Series(["b", "a", "c"]))

    assert [promise for promise, _ in found(swapped)] == [Promise.LOST, Promise.FOREIGN]


@pytest.mark.parametrize("number", range(12))
def test_the_key_says_what_the_contract_says_of_the_value(number: int) -> None:
    for is_good in (True, False):
        event = NumberedEvent("idempotent", number, is_good)

        verdict = contract("security").decode(event.value(1_767_225_600_000))

        assert isinstance(verdict, Rejection) is not is_good
        assert named_in(event.key) == (f"idempotent-{number}", is_good)


def test_a_strangers_record_is_refused() -> None:
    with pytest.raises(ValueError, match="not written by the chaos producers"):
        named_in(b"k")


def test_a_journal_is_read_on_from_where_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.ndjson"
    journal = Journal(path)
    journal.catch_up()
    with JournalWriter(path) as writer:
        writer.note(Fate.COMMITTED, [("a", 0, 1), ("b", 1, 0)])
        journal.catch_up()
        writer.note(Fate.ABORTED, [("c", 0, 2)])
    with path.open("a") as file:
        file.write('["committed", "half')
    journal.catch_up()

    assert journal.committed == {"a": (0, 1), "b": (1, 0)}
    assert journal.aborted == {"c"}
