"""From generated events to scores by the rooms of the pipeline, without Kafka and lake: what a demo would find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.analytics.user_features.lookback import window_features
from streamguard_assets.analytics.user_features.registry import feature_names
from streamguard_assets.contracts.registry import contract
from streamguard_assets.contracts.security import EVENT_TYPES
from streamguard_assets.contracts.windows import Cadence, window_key
from streamguard_assets.detection.anomaly_model import train_model
from streamguard_assets.detection.scoring import Provenance, score_window
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.generators.security import GeneratedDay

HOURLY = Cadence(60)
LOOKBACK_WINDOWS = 24


@dataclass(frozen=True)
class Ranking:
    """The newest closed window's users with ``user``, ``anomaly_score`` and ``kind`` (null: normal), oddest first."""

    scores: pl.DataFrame

    @property
    def margin(self) -> float:
        """Lowest score of an attacker minus highest score of a normal user: positive when all rank above all."""
        return self._of(attackers=True).min() - self._of(attackers=False).max()  # pyright: ignore

    @property
    def head(self) -> str:
        """The first places in a line, for a failing test."""
        return ", ".join(f"{user} ({kind or 'normal'}) {score:.3f}" for user, score, kind in self.scores.head(8).rows())

    def _of(self, *, attackers: bool) -> pl.Series:
        rows = pl.col("kind").is_not_null() if attackers else pl.col("kind").is_null()
        return self.scores.filter(rows)["anomaly_score"]


def features(day: GeneratedDay, end: datetime) -> pl.DataFrame:
    """The rows of ``user_features`` of the last window that is closed at ``end``, lookback 24 hourly windows."""
    events = parse_records(
        contract("security"),
        "security-events",
        0,
        range(len(day.events)),
        [e.timestamp_ms for e in day.events],
        None,
        [e.value for e in day.events],
    ).accepted
    # Live events are stamped as they happen, so the window of the log is the hour of the event.
    events = events.with_columns(window=pl.col("timestamp").dt.strftime("%Y-%m-%d-%H:00"))
    newest_closed = window_key(HOURLY.floor(end) - timedelta(hours=1))
    return window_features(events, newest_closed, HOURLY.lookback(newest_closed, LOOKBACK_WINDOWS), EVENT_TYPES)


def ranking(day: GeneratedDay, end: datetime) -> Ranking:
    """Scores with the default settings, the model fitted on the rows that it scores, as a demo's first day is."""
    rows = features(day, end)
    definitions = feature_hash(EVENT_TYPES)
    model = train_model(rows, feature_names(EVENT_TYPES), definitions)
    scored = score_window(rows, model, Provenance(rows["window"][0], definitions, None, "{}"))
    return Ranking(
        scored.select(
            "user",
            "anomaly_score",
            kind=pl.col("user").replace_strict(day.truth, default=None, return_dtype=pl.String),
        ).sort("anomaly_score", "user", descending=[True, False])
    )
