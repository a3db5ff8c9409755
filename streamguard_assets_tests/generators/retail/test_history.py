"""A history has the days and rows that were asked for, in order, and is the same each time."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from streamguard_assets.generators.retail import history as module
from streamguard_assets.generators.retail.history import History, day_frames
from streamguard_assets.generators.retail.transactions import json_values
from streamguard_assets_tests.generators.retail.samples import UNTIL

DIGEST_OF_SEED_3 = "2f1f0c079bffa8c6"
"""Of 6,000 rows in three days. When this changes, every table that somebody seeded can no longer be made."""


def rows_of(history: History) -> pl.DataFrame:
    return pl.concat(frame for _, frame in day_frames(history))


@given(st.integers(1, 10**7), st.integers(1, 400))
def test_every_row_has_its_day(rows: int, days: int) -> None:
    per_day = History(rows, days, UNTIL, seed=0).rows_per_day()
    assert sum(per_day.values()) == rows
    assert list(per_day) == [UNTIL - timedelta(days=back) for back in range(days, 0, -1)]


def test_weekends_are_busier_by_what_they_sell_more() -> None:
    per_day = History(700_000, 7, UNTIL, seed=0).rows_per_day()
    assert per_day[date(2026, 1, 31)] / per_day[date(2026, 1, 28)] == pytest.approx(1.16 / 1.06, rel=1e-4)


def test_rows_are_in_order_of_time_and_of_the_day_of_their_frame() -> None:
    frames = list(day_frames(History(9_000, 5, UNTIL, seed=1)))
    for day, frame in frames:
        assert frame["event_timestamp"].dt.date().unique().to_list() == [day]
    assert pl.concat(frame for _, frame in frames)["event_timestamp"].is_sorted()


def test_a_seed_makes_the_rows_that_it_always_made() -> None:
    values = json_values(rows_of(History(6_000, 3, UNTIL, seed=3)))
    assert hashlib.sha256(b"\n".join(values)).hexdigest()[:16] == DIGEST_OF_SEED_3


def test_the_same_history_twice_is_the_same_and_another_seed_is_another() -> None:
    first = rows_of(History(4_000, 3, UNTIL, seed=3))
    assert_frame_equal(first, rows_of(History(4_000, 3, UNTIL, seed=3)))
    other = rows_of(History(4_000, 3, UNTIL, seed=4))
    assert set(first["transaction_id"]).isdisjoint(other["transaction_id"])


def test_blocks_of_a_busy_day_are_in_order_and_never_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 700)
    frames = [frame for _, frame in day_frames(History(2_000, 1, UNTIL, seed=1))]
    assert [frame.height for frame in frames] == [700, 700, 600]
    whole = pl.concat(frames)
    assert whole["event_timestamp"].is_sorted()
    assert whole["transaction_id"].n_unique() == 2_000


def test_days_without_rows_have_no_frames() -> None:
    assert len(list(day_frames(History(2, 30, UNTIL, seed=0)))) == 2


@pytest.mark.parametrize(("rows", "days"), [(0, 5), (5, 0)])
def test_a_history_of_nothing_is_an_error(rows: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one row and one day"):
        History(rows, days, UNTIL, seed=0)
