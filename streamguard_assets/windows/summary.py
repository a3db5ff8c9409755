"""Who stood out in a window and why, in words: what a person reads first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.windows.tables import SUMMARY_SCHEMA


def summarise(scores: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``summary`` for the windows in ``scores``: users by falling score, with the reasons as a sentence.

    ``scores`` and ``features`` are rows of ``anomaly_scores`` and ``user_features``. Users without a score are left
    out. Equal scores rank by user, so that the same input gives the same rows.
    """
    ranked = (
        scores.filter(pl.col("anomaly_score").is_not_null())
        .sort("window", "anomaly_score", "user", descending=[False, True, False])
        .with_columns(
            rank=pl.int_range(1, pl.len() + 1).over("window").cast(pl.Int32),
            why=pl.col("reasons").map_elements(in_words, return_dtype=pl.String),
        )
    )
    seen = features.select("window", "user", "total_events", "unique_ips")
    joined = ranked.join(seen, on=["window", "user"], how="left")
    return joined.select(pl.col(name).cast(dtype) for name, dtype in polars_schema(SUMMARY_SCHEMA).items())


def in_words(reasons: Sequence[Mapping[str, Any]] | None) -> str:
    """Reasons as people say them.

    >>> in_words([{"feature": "failed_auth_rate", "value": 0.97, "usual": 0.02, "share": 0.4}])
    'failed_auth_rate 0.97 (usual 0.02)'
    """
    if reasons is None:
        return ""
    return ", ".join(
        f"{reason['feature']} {_number(reason['value'])} (usual {_number(reason['usual'])})" for reason in reasons
    )


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
