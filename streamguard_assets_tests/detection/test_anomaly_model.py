"""A model is decided by its rows, not by their order, and says what it was made of."""

from __future__ import annotations

import json

import polars as pl
import pytest

from streamguard_assets.detection.anomaly_model import train_model
from streamguard_assets_tests.detection.feature_rows import FEATURES, HASH, WINDOW, feature_rows, trained, with_user

ROWS = pl.concat([feature_rows(40), feature_rows(40, seed=1, window="2026-01-14-11:00")])


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    shuffled = ROWS.sample(fraction=1, shuffle=True, seed=seed)

    one, other = trained(ROWS), trained(shuffled)

    assert (one.tree_hash, one.model_version) == (other.tree_hash, other.model_version)
    assert one.metadata() == other.metadata()


def test_the_metadata_tell_what_the_model_is_made_of() -> None:
    rows = with_user(ROWS, "user-000", failure_rate=None)

    told = json.loads(json.dumps(trained(rows).metadata()))

    assert told["features"] == list(FEATURES)
    assert (told["feature_hash"], told["rows"]) == (HASH, 80)
    assert told["windows"] == ["2026-01-14-11:00", WINDOW]
    assert (told["trees"], told["random_state"], told["rows_per_tree"]) == (100, 42, 80)
    assert told["imputed_rows"] == {"failure_rate": 2}
    assert set(told["libraries"]) == {"python", "numpy", "polars", "scikit-learn", "skops"}


def test_the_threshold_is_the_contamination_quantile_of_the_training_rows() -> None:
    assert trained(ROWS, contamination=0.1).threshold.rule == "contamination 0.1: at most 8 of 80 above"


def test_a_fixed_threshold_is_taken_as_it_is() -> None:
    assert trained(ROWS, threshold=0.6).threshold.score == 0.6


def test_the_threshold_does_not_touch_the_trees() -> None:
    assert trained(ROWS, contamination=0.1).tree_hash == trained(ROWS, contamination=0.3).tree_hash


@pytest.mark.parametrize("change", [{"threshold": 0.6}, {"random_state": 7}, {"trees": 50}], ids=str)
def test_whatever_decides_a_label_changes_the_version(change: dict[str, float]) -> None:
    assert trained(ROWS, **change).model_version != trained(ROWS).model_version


def test_rows_of_other_feature_definitions_are_refused() -> None:
    old = ROWS.with_columns(feature_hash=pl.lit("feedfacefeedface"))

    with pytest.raises(ValueError, match="definitions feedfacefeedface, not 0123456789abcdef"):
        trained(pl.concat([feature_rows(5, window="2026-01-14-10:00"), old]))


def test_rows_without_a_window_can_be_trained_on() -> None:
    model = train_model(feature_rows().drop("window", "feature_hash"), FEATURES, HASH)

    assert model.windows == ()
