"""The scores of a window's users, with labels and reasons: the rows of the table ``anomaly_scores``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from streamguard_assets.detection.anomaly_model import AnomalyModel
from streamguard_assets.detection.feature_matrix import imputed, in_row_order, raw_matrix
from streamguard_assets.detection.isolation_forest import paper_scores
from streamguard_assets.detection.reasons import REASON, reasons

SCORE_SCHEMA: dict[str, pl.DataType] = {
    "window": pl.String(),
    "user": pl.String(),
    "anomaly_score": pl.Float64(),
    "anomaly_score_normalized": pl.Float64(),
    "is_anomaly": pl.Boolean(),
    "threshold": pl.Float64(),
    "reasons": pl.List(REASON),
    "unscored_reason": pl.String(),
    "model_version": pl.String(),
    "feature_hash": pl.String(),
    "events_version": pl.Int64(),
    "offset_ranges": pl.String(),
}
"""The table ``anomaly_scores``: one row per user of the window, sorted by user."""


@dataclass(frozen=True)
class Provenance:
    """Where the scores of one window come from: the Delta version of ``events`` and its offset range (JSON text)."""

    window: str
    feature_hash: str
    events_version: int | None
    offset_ranges: str


def score_window(
    features: pl.DataFrame, model: AnomalyModel | None, provenance: Provenance, *, min_users: int = 10
) -> pl.DataFrame:
    """Score the users of one window (``user`` and the features of the model; one row per user).

    With fewer users than ``min_users``, or without a model, every score is null and ``unscored_reason`` says why.
    The answer has the columns of ``SCORE_SCHEMA``, is sorted by user, and does not depend on the order of
    ``features``. Raises ``ValueError`` if the model was fitted on other feature definitions.
    """
    users = in_row_order(features)
    if len(users) < min_users:
        reason = f"{len(users)} users are too few to compare; at least {min_users} are needed"
        return _unscored(users, provenance, reason)
    if model is None:
        return _unscored(users, provenance, "there is no model: too few users to fit one")
    if model.feature_hash != provenance.feature_hash:
        raise ValueError(
            f"model {model.model_version} was fitted on feature definitions {model.feature_hash}, the features of "
            f"window {provenance.window} were made by {provenance.feature_hash}; materialize anomaly_model again"
        )
    return _scored(users, model, provenance)


def normalized(scores: np.ndarray) -> np.ndarray:
    """Scores stretched to 0–1 by their own minimum and maximum; 0.0 for all if they are equal."""
    if len(scores) == 0 or (spread := scores.max() - scores.min()) == 0:
        return np.zeros_like(scores)
    return (scores - scores.min()) / spread


def _scored(users: pl.DataFrame, model: AnomalyModel, provenance: Provenance) -> pl.DataFrame:
    matrix = imputed(raw_matrix(users, model.features), model.imputation)
    scores = paper_scores(model.forest, matrix)
    return _score_frame(
        users,
        provenance,
        anomaly_score=pl.Series(scores),
        anomaly_score_normalized=pl.Series(normalized(scores)),
        is_anomaly=pl.Series(scores > model.threshold.score),
        threshold=pl.lit(model.threshold.score),
        reasons=reasons(model, matrix, scores),
        model_version=pl.lit(model.model_version),
    )


def _unscored(users: pl.DataFrame, provenance: Provenance, reason: str) -> pl.DataFrame:
    return _score_frame(users, provenance, unscored_reason=pl.lit(reason))


def _score_frame(users: pl.DataFrame, provenance: Provenance, **columns: pl.Series | pl.Expr) -> pl.DataFrame:
    values: dict[str, pl.Series | pl.Expr] = {
        "window": pl.lit(provenance.window),
        "feature_hash": pl.lit(provenance.feature_hash),
        "events_version": pl.lit(provenance.events_version),
        "offset_ranges": pl.lit(provenance.offset_ranges),
        **columns,
    }
    return (
        users.select("user")
        .with_columns(**{name: values.get(name, pl.lit(None)) for name in SCORE_SCHEMA if name != "user"})
        .select(pl.col(name).cast(kind) for name, kind in SCORE_SCHEMA.items())
    )
