"""Why a user scores as it does: the features whose return to the usual value would lower its score most."""

from __future__ import annotations

import numpy as np
import polars as pl

from streamguard_assets.detection.anomaly_model import AnomalyModel
from streamguard_assets.detection.isolation_forest import paper_scores

MOST_REASONS = 3
ROWS_AT_ONCE = 2_000
"""Users explained together: 28 rows each are scored, so this bounds the matrix to about 13 MB."""

LEAST_DROP = 1e-12
"""Smaller drops are rounding: the same path lengths, added in another order."""

REASON = pl.Struct({"feature": pl.String, "value": pl.Float64, "usual": pl.Float64, "share": pl.Float64})


def score_drops(model: AnomalyModel, matrix: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How far the score of each row falls when one feature alone is set to its training median.

    ``matrix`` is imputed, ``scores`` are its paper scores; the answer has the shape of ``matrix``. Negative where
    the usual value would make the user odder; 0 where the feature has its usual value already.
    """
    usual = np.asarray(model.imputation.medians)
    drops = np.zeros_like(matrix)
    for begin in range(0, len(matrix), ROWS_AT_ONCE):
        part = matrix[begin : begin + ROWS_AT_ONCE]
        row, column = np.nonzero(part != usual)
        changed = part[row]
        changed[np.arange(len(row)), column] = usual[column]
        drops[begin + row, column] = scores[begin + row] - paper_scores(model.forest, changed)
    return drops


def reasons(model: AnomalyModel, matrix: np.ndarray, scores: np.ndarray) -> pl.Series:
    """For each row at most three reasons, strongest first: list of struct(feature, value, usual, share).

    ``share`` is the feature's drop among the sum of all positive drops of the row. A feature that does not lower
    the score is no reason, so a user without any oddity has none. Equal drops keep the order of the features.
    """
    drops = score_drops(model, matrix, scores)
    positive = np.where(drops > LEAST_DROP, drops, 0.0)
    sums = positive.sum(axis=1, keepdims=True)
    shares = np.divide(positive, sums, out=np.zeros_like(positive), where=sums > 0)
    strongest = np.argsort(-positive, axis=1, kind="stable")[:, :MOST_REASONS]
    rows = [
        [
            {
                "feature": model.features[column],
                "value": float(matrix[row, column]),
                "usual": model.imputation.medians[column],
                "share": float(shares[row, column]),
            }
            for column in columns
            if positive[row, column] > 0
        ]
        for row, columns in enumerate(strongest.tolist())
    ]
    return pl.Series("reasons", rows, dtype=pl.List(REASON))
