"""Counts for plots."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from streamguard_assets.analytics.window_summary import events_per_minute, score_histogram
from streamguard_assets_tests.analytics.events import NOON, event, events_frame


def test_events_are_counted_by_the_minute_they_fall_in() -> None:
    made = events_per_minute(events_frame(event(second) for second in (60, 0, 59, 61, 185)))

    assert made.rows() == [(NOON, 2), (NOON + timedelta(minutes=1), 2), (NOON + timedelta(minutes=3), 1)]
    assert made.schema == {"minute": pl.Datetime("us", "UTC"), "events": pl.Int64}


def test_minutes_can_be_those_of_the_log() -> None:
    rows = [event(1), event(2, kafka_timestamp=NOON + timedelta(hours=1)), event(3, kafka_timestamp=None)]

    made = events_per_minute(events_frame(rows), "kafka_timestamp")

    assert made.rows() == [(NOON, 1), (NOON + timedelta(hours=1), 1)]


def test_scores_fall_into_equal_parts_and_the_ends_belong_to_the_outermost() -> None:
    scores = pl.DataFrame({"anomaly_score": [0.0, 0.24, 0.25, 0.99, 1.0, None]})

    assert score_histogram(scores, bins=4).rows() == [(0.0, 0.25, 2), (0.25, 0.5, 1), (0.75, 1.0, 2)]


def test_no_scores_give_no_bins() -> None:
    made = score_histogram(pl.DataFrame({"anomaly_score": [None]}, schema={"anomaly_score": pl.Float64}))

    assert (len(made), made.columns) == (0, ["score_from", "score_to", "users"])


def test_a_histogram_without_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one bin, not 0"):
        score_histogram(pl.DataFrame({"anomaly_score": [0.5]}), bins=0)
