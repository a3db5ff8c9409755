"""Fitting an isolation forest, and the scores of the paper.

Source: F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008. The score of a row x is
s(x) = 2^(-E[h(x)] / c(n)): h is the length of its path through a tree, c(n) the mean path length of an
unsuccessful search among the n rows that each tree was grown from. Close to 1 is odd, well below 0.5 is ordinary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

HASH_CHARACTERS = 16
NODE_FIELDS: Mapping[str, str] = {
    "left_child": "<i8",
    "right_child": "<i8",
    "feature": "<i8",
    "threshold": "<f8",
    "n_node_samples": "<i8",
}
"""What of a tree's nodes decides a path and its length; the rest (impurity, weights) is bookkeeping."""


def fit_forest(matrix: np.ndarray, *, trees: int, random_state: int) -> IsolationForest:
    """A forest over the rows of an imputed Float64 ``matrix``. The same matrix and seed give the same trees.

    Raises ``ValueError`` for fewer than two rows: nothing can be isolated from nothing.
    """
    if len(matrix) < 2:
        raise ValueError(f"an isolation forest needs at least 2 rows to fit, and was given {len(matrix)}")
    from sklearn.ensemble import IsolationForest  # more than a second to import, and only a fit needs it

    # contamination="auto": a number here makes the fit four times slower, and would only move a threshold that is
    # chosen apart anyway. n_jobs=1: threads add path lengths in any order, and scores would differ in the last bit.
    forest = IsolationForest(n_estimators=trees, random_state=random_state, contamination="auto", n_jobs=1)
    return forest.fit(matrix)


def paper_scores(forest: IsolationForest, matrix: np.ndarray) -> np.ndarray:
    """The paper's score of each row of an imputed ``matrix``: Float64 between 0 and 1, higher is odder."""
    if len(matrix) == 0:
        return np.empty(0, dtype=np.float64)
    # scikit-learn returns the opposite of the paper's score, so that "lower is more abnormal".
    return -forest.score_samples(matrix)


def forest_hash(forest: IsolationForest) -> str:
    """16 hexadecimal characters over the trees; forests that score alike in every place have the same.

    Model files of equal forests differ in bytes, so models are compared by this.
    """
    digest = hashlib.sha256()
    digest.update(np.asarray([columns_of(forest), forest.max_samples_], "<i8").tobytes())
    for columns, nodes in zip(forest.estimators_features_, map(nodes_of, forest.estimators_), strict=True):
        digest.update(np.asarray([len(columns), *columns, len(nodes)], "<i8").tobytes())
        for field, kind in NODE_FIELDS.items():
            digest.update(nodes[field].astype(kind).tobytes())
    return digest.hexdigest()[:HASH_CHARACTERS]


def nodes_of(tree: Any) -> np.ndarray:
    """The nodes of one fitted tree, as the structured array that scikit-learn keeps."""
    return tree.tree_.__getstate__()["nodes"]


def columns_of(forest: IsolationForest) -> int:
    """How many features the forest was fitted on."""
    return int(forest.n_features_in_)  # pyright: ignore[reportAttributeAccessIssue]  # set by fit, unknown to the stubs
