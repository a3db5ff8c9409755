"""A window sees its own lookback and nothing else."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.analytics.user_features.extraction import user_features
from streamguard_assets.analytics.user_features.lookback import window_features
from streamguard_assets.analytics.user_features.registry import feature_names
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets_tests.analytics.events import EVENT_TYPES, event, events_frame

WINDOWS = ["2026-01-14-10:00", "2026-01-14-11:00", "2026-01-14-12:00", "2026-01-14-13:00"]
UNION = events_frame(event(n, window=window, user=f"u{n % 3}") for n, window in enumerate(WINDOWS * 5))


def features_of(window: str, windows: int = 2, **options: Any) -> pl.DataFrame:
    return window_features(UNION, window, Cadence(60).lookback(window, windows), EVENT_TYPES, **options)


def test_only_the_lookback_counts() -> None:
    seen = UNION.filter(pl.col("window").is_in(WINDOWS[1:3]))

    made = features_of(WINDOWS[2])

    assert made.select(pl.exclude("window", "windows_missing", "feature_hash")).equals(
        user_features(seen, EVENT_TYPES), null_equal=True
    )


def test_each_row_says_its_window_and_what_it_was_made_of() -> None:
    made = features_of(WINDOWS[3], windows_missing=1)

    assert made.columns == ["window", "user", *feature_names(EVENT_TYPES), "windows_missing", "feature_hash"]
    assert made.schema["windows_missing"] == pl.Int32
    assert made.select("window", "windows_missing", "feature_hash").unique().rows() == [
        (WINDOWS[3], 1, feature_hash(EVENT_TYPES))
    ]


def test_a_lookback_without_events_has_no_users() -> None:
    assert len(features_of("2026-01-20-00:00")) == 0


def test_a_lookback_that_ends_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="lookback of window 2026-01-14-12:00 must end with it"):
        window_features(UNION, WINDOWS[2], WINDOWS[:2], EVENT_TYPES)


def test_more_missing_windows_than_the_lookback_has_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 windows cannot be missing"):
        features_of(WINDOWS[2], windows_missing=3)
