"""Days and all history, put together from what is kept of windows: never anything but the full scan."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.windows import partials
from streamguard_assets.windows.analyse import build_analyses
from streamguard_assets.windows.graph import analyses_of
from streamguard_assets.windows.rollups import (
    build_days,
    build_history,
    daily_table,
    due_rollups,
    history_table,
)
from streamguard_assets.windows.stream import Stream
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.windows.retail import Shop, window_of

FIRST_DAY, SECOND_DAY, THIRD_DAY = "2026-01-30-00:00", "2026-01-31-00:00", "2026-02-01-00:00"
WINDOWS = 8
"""One of the first day, six of the second, one of the third."""

DAYS = {FIRST_DAY: range(1), SECOND_DAY: range(1, 7), THIRD_DAY: range(7, WINDOWS)}


@pytest.fixture
def shop(brokerless_settings: SettingsFactory) -> Shop:
    made = Shop(brokerless_settings(streams={"transactions": {"window_minutes": 240}}))
    made.close(WINDOWS)
    made.fill(range(WINDOWS))
    return made


def roll_up(stream: Stream, attempt: str = "run") -> None:
    """What a run of the rollups does."""
    due = due_rollups(stream)
    build_days(stream, analyses_of(stream.graph), due.days, attempt)
    for name in analyses_of(stream.graph):
        build_history(stream, name, attempt)


def full_scan(stream: Stream, name: str, windows: range = range(WINDOWS)) -> pl.DataFrame:
    events = stream.table("events").scan([window_of(index) for index in windows])
    return ANALYSES[name](events).collect()


def of_day(stream: Stream, name: str, day: str) -> pl.DataFrame:
    return daily_table(stream, ANALYSES[name]).scan([day]).collect().drop("window")


def of_history(stream: Stream, name: str) -> pl.DataFrame:
    return history_table(stream, ANALYSES[name]).scan().collect()


@pytest.mark.parametrize("name", ANALYSES)
def test_days_and_all_history_are_what_a_full_scan_gives(shop: Shop, name: str) -> None:
    build_days(shop.stream, [name], [FIRST_DAY, SECOND_DAY, THIRD_DAY], "run")
    build_history(shop.stream, name, "run")
    for day, windows in DAYS.items():
        assert_frame_equal(of_day(shop.stream, name, day), full_scan(shop.stream, name, windows))
    assert_frame_equal(of_history(shop.stream, name), full_scan(shop.stream, name))


@pytest.mark.parametrize("name", ["revenue_by_category", "customer_segmentation"])
def test_a_window_that_is_built_again_reaches_its_day_and_all_history_and_no_other_day(shop: Shop, name: str) -> None:
    roll_up(shop.stream)
    table = daily_table(shop.stream, ANALYSES[name])
    before = {day: commit.version for day, commit in table.commits().items()}
    shop.fill([5], seed=1)
    due = due_rollups(shop.stream)
    assert set(due.days) == {SECOND_DAY}
    assert set(due.history) == set(ANALYSES)
    roll_up(shop.stream, "again")
    after = {day: commit.version for day, commit in table.commits().items()}
    assert {day for day in after if after[day] != before[day]} == {SECOND_DAY}
    assert_frame_equal(of_history(shop.stream, name), full_scan(shop.stream, name))
    assert not due_rollups(shop.again())


def test_a_window_that_closes_costs_its_own_window_and_the_days_that_are_not_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll_up(shop.stream)
    shop.close(WINDOWS + 1)
    shop.fill([WINDOWS])
    scanned: list[str] = []
    run_partials = partials.run_partials

    def watched(events: pl.LazyFrame, analyses: list[object]) -> Mapping[str, pl.DataFrame]:
        scanned.extend(events.select(pl.col("window").unique()).collect()["window"].to_list())
        return run_partials(events, analyses)  # type: ignore[arg-type]

    monkeypatch.setattr(partials, "run_partials", watched)
    assert set(due_rollups(shop.stream).days) == {THIRD_DAY}
    roll_up(shop.stream, "next")
    assert set(scanned) == {window_of(WINDOWS)}
    assert_frame_equal(
        of_history(shop.stream, "fraud_analysis"), full_scan(shop.stream, "fraud_analysis", range(WINDOWS + 1))
    )


def test_the_same_rows_again_make_nothing_late(shop: Shop) -> None:
    roll_up(shop.stream)
    shop.fill([5])
    assert not due_rollups(shop.stream)


def test_what_windows_kept_while_they_were_analysed_is_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(WINDOWS):
        build_analyses(shop.stream, analyses_of(shop.stream.graph), window_of(index), "windows")
    monkeypatch.setattr(partials, "run_partials", lambda *_: pytest.fail("events were read again"))
    roll_up(shop.stream)
    assert_frame_equal(of_history(shop.stream, "hourly_trends"), full_scan(shop.stream, "hourly_trends"))


def test_a_day_is_complete_when_it_is_over_and_says_which_windows_it_lacks(
    brokerless_settings: SettingsFactory,
) -> None:
    shop = Shop(brokerless_settings(streams={"transactions": {"window_minutes": 240}}))
    shop.close(8)
    shop.fill([0, 1, 2, 4, 5, 6, 7])
    roll_up(shop.stream)
    days = daily_table(shop.stream, ANALYSES["hourly_trends"]).commits()
    assert (days[SECOND_DAY].complete, days[SECOND_DAY].details["windows_missing"]) == (True, [window_of(3)])
    assert (days[THIRD_DAY].complete, days[THIRD_DAY].details["windows"]) == (False, 1)


def test_a_stream_without_events_has_nothing_to_roll_up(brokerless_settings: SettingsFactory) -> None:
    stream = Shop(brokerless_settings(streams={"transactions": {"window_minutes": 240}})).stream
    assert not due_rollups(stream)
    assert build_history(stream, "hourly_trends", "run") is None
    assert build_days(stream, ["hourly_trends"], [FIRST_DAY], "run") == {}
