"""Reasons name what makes a user odd, and add up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from streamguard_assets.detection import reasons as reasons_module
from streamguard_assets.detection.anomaly_model import AnomalyModel
from streamguard_assets.detection.feature_matrix import imputed, raw_matrix
from streamguard_assets.detection.isolation_forest import paper_scores
from streamguard_assets.detection.reasons import reasons, score_drops
from streamguard_assets_tests.detection.feature_rows import FEATURES, feature_rows, trained, with_user

ROWS = with_user(feature_rows(), "user-007", failure_rate=0.95, mean_interval_s=300.0)
MODEL = trained(ROWS)


def explained(rows: pl.DataFrame, model: AnomalyModel = MODEL) -> tuple[np.ndarray, np.ndarray, pl.Series]:
    matrix = imputed(raw_matrix(rows, model.features), model.imputation)
    scores = paper_scores(model.forest, matrix)
    return matrix, scores, reasons(model, matrix, scores)


def test_the_planted_oddities_are_the_reasons() -> None:
    _, scores, found = explained(ROWS)

    assert int(scores.argmax()) == 7
    assert {reason["feature"] for reason in found[7]} >= {"failure_rate", "mean_interval_s"}
    assert found[7][0]["share"] > 0.3


def test_a_reason_shows_the_value_and_the_usual_one() -> None:
    _, _, found = explained(ROWS)

    (reason,) = [r for r in found[7] if r["feature"] == "failure_rate"]

    assert reason["value"] == 0.95
    assert reason["usual"] == ROWS["failure_rate"].median()


def test_a_drop_is_the_score_less_the_score_with_the_usual_value() -> None:
    matrix, scores, _ = explained(ROWS)
    drops = score_drops(MODEL, matrix, scores)

    for row in range(5, 10):
        for column in range(len(FEATURES)):
            changed = matrix[row].copy()
            changed[column] = MODEL.imputation.medians[column]
            expected = scores[row] - paper_scores(MODEL.forest, changed[None])[0]
            assert drops[row, column] == expected


def test_shares_are_of_all_positive_drops() -> None:
    matrix, scores, found = explained(ROWS)
    drops = score_drops(MODEL, matrix, scores)

    for row, listed in enumerate(found):
        positive = {name: drop for name, drop in zip(FEATURES, drops[row], strict=True) if drop > 0}
        expected = sorted(positive.items(), key=lambda item: -item[1])[:3]
        assert [r["feature"] for r in listed] == [name for name, _ in expected]
        assert [r["share"] for r in listed] == pytest.approx([d / sum(positive.values()) for _, d in expected])


def test_a_user_who_is_usual_in_everything_has_no_reasons() -> None:
    medians = dict(zip(FEATURES, MODEL.imputation.medians, strict=True))
    average = ROWS.head(1).with_columns(pl.lit(value).alias(name) for name, value in medians.items())

    assert explained(average)[2].to_list() == [[]]


def test_a_value_that_was_filled_in_is_no_reason() -> None:
    rows = with_user(ROWS, "user-007", failure_rate=None)
    _, _, found = explained(rows, trained(rows))

    assert "failure_rate" not in {reason["feature"] for reason in found[7]}


def test_no_users_have_no_reasons() -> None:
    assert len(explained(ROWS.head(0))[2]) == 0


def test_many_users_are_explained_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = explained(ROWS)[2]
    monkeypatch.setattr(reasons_module, "ROWS_AT_ONCE", 7)

    assert explained(ROWS)[2].equals(at_once)
