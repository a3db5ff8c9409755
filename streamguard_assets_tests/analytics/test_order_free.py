"""Sums that no order of the rows can change."""

from __future__ import annotations

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.analytics.order_free import from_parts, to_parts


def total(fractions: list[float]) -> float:
    frame = nw.from_native(pl.DataFrame({"x": fractions}, schema={"x": pl.Float64}))
    return frame.select(from_parts(to_parts(nw.col("x")).sum()))["x"].item()


def test_floats_themselves_depend_on_the_order() -> None:
    assert sum([0.1, 0.2, 0.3]) != sum([0.3, 0.2, 0.1])
    assert total([0.1, 0.2, 0.3]) == total([0.3, 0.2, 0.1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_a_sum_is_right_and_the_same_in_any_order(values: list[float], random) -> None:
    fractions = [value / len(values) for value in values]
    shuffled = random.sample(fractions, len(fractions))

    assert total(fractions) == total(shuffled)
    assert total(fractions) == pytest.approx(sum(fractions), abs=1e-15)


def test_magnitudes_up_to_two_fit() -> None:
    assert total([1.0, 1.0]) == 2.0
    assert total([-1.0, -1.0]) == -2.0
