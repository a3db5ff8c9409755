"""Who stood out, in words: ranked, the same each time, without those that have no score."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from streamguard_assets.detection.scoring import SCORE_SCHEMA
from streamguard_assets.windows.summary import in_words, summarise

REASON = {"feature": "failed_auth_rate", "value": 0.97, "usual": 0.02, "share": 0.4}


def scores(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = dict.fromkeys(SCORE_SCHEMA)
    return pl.DataFrame([{**blank, "window": "w1", "reasons": [REASON], **row} for row in rows], schema=SCORE_SCHEMA)


def features(*users: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"window": w, "user": u, "total_events": n, "unique_ips": 2} for w, u, n in users],
        schema={"window": pl.String, "user": pl.String, "total_events": pl.Int64, "unique_ips": pl.Int64},
    )


def test_users_are_ranked_by_score_then_name_within_their_window() -> None:
    given = scores(
        {"user": "bob", "anomaly_score": 0.5, "is_anomaly": False},
        {"user": "ana", "anomaly_score": 0.5, "is_anomaly": False},
        {"user": "eve", "anomaly_score": 0.9, "is_anomaly": True},
        {"user": "bob", "anomaly_score": 0.7, "is_anomaly": True, "window": "w2"},
    )
    seen = features(("w1", "ana", 3), ("w1", "bob", 4), ("w1", "eve", 900), ("w2", "bob", 5))
    found = summarise(given, seen)
    assert found.select("window", "rank", "user", "total_events").rows() == [
        ("w1", 1, "eve", 900),
        ("w1", 2, "ana", 3),
        ("w1", 3, "bob", 4),
        ("w2", 1, "bob", 5),
    ]
    assert found["why"][0] == "failed_auth_rate 0.97 (usual 0.02)"
    assert summarise(given.reverse(), seen.reverse()).equals(found)


def test_users_without_a_score_are_left_out() -> None:
    given = scores({"user": "ana", "unscored_reason": "too few", "reasons": None})
    assert summarise(given, features(("w1", "ana", 3))).height == 0
    assert summarise(scores(), features()).height == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.97, "0.97"), (3.0, "3"), (1_234.5, "1,234"), (0.000123, "0.000123"), (None, "none"), (12.345, "12.3")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert in_words([{**REASON, "value": value}]) == f"failed_auth_rate {text} (usual 0.02)"


def test_several_reasons_and_none() -> None:
    assert in_words([REASON, {**REASON, "feature": "total_events", "value": 9.0}]) == (
        "failed_auth_rate 0.97 (usual 0.02), total_events 9 (usual 0.02)"
    )
    assert in_words([]) == in_words(None) == ""
