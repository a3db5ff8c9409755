"""Feature rows as the matrix that a forest takes: fixed order of rows and columns, no gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

ROW_ORDER = ("window", "user")


@dataclass(frozen=True)
class Imputation:
    """The value that stands in for a missing one, per feature: its median among the training rows.

    A feature that no training row has gets 0.0: a constant, on which no tree can split. ``filled`` counts the
    training rows that lacked each feature (features that none lacked are left out).
    """

    medians: tuple[float, ...]
    filled: Mapping[str, int]


def in_row_order(features: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted by window and user: a forest draws its samples by row number, so another order is another forest."""
    order = [column for column in ROW_ORDER if column in features.columns]
    if "user" not in order:
        raise ValueError(f"feature rows need a column user; they have {', '.join(features.columns)}")
    doubled = features.select(order).is_duplicated()
    if doubled.any():
        first = features.select(order).filter(doubled).sort(order).row(0)
        raise ValueError(f"{' '.join(map(str, first))} has more than one row of features; each user has one per window")
    return features.sort(order)


def raw_matrix(features: pl.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Float64, one row per row of ``features``, one column per name, NaN where a feature is null.

    Raises ``ValueError`` naming a feature that is missing, or one that holds NaN or infinity: NaN means null here,
    and an infinite value would make every split of its feature meaningless.
    """
    if missing := [name for name in names if name not in features.columns]:
        raise ValueError(f"feature rows have no column {', '.join(missing)}; the model was made for other features")
    columns = features.select(pl.col(list(names)).cast(pl.Float64))
    for column in columns:
        if not column.drop_nulls().is_finite().all():
            raise ValueError(f"feature {column.name} holds NaN or infinity; features are finite or null")
    return np.asarray(columns.fill_null(float("nan")).to_numpy(), dtype=np.float64, order="C")


def fit_imputation(matrix: np.ndarray, names: Sequence[str]) -> Imputation:
    """Medians over the rows of ``raw_matrix`` that have the feature."""
    present = [column[~np.isnan(column)] for column in matrix.T]
    medians = tuple(float(np.median(values)) if len(values) else 0.0 for values in present)
    lacking = {name: len(matrix) - len(values) for name, values in zip(names, present, strict=True)}
    return Imputation(medians, {name: count for name, count in lacking.items() if count})


def imputed(matrix: np.ndarray, imputation: Imputation) -> np.ndarray:
    """A copy of ``raw_matrix`` with the training medians in place of NaN."""
    return np.where(np.isnan(matrix), np.asarray(imputation.medians), matrix)
