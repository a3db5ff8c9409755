"""Feature rows for the tests of this folder: three made-up features, drawn from a seed."""

from __future__ import annotations

import numpy as np
import polars as pl

from streamguard_assets.detection.anomaly_model import AnomalyModel, train_model

FEATURES = ("total_events", "failure_rate", "mean_interval_s")
HASH = "0123456789abcdef"
WINDOW = "2026-01-14-12:00"


def feature_rows(users: int = 60, *, seed: int = 0, window: str = WINDOW) -> pl.DataFrame:
    """Users who are all alike, in the shape of the table ``user_features``."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "window": [window] * users,
            "user": [f"user-{n:03}" for n in range(users)],
            "total_events": rng.poisson(200, users).astype(np.int64),
            "failure_rate": rng.beta(2, 30, users),
            "mean_interval_s": rng.normal(60, 5, users),
            "feature_hash": [HASH] * users,
        }
    )


def with_user(rows: pl.DataFrame, user: str, **values: float | None) -> pl.DataFrame:
    """The same rows, with some values of one user replaced."""
    return rows.with_columns(
        pl.when(pl.col("user") == user).then(pl.lit(value)).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name)
        for name, value in values.items()
    )


def trained(rows: pl.DataFrame, **options: float) -> AnomalyModel:
    return train_model(rows, FEATURES, HASH, **options)  # pyright: ignore[reportArgumentType]
