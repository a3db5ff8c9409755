"""The matrix that a forest sees: order, medians for gaps, refusals."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from streamguard_assets.detection.feature_matrix import fit_imputation, imputed, in_row_order, raw_matrix

NAMES = ("a", "b")


def rows(a: list[float | None], b: list[float | None]) -> pl.DataFrame:
    users = [f"u{n}" for n in range(len(a))]
    return pl.DataFrame({"user": users, "a": a, "b": b}, schema={"user": pl.String, "a": pl.Float64, "b": pl.Float64})


def test_a_gap_becomes_the_median_of_those_who_have_the_feature_and_is_counted() -> None:
    raw = raw_matrix(rows([1.0, None, 4.0, 7.0], [1.0, 1.0, 2.0, 2.0]), NAMES)

    imputation = fit_imputation(raw, NAMES)

    assert imputation.medians == (4.0, 1.5)
    assert imputation.filled == {"a": 1}
    assert imputed(raw, imputation)[:, 0].tolist() == [1.0, 4.0, 4.0, 7.0]


def test_a_feature_that_nobody_has_becomes_a_constant() -> None:
    raw = raw_matrix(rows([None, None], [1.0, 2.0]), NAMES)

    imputation = fit_imputation(raw, NAMES)

    assert imputation.medians[0] == 0.0
    assert imputation.filled == {"a": 2}
    assert imputed(raw, imputation)[:, 0].tolist() == [0.0, 0.0]


def test_imputing_leaves_the_raw_matrix_alone() -> None:
    raw = raw_matrix(rows([1.0, None], [1.0, 2.0]), NAMES)

    imputed(raw, fit_imputation(raw, NAMES))

    assert np.isnan(raw[1, 0])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="feature a holds NaN or infinity"):
        raw_matrix(rows([1.0, value], [1.0, 2.0]), NAMES)


def test_missing_features_are_named() -> None:
    with pytest.raises(ValueError, match="no column c, d"):
        raw_matrix(rows([1.0], [1.0]), ("a", "c", "d"))


def test_rows_are_ordered_by_window_and_user() -> None:
    frame = pl.DataFrame({"user": ["b", "a", "a"], "window": ["1", "2", "1"]})

    assert in_row_order(frame).select("window", "user").rows() == [("1", "a"), ("1", "b"), ("2", "a")]


def test_a_user_with_two_rows_in_a_window_is_named() -> None:
    frame = pl.DataFrame({"window": ["1", "2", "1"], "user": ["a", "a", "a"]})

    with pytest.raises(ValueError, match="1 a has more than one row of features"):
        in_row_order(frame)


def test_rows_without_users_are_refused() -> None:
    with pytest.raises(ValueError, match="need a column user"):
        in_row_order(pl.DataFrame({"window": ["1"]}))
