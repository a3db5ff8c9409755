"""An anomaly model as a value: the forest, what it was fitted on, and the threshold chosen for it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from streamguard_assets.detection.feature_matrix import Imputation, fit_imputation, imputed, in_row_order, raw_matrix
from streamguard_assets.detection.isolation_forest import fit_forest, forest_hash, paper_scores
from streamguard_assets.detection.threshold import Threshold, contamination_threshold, fixed_threshold

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

LIBRARIES = ("numpy", "polars", "scikit-learn", "skops")


@dataclass(frozen=True)
class AnomalyModel:
    """A fitted model. Equal inputs give an equal ``model_version``, whatever the order of the training rows.

    ``rows`` counts the training rows, ``windows`` names the windows whose features they were, ``libraries`` the
    versions that fitted them.
    """

    forest: IsolationForest
    features: tuple[str, ...]
    feature_hash: str
    imputation: Imputation
    threshold: Threshold
    rows: int
    windows: tuple[str, ...]
    libraries: Mapping[str, str]

    @cached_property
    def tree_hash(self) -> str:
        return forest_hash(self.forest)

    @cached_property
    def model_version(self) -> str:
        """16 hexadecimal characters over all that decides a score, a reason or a label."""
        decides = [self.tree_hash, self.feature_hash, self.features, self.imputation.medians, self.threshold.score]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]

    def metadata(self) -> dict[str, Any]:
        """Everything about the model but its trees, ready for JSON."""
        return {
            "model_version": self.model_version,
            "algorithm": "isolation_forest",
            "trees": len(self.forest.estimators_),
            "random_state": self.forest.random_state,
            "rows_per_tree": int(self.forest.max_samples_),
            "features": list(self.features),
            "feature_hash": self.feature_hash,
            "tree_hash": self.tree_hash,
            "rows": self.rows,
            "windows": list(self.windows),
            "medians": dict(zip(self.features, self.imputation.medians, strict=True)),
            "imputed_rows": dict(self.imputation.filled),
            "threshold": self.threshold.score,
            "threshold_rule": self.threshold.rule,
            "libraries": dict(self.libraries),
        }


def train_model(
    rows: pl.DataFrame,
    features: Sequence[str],
    feature_hash: str,
    *,
    trees: int = 100,
    random_state: int = 42,
    contamination: float = 0.1,
    threshold: float | None = None,
) -> AnomalyModel:
    """Fit a model on feature rows (``user``, the features, and ``window`` when they span windows).

    Missing values become the median of the rows that have the feature. The threshold is ``threshold`` if given,
    else the contamination quantile of the training rows' own scores. Rows that carry a ``feature_hash`` must all
    carry the given one. Raises ``ValueError`` for fewer than two rows, rows of other definitions, features that
    are not finite, and a user with two rows in a window.
    """
    _refuse_other_definitions(rows, feature_hash)
    ordered = in_row_order(rows)
    raw = raw_matrix(ordered, features)
    imputation = fit_imputation(raw, features)
    matrix = imputed(raw, imputation)
    forest = fit_forest(matrix, trees=trees, random_state=random_state)
    chosen = (
        contamination_threshold(paper_scores(forest, matrix), contamination)
        if threshold is None
        else fixed_threshold(threshold)
    )
    windows = tuple(ordered["window"].unique().sort()) if "window" in ordered.columns else ()
    return AnomalyModel(
        forest, tuple(features), feature_hash, imputation, chosen, len(matrix), windows, library_versions()
    )


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a model's numbers come from."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _refuse_other_definitions(rows: pl.DataFrame, feature_hash: str) -> None:
    if "feature_hash" not in rows.columns:
        return
    if others := sorted(set(rows["feature_hash"].unique()) - {feature_hash}, key=str):
        raise ValueError(
            f"training rows were made by feature definitions {', '.join(map(str, others))}, not {feature_hash}; "
            "materialize user_features of those windows again"
        )
