"""Scores are those of the paper, computed here once more from the trees themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from streamguard_assets.detection.isolation_forest import fit_forest, forest_hash, paper_scores

RANDOM = np.random.default_rng(5)
MATRIX = RANDOM.normal(size=(300, 4))


def path_length_of_a_failed_search(rows: int) -> float:
    """c(n) of the paper: 2 H(n - 1) - 2 (n - 1) / n, with H(i) about ln(i) + 0.5772…; c(2) = 1, c(1) = 0."""
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return 2 * (math.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows


def path_length(tree: Any, row: np.ndarray) -> float:
    """h(x): edges walked to the leaf, and c of the rows that the leaf was left with."""
    node, edges = 0, 0
    while tree.children_left[node] != -1:
        goes_left = row[tree.feature[node]] <= tree.threshold[node]
        node = tree.children_left[node] if goes_left else tree.children_right[node]
        edges += 1
    return edges + path_length_of_a_failed_search(tree.n_node_samples[node])


def expected_score(forest: IsolationForest, row: np.ndarray) -> float:
    # scikit-learn's trees compare single-precision values.
    row = row.astype(np.float32)
    mean = np.mean([path_length(tree.tree_, row) for tree in forest.estimators_])
    return float(2 ** (-mean / path_length_of_a_failed_search(int(forest.max_samples_))))


@pytest.mark.parametrize("rows", [2, 3, 40, 300])
def test_a_score_is_two_to_the_minus_mean_path_length_over_c(rows: int) -> None:
    forest = fit_forest(MATRIX[:rows], trees=20, random_state=1)
    asked = MATRIX[:25] * 2

    assert paper_scores(forest, asked) == pytest.approx([expected_score(forest, row) for row in asked], rel=1e-12)


def test_a_hundred_trees_see_at_most_256_rows_each() -> None:
    forest = fit_forest(MATRIX, trees=100, random_state=42)

    assert (len(forest.estimators_), forest.max_samples_) == (100, 256)


def test_no_rows_have_no_scores() -> None:
    assert paper_scores(fit_forest(MATRIX, trees=5, random_state=1), np.empty((0, 4))).tolist() == []


def test_a_constant_column_changes_no_score() -> None:
    forest = fit_forest(np.ones((20, 3)), trees=10, random_state=1)

    scores = paper_scores(forest, np.asarray([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]]))

    assert scores[0] == scores[1] == 0.5


def test_one_row_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="at least 2 rows"):
        fit_forest(MATRIX[:1], trees=10, random_state=1)


def test_the_hash_follows_the_trees_and_nothing_else() -> None:
    again, other_seed, other_rows = (
        fit_forest(MATRIX, trees=10, random_state=1),
        fit_forest(MATRIX, trees=10, random_state=2),
        fit_forest(MATRIX[::-1], trees=10, random_state=1),
    )
    one = forest_hash(fit_forest(MATRIX, trees=10, random_state=1))

    assert forest_hash(again) == one
    assert forest_hash(other_seed) != one
    assert forest_hash(other_rows) != one
