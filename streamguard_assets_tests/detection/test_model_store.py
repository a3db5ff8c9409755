"""Models survive being stored, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import polars as pl
import pytest
import skops.io
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression

from streamguard_assets.detection.isolation_forest import nodes_of, paper_scores
from streamguard_assets.detection.model_store import (
    MODEL_SCHEMA,
    ModelError,
    forest_bytes,
    load_forest,
    model_from_frame,
    model_to_frame,
)
from streamguard_assets.detection.scoring import Provenance, score_window
from streamguard_assets_tests.detection.feature_rows import HASH, WINDOW, feature_rows, trained, with_user

ROWS = with_user(feature_rows(), "user-007", failure_rate=0.9)


def test_a_stored_model_scores_and_explains_to_the_last_bit_as_before() -> None:
    model = trained(ROWS)
    provenance = Provenance(WINDOW, HASH, 3, "{}")

    stored = model_from_frame(model_to_frame(model, WINDOW))

    assert score_window(ROWS, stored, provenance).equals(score_window(ROWS, model, provenance), null_equal=True)
    assert stored.metadata() == model.metadata()


def test_a_model_is_one_row_of_its_table() -> None:
    model = trained(ROWS)

    frame = model_to_frame(model, WINDOW)

    assert frame.schema == pl.Schema(MODEL_SCHEMA)
    row = frame.row(0, named=True)
    assert (row["window"], row["rows"], row["windows"]) == (WINDOW, 60, [WINDOW])
    assert (row["model_version"], row["tree_hash"]) == (model.model_version, model.tree_hash)


@pytest.mark.parametrize(
    "data",
    [b"", b"not a model", pickle.dumps({"a": 1}), forest_bytes(trained(ROWS, trees=2).forest)[:-100]],
    ids=["empty", "text", "pickle", "cut off"],
)
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_forest(data)


def test_another_estimator_is_refused() -> None:
    with pytest.raises(ModelError, match="LinearRegression, not an isolation forest"):
        load_forest(skops.io.dumps(LinearRegression()))


def test_a_type_that_is_not_trusted_is_refused_by_name() -> None:
    class Uninvited:
        def __init__(self) -> None:
            self.value = 1

    with pytest.raises(ModelError, match=r"not trusted: .*Uninvited"):
        load_forest(skops.io.dumps(Uninvited()))


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 10**6), ("right_child", 0), ("left_child", -7), ("feature", 99), ("feature", -3)],
)
def test_a_tree_that_points_outside_of_itself_is_refused(field: str, value: int) -> None:
    forest = trained(ROWS, trees=3).forest
    damage(forest, field, value)

    with pytest.raises(ModelError, match="tree 1 of the stored model points outside of itself"):
        load_forest(forest_bytes(forest))


def damage(forest: IsolationForest, field: str, value: int) -> None:
    """Change the root of the second tree."""
    tree: Any = forest.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"] = nodes_of(forest.estimators_[1]).copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


def test_trees_that_were_exchanged_are_noticed() -> None:
    frame = model_to_frame(trained(ROWS), WINDOW)
    other = model_to_frame(trained(ROWS, random_state=7), WINDOW)

    with pytest.raises(ModelError, match="not those that were stored"):
        model_from_frame(frame.with_columns(other["model"]))


def test_a_threshold_that_was_moved_is_noticed() -> None:
    frame = model_to_frame(trained(ROWS), WINDOW)
    metadata = {**json.loads(frame["metadata"][0]), "threshold": 0.99}

    with pytest.raises(ModelError, match="not those that were stored"):
        model_from_frame(frame.with_columns(metadata=pl.lit(json.dumps(metadata))))


def test_a_model_is_read_from_exactly_one_row() -> None:
    frame = model_to_frame(trained(ROWS), WINDOW)

    with pytest.raises(ModelError, match="not from 2"):
        model_from_frame(pl.concat([frame, frame]))


def test_the_bytes_are_a_deflated_archive_of_moderate_size() -> None:
    data = forest_bytes(trained(feature_rows(500)).forest)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    assert len(data) < 1_000_000


def test_a_loaded_forest_scores_alike() -> None:
    forest = trained(ROWS).forest
    matrix = np.random.default_rng(1).normal(size=(10, 3))

    assert paper_scores(load_forest(forest_bytes(forest)), matrix).tolist() == paper_scores(forest, matrix).tolist()
