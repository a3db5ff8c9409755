"""Windows: keys, cadences, and runs of windows."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.windows import (
    CADENCES_MINUTES,
    Cadence,
    contiguous_runs,
    window_key,
    window_start,
)

HOURLY = Cadence()
cadences = st.sampled_from(CADENCES_MINUTES).map(Cadence)
instants = st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))


def test_a_key_is_the_instant_at_which_the_window_begins() -> None:
    assert window_key(datetime(2026, 1, 31, 14, tzinfo=UTC)) == "2026-01-31-14:00"
    assert window_start("2026-01-31-14:00") == datetime(2026, 1, 31, 14, tzinfo=UTC)


def test_keys_are_in_utc_whatever_the_zone_of_the_instant() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert window_key(datetime(2026, 1, 31, 3, 30, tzinfo=india)) == "2026-01-30-22:00"


@pytest.mark.parametrize("key", ["2026-01-31", "2026-01-31-24:00", "2026-02-30-00:00", "", "latest"])
def test_what_is_no_key_is_named(key: str) -> None:
    with pytest.raises(ValueError, match="is not a window key; keys look like"):
        window_start(key)


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 1, 31, 14)
    for call in (window_key, HOURLY.floor, HOURLY.next):
        with pytest.raises(ValueError, match="has no time zone"):
            call(naive)


@pytest.mark.parametrize("minutes", [0, -60, 7, 90, 2880])
def test_a_window_divides_the_day(minutes: int) -> None:
    with pytest.raises(ValueError, match="does not divide the day; choose one of 1, 2, 5"):
        Cadence(minutes)
    assert all(1440 % allowed == 0 for allowed in CADENCES_MINUTES)


@pytest.mark.parametrize(
    ("minutes", "cron"),
    [
        (1, "* * * * *"),
        (5, "*/5 * * * *"),
        (30, "*/30 * * * *"),
        (60, "0 * * * *"),
        (120, "0 */2 * * *"),
        (720, "0 */12 * * *"),
        (1440, "0 0 * * *"),
    ],
)
def test_cron_fires_at_each_boundary(minutes: int, cron: str) -> None:
    assert Cadence(minutes).cron == cron


@pytest.mark.parametrize("minutes", CADENCES_MINUTES)
def test_cron_names_exactly_the_boundaries_of_a_day(minutes: int) -> None:
    minute, hour, *_ = Cadence(minutes).cron.split()
    midnight = datetime(2026, 1, 31, tzinfo=UTC)
    fires = [
        midnight + timedelta(hours=h, minutes=m)
        for h in range(24)
        for m in range(60)
        if _hit(hour, h) and _hit(minute, m)
    ]
    assert fires == Cadence(minutes).instants(midnight, midnight + timedelta(hours=23, minutes=59))


def _hit(field: str, value: int) -> bool:
    if field.startswith("*"):
        return value % int(field.removeprefix("*").removeprefix("/") or 1) == 0
    return value == int(field)


@given(cadences, instants)
def test_every_instant_lies_in_exactly_one_window(cadence: Cadence, instant: datetime) -> None:
    start = cadence.floor(instant)
    assert start <= instant < cadence.next(instant) == start + cadence.length
    assert cadence.floor(start) == start
    assert cadence.end(window_key(start)) == cadence.next(instant)


@given(cadences, instants, st.integers(0, 300))
def test_keys_tile_a_span(cadence: Cadence, first: datetime, minutes: int) -> None:
    until = first + timedelta(minutes=minutes)
    keys = cadence.keys(first, until)
    if not minutes:
        assert keys == []
        return
    assert window_start(keys[0]) <= first < cadence.end(keys[0])
    assert window_start(keys[-1]) < until <= cadence.end(keys[-1])
    assert contiguous_runs(keys, cadence) == [keys]


def test_a_span_that_ends_on_a_boundary_does_not_touch_the_next_window() -> None:
    first = datetime(2026, 1, 31, 14, tzinfo=UTC)
    assert HOURLY.keys(first, first + timedelta(hours=2)) == ["2026-01-31-14:00", "2026-01-31-15:00"]
    assert HOURLY.keys(first, first - timedelta(hours=1)) == []


def test_instants_include_both_ends() -> None:
    first = datetime(2026, 1, 31, 14, 20, tzinfo=UTC)
    assert [i.hour for i in HOURLY.instants(first, first + timedelta(hours=2))] == [14, 15, 16]


def test_a_lookback_ends_with_its_own_window() -> None:
    assert HOURLY.lookback("2026-01-31-01:00", 3) == ["2026-01-30-23:00", "2026-01-31-00:00", "2026-01-31-01:00"]
    assert HOURLY.lookback("2026-01-31-01:00", 1) == ["2026-01-31-01:00"]


def test_runs_are_cut_where_a_window_is_missing() -> None:
    keys = ["2026-01-31-03:00", "2026-01-31-00:00", "2026-01-31-01:00", "2026-01-31-01:00"]
    assert contiguous_runs(keys, HOURLY) == [["2026-01-31-00:00", "2026-01-31-01:00"], ["2026-01-31-03:00"]]
    assert contiguous_runs([], HOURLY) == []


@given(cadences, st.lists(st.integers(0, 40)))
def test_runs_hold_every_key_once_and_cannot_be_joined(cadence: Cadence, places: list[int]) -> None:
    start = datetime(2026, 1, 31, tzinfo=UTC)
    keys = [window_key(start + place * cadence.length) for place in places]
    runs = contiguous_runs(keys, cadence)
    assert [key for run in runs for key in run] == sorted(set(keys))
    for run in runs:
        assert run == cadence.lookback(run[-1], len(run))
    for run, following in itertools.pairwise(runs):
        assert cadence.end(run[-1]) < window_start(following[0])
