"""What a scored window is exported as: training rows, and the report that goes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

MOST_ANOMALIES = 10
REPORTED_FEATURES = ("total_events", "avg_threat_score", "unique_ips", "failed_auth_rate")


def training_frame(features: pl.DataFrame, scores: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows of ``training_data``: user, the features, and the three columns that the scores add.

    ``anomaly_score`` (Float64, the paper's), ``anomaly_score_normalized`` (Float64, min–max within the window) and
    ``is_anomaly`` (Int32, 0 or 1). Sorted by user. Users without a score are left out: they have no label.
    """
    labels = scores.filter(pl.col("anomaly_score").is_not_null()).select(
        "user", "anomaly_score", "anomaly_score_normalized", pl.col("is_anomaly").cast(pl.Int32)
    )
    return features.select("user", *names).join(labels, on="user", how="inner").sort("user")


def anomaly_report(training: pl.DataFrame) -> dict[str, Any]:
    """The content of ``anomaly_report.json`` for the rows of ``training_frame``.

    ``total_users``, ``anomalous_users``, ``anomaly_rate`` (0.0 without users) and ``top_anomalies``: of the
    anomalous users at most ten, highest score first (equal scores by user), each with user, anomaly_score,
    total_events, avg_threat_score, unique_ips and failed_auth_rate (null where the feature is).
    """
    anomalous = training.filter(pl.col("is_anomaly") == 1)
    top = anomalous.sort("anomaly_score", "user", descending=[True, False]).head(MOST_ANOMALIES)
    return {
        "total_users": len(training),
        "anomalous_users": len(anomalous),
        "anomaly_rate": len(anomalous) / len(training) if len(training) else 0.0,
        "top_anomalies": top.select("user", "anomaly_score", *REPORTED_FEATURES).to_dicts(),
    }
