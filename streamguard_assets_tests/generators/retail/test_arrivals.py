"""Moments follow the clock, keep their mean rate, and do not depend on how many are asked for at once."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.generators.accounts import DAY_MS, HOUR_MS
from streamguard_assets.generators.retail.arrivals import STEADY, Arrivals, day_times_ms
from streamguard_assets.generators.retail.distributions import HOUR_WEIGHTS
from streamguard_assets_tests.generators.chi_square import LEAST_P, counted, p_value

MIDNIGHT_MS = int(datetime(2026, 1, 28, tzinfo=UTC).timestamp() * 1000)


@given(
    start=st.integers(0, 3 * DAY_MS),
    rate=st.floats(0.01, 10_000),
    first=st.integers(0, 10**7),
    luck=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50),
)
def test_moments_ascend_from_the_start_on(start: int, rate: float, first: int, luck: list[float]) -> None:
    times = Arrivals(MIDNIGHT_MS + start, rate).times_ms(first, np.array(luck))
    assert times[0] >= MIDNIGHT_MS + start - 1
    assert (np.diff(times) >= 0).all()


@given(cut=st.integers(0, 400))
def test_two_parts_are_the_whole(cut: int) -> None:
    arrivals, luck = Arrivals(MIDNIGHT_MS + 12_345_678, 3.7), np.random.default_rng(0).random(400)
    whole = arrivals.times_ms(5, luck)
    parts = [arrivals.times_ms(5, luck[:cut]), arrivals.times_ms(5 + cut, luck[cut:])]
    assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize("start", [0, 3 * HOUR_MS, 20 * HOUR_MS + 1])
def test_any_24_hours_hold_the_mean_rate(start: int) -> None:
    times = Arrivals(MIDNIGHT_MS + start, 2.5).times_ms(0, np.random.default_rng(1).random(300_000))
    within = (times < MIDNIGHT_MS + start + DAY_MS).sum()
    assert abs(within - 2.5 * 86_400) <= 1


def test_each_hour_has_its_share_within_one_event() -> None:
    times = Arrivals(MIDNIGHT_MS, 1.0).times_ms(0, np.random.default_rng(2).random(86_400))
    per_hour = np.bincount((times - MIDNIGHT_MS) // HOUR_MS, minlength=24)
    expected = np.array(HOUR_WEIGHTS) / sum(HOUR_WEIGHTS) * 86_400
    assert np.abs(per_hour - expected).max() <= 1.5


def test_a_steady_rate_is_the_same_day_and_night() -> None:
    times = Arrivals(MIDNIGHT_MS + 777, 4.0, STEADY).times_ms(0, np.full(400_000, 0.5))
    assert set(np.diff(times).tolist()) <= {249, 250, 251}


def test_a_rate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Arrivals(MIDNIGHT_MS, 0.0)


def test_a_past_day_has_its_hours_by_weight_in_order() -> None:
    times = day_times_ms(np.random.default_rng(3), MIDNIGHT_MS, 100_000)
    assert (np.diff(times) >= 0).all()
    hours = counted(((times - MIDNIGHT_MS) // HOUR_MS).tolist())
    assert p_value(hours, dict(enumerate(HOUR_WEIGHTS))) > LEAST_P
