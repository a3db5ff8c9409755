"""What is exported: rows that a naive reader understands, and the report of the texts."""

from __future__ import annotations

import json

import polars as pl

from streamguard_assets.detection.report import anomaly_report, training_frame
from streamguard_assets.detection.scoring import Provenance, score_window
from streamguard_assets_tests.detection.feature_rows import FEATURES, HASH, WINDOW, feature_rows, trained, with_user

PROVENANCE = Provenance(WINDOW, HASH, 1, "{}")


def scored_rows(scores: list[tuple[str, float, int]]) -> pl.DataFrame:
    """Training rows of (user, score, label), with plain features."""
    return pl.DataFrame(
        {
            "user": [user for user, _, _ in scores],
            "total_events": [10] * len(scores),
            "unique_ips": [2] * len(scores),
            "avg_threat_score": [0.25] * len(scores),
            "failed_auth_rate": pl.Series([None] * len(scores), dtype=pl.Float64),
            "anomaly_score": [score for _, score, _ in scores],
            "is_anomaly": [label for _, _, label in scores],
        }
    )


def test_training_rows_are_the_features_with_score_and_label() -> None:
    rows = with_user(feature_rows(), "user-007", failure_rate=0.95)
    scores = score_window(rows, trained(rows), PROVENANCE)

    made = training_frame(rows.reverse(), scores, FEATURES)

    assert made.columns == ["user", *FEATURES, "anomaly_score", "anomaly_score_normalized", "is_anomaly"]
    assert made.schema["is_anomaly"] == pl.Int32
    assert made["user"].to_list() == sorted(rows["user"])
    assert made.filter(pl.col("user") == "user-007")["is_anomaly"].to_list() == [1]
    assert set(made["is_anomaly"]) == {0, 1}


def test_users_without_a_score_are_not_trained_on() -> None:
    rows = feature_rows(5)
    scores = score_window(rows, None, PROVENANCE)

    assert len(training_frame(rows, scores, FEATURES)) == 0


def test_the_report_counts_and_lists_the_anomalous_highest_first() -> None:
    report = anomaly_report(scored_rows([("ann", 0.5, 0), ("bob", 0.7, 1), ("eve", 0.9, 1), ("kim", 0.4, 0)]))

    assert report == {
        "total_users": 4,
        "anomalous_users": 2,
        "anomaly_rate": 0.5,
        "top_anomalies": [
            {
                "user": user,
                "anomaly_score": score,
                "total_events": 10,
                "avg_threat_score": 0.25,
                "unique_ips": 2,
                "failed_auth_rate": None,
            }
            for user, score in [("eve", 0.9), ("bob", 0.7)]
        ],
    }


def test_at_most_ten_are_listed_and_equal_scores_stand_by_user() -> None:
    report = anomaly_report(scored_rows([(f"u{n:02}", 0.8, 1) for n in reversed(range(12))]))

    assert [each["user"] for each in report["top_anomalies"]] == [f"u{n:02}" for n in range(10)]
    assert report["anomalous_users"] == 12


def test_nobody_gives_an_empty_report() -> None:
    report = anomaly_report(scored_rows([]).cast({"is_anomaly": pl.Int32, "anomaly_score": pl.Float64}))

    assert report == {"total_users": 0, "anomalous_users": 0, "anomaly_rate": 0.0, "top_anomalies": []}


def test_the_report_is_plain_json() -> None:
    report = anomaly_report(scored_rows([("eve", 0.9, 1)]))

    assert json.loads(json.dumps(report, allow_nan=False)) == report
