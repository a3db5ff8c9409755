"""Sums of decimal numbers are exact: to the cent, in any order, over any number of rows."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamguard_assets.analytics.fixed_point import FRACTION, MONEY, FixedPoint
from streamguard_assets.analytics.quotient import with_steps

TEN_MILLION = 10_000_000


def total(values: Any, point: FixedPoint = MONEY) -> float:
    rows = nw.from_native(pl.DataFrame({"x": values}, schema={"x": pl.Float64})).lazy()
    limbs = rows.select(high=point.high("x").sum(), low=point.low("x").sum())
    return with_steps(limbs, [point.steps("x", nw.col("high"), nw.col("low"))]).collect()["x_total"].item()


@pytest.mark.parametrize("largest_cents", [10_000, 100_000_000, 100_000_000_000])
def test_ten_million_amounts_add_up_to_the_cent_in_any_order(largest_cents: int) -> None:
    cents = np.random.default_rng(4).integers(-largest_cents // 10, largest_cents, TEN_MILLION)
    exact = sum(int(part.sum()) for part in np.array_split(cents, 1_000))
    amounts = cents / 100.0

    assert total(amounts) == total(amounts[::-1]) == float(Fraction(exact, 100))
    assert round(Fraction(total(amounts)) * 100) == exact or abs(exact) >= 2**53


@given(st.lists(st.integers(-4 * 10**15, 4 * 10**15), max_size=30))
@example([1])
@example([4 * 10**15] * 3)
@example([-1, 10**9, -(10**9)])
def test_a_total_is_the_float_nearest_to_the_exact_sum_of_the_decimal_texts(millionths: list[int]) -> None:
    amounts = [float(Decimal(each).scaleb(-6)) for each in millionths]

    assert total(amounts) == float(Fraction(sum(millionths), 10**6))


@given(st.lists(st.integers(-(10**14), 10**14), max_size=30))
def test_amounts_up_to_the_bound_are_exact_when_they_are_whole(hundreds: list[int]) -> None:
    amounts = [float(each // 100) for each in hundreds]

    assert total(amounts) == float(sum(Fraction(each) for each in amounts))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_fractions_count_in_billionths(values: list[float]) -> None:
    assert total(values, FRACTION) == pytest.approx(math.fsum(values), abs=0.6e-9 * len(values))


@pytest.mark.parametrize("odd", [None, math.nan, math.inf, -math.inf, 1e300, -5e17, math.nextafter(1e12, math.inf)])
def test_what_is_no_amount_is_left_out(odd: float | None) -> None:
    assert total([0.1, odd, 0.2]) == 0.3
    assert total([odd]) == 0.0


@pytest.mark.parametrize("edge", [1e12, -1e12])
def test_the_bound_itself_counts(edge: float) -> None:
    assert total([edge, 0.5]) == edge + 0.5


def test_a_total_of_nothing_is_a_positive_zero() -> None:
    assert math.copysign(1.0, total([-0.0])) == math.copysign(1.0, total([-0.01, 0.01])) == 1.0
