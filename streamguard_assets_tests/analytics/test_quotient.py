"""Quotients are those of IEEE 754 for any number of rows, and halves are rounded away from zero."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.analytics.quotient import as_column, quotient, rounded_quotient, with_steps


def column(value: nw.Expr, **columns: list[Any]) -> list[Any]:
    return nw.from_native(pl.DataFrame(columns)).select(made=value)["made"].to_list()


def rounded(dividends: list[int], divisors: list[int], decimals: int) -> list[float | None]:
    frame = nw.from_native(pl.DataFrame({"a": dividends, "b": divisors})).lazy()
    steps = rounded_quotient("made", nw.col("a"), nw.col("b"), decimals)
    return with_steps(frame, [steps]).collect()["made"].to_list()


whole = st.integers(-(2**53), 2**53)


@given(st.lists(whole, min_size=1, max_size=20), st.sampled_from([3.0, 100.0, 1e6]))
def test_dividing_by_a_number_is_a_true_division(values: list[int], divisor: float) -> None:
    made = column(quotient(nw.col("a"), as_column(divisor, nw.col("a"))), a=values)

    assert made == [value / divisor for value in values]


def test_polars_alone_multiplies_with_the_reciprocal() -> None:
    values = [float(value) for value in range(1, 1_000)]

    assert column(nw.col("a") / 1e6, a=values) != [value / 1e6 for value in values]


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**6), 10**6)), min_size=1, max_size=20))
def test_a_rounded_quotient_is_that_of_the_exact_fraction(pairs: list[tuple[int, int]]) -> None:
    dividends, divisors = map(list, zip(*pairs, strict=True))

    made = rounded(dividends, divisors, 2)

    for value, above, below in zip(made, dividends, divisors, strict=True):
        if below == 0:
            assert value is None
        else:
            size = math.floor(abs(Fraction(above, below)) * 100 + Fraction(1, 2)) / 100
            assert value == math.copysign(size, above * below) if size else value == 0


@pytest.mark.parametrize(("dividend", "expected"), [(1, 0.01), (-1, -0.01), (3, 0.02), (0, 0.0)])
def test_halves_go_away_from_zero(dividend: int, expected: float) -> None:
    assert rounded([dividend], [200], 2) == [expected]


def test_nothing_is_never_negative() -> None:
    (made,) = rounded([-1], [1_000_000], 2)

    assert made is not None
    assert math.copysign(1.0, made) == 1.0
