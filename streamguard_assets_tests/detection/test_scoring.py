"""The rows of ``anomaly_scores``: columns, labels, order, and what happens when there is too little to score."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.detection.scoring import SCORE_SCHEMA, Provenance, normalized, score_window
from streamguard_assets_tests.detection.feature_rows import HASH, WINDOW, feature_rows, trained, with_user

PROVENANCE = Provenance(WINDOW, HASH, 17, '{"topic": "security-events"}')
ROWS = with_user(feature_rows(), "user-007", failure_rate=0.95)


def test_the_columns_are_those_of_the_table_and_rows_are_sorted_by_user() -> None:
    made = score_window(ROWS.reverse(), trained(ROWS), PROVENANCE)

    assert made.schema == pl.Schema(SCORE_SCHEMA)
    assert made["user"].to_list() == sorted(ROWS["user"])


def test_every_row_says_where_it_comes_from() -> None:
    model = trained(ROWS)

    made = score_window(ROWS, model, PROVENANCE)

    origin = made.select("window", "feature_hash", "events_version", "offset_ranges", "model_version", "threshold")
    assert origin.unique().rows() == [
        (WINDOW, HASH, 17, '{"topic": "security-events"}', model.model_version, model.threshold.score)
    ]


def test_an_odd_user_scores_highest_and_is_marked() -> None:
    made = score_window(ROWS, trained(ROWS), PROVENANCE)
    odd = made.filter(pl.col("user") == "user-007").row(0, named=True)

    assert odd["anomaly_score"] == made["anomaly_score"].max()
    assert odd["anomaly_score_normalized"] == 1.0
    assert odd["is_anomaly"] is True
    assert odd["reasons"][0]["feature"] == "failure_rate"
    assert made["anomaly_score"].is_between(0, 1).all()


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(len(ROWS))))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    shuffled = ROWS[order]

    assert score_window(shuffled, trained(shuffled, trees=10), PROVENANCE).equals(
        score_window(ROWS, trained(ROWS, trees=10), PROVENANCE), null_equal=True
    )


def test_only_what_lies_above_the_threshold_is_anomalous() -> None:
    scores = score_window(ROWS, trained(ROWS), PROVENANCE)["anomaly_score"]

    made = score_window(ROWS, trained(ROWS, threshold=scores.max()), PROVENANCE)  # pyright: ignore[reportArgumentType]

    assert not made["is_anomaly"].any()


def test_too_few_users_are_not_scored_and_told_why() -> None:
    few = ROWS.head(9)

    made = score_window(few, trained(ROWS), PROVENANCE, min_users=10)

    unknown = ["anomaly_score", "anomaly_score_normalized", "is_anomaly", "threshold", "reasons", "model_version"]
    assert made.select(pl.col(unknown).is_null().all()).row(0) == (True,) * len(unknown)
    assert made["unscored_reason"].unique().to_list() == ["9 users are too few to compare; at least 10 are needed"]
    assert made["user"].to_list() == few["user"].to_list()


def test_enough_users_carry_no_reason_to_be_unscored() -> None:
    assert score_window(ROWS.head(10), trained(ROWS), PROVENANCE, min_users=10)["unscored_reason"].is_null().all()


def test_without_a_model_nobody_is_scored() -> None:
    made = score_window(ROWS, None, PROVENANCE)

    assert made["anomaly_score"].is_null().all()
    assert made["unscored_reason"].str.contains("no model").all()


@pytest.mark.parametrize("users", [0, 1])
def test_a_window_with_nobody_or_one_user_has_rows_for_whoever_is_there(users: int) -> None:
    made = score_window(ROWS.head(users), None, PROVENANCE)

    assert made.schema == pl.Schema(SCORE_SCHEMA)
    assert len(made) == users


def test_a_model_of_other_definitions_is_refused() -> None:
    other = Provenance(WINDOW, "feedfacefeedface", 17, "{}")

    with pytest.raises(ValueError, match="were made by feedfacefeedface; materialize anomaly_model again"):
        score_window(ROWS, trained(ROWS), other)


@pytest.mark.parametrize("missing", ["constant", "null"])
def test_a_feature_that_tells_nothing_is_harmless(missing: str) -> None:
    value = pl.lit(5.0) if missing == "constant" else pl.lit(None, dtype=pl.Float64)
    rows = ROWS.with_columns(mean_interval_s=value)

    made = score_window(rows, trained(rows), PROVENANCE)

    assert made["anomaly_score"].is_not_nan().all()
    named = made["reasons"].explode(empty_as_null=True).struct.field("feature").drop_nulls()
    assert "mean_interval_s" not in set(named)


def test_users_who_are_all_alike_score_alike_and_none_is_anomalous() -> None:
    rows = ROWS.with_columns(total_events=pl.lit(1), failure_rate=pl.lit(0.1), mean_interval_s=pl.lit(60.0))

    made = score_window(rows, trained(rows), PROVENANCE)

    assert made["anomaly_score"].unique().to_list() == [pytest.approx(0.5)]
    assert made["anomaly_score_normalized"].unique().to_list() == [0.0]
    assert not made["is_anomaly"].any()


def test_normalized_scores_span_zero_to_one() -> None:
    assert normalized(np.asarray([0.4, 0.6, 0.5])).tolist() == pytest.approx([0.0, 1.0, 0.5])
    assert normalized(np.asarray([0.4, 0.4])).tolist() == [0.0, 0.0]
    assert normalized(np.empty(0)).tolist() == []
