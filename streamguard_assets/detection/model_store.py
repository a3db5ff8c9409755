"""Models as bytes and as rows of the table ``anomaly_model``. The format is skops; a pickle would run what it holds."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from streamguard_assets.detection.anomaly_model import AnomalyModel
from streamguard_assets.detection.feature_matrix import Imputation
from streamguard_assets.detection.isolation_forest import columns_of, nodes_of
from streamguard_assets.detection.threshold import Threshold

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

TRUSTED_TYPES = ("sklearn.tree._tree.Tree",)
"""The one type beyond skops' own list: it holds plain numbers, but scikit-learn follows its node indices without
looking, so every loaded tree is checked before it is used (``_refuse_broken_trees``)."""

LEAF = -1

MODEL_SCHEMA: dict[str, pl.DataType] = {
    "window": pl.String(),
    "model_version": pl.String(),
    "model": pl.Binary(),
    "metadata": pl.String(),
    "rows": pl.Int64(),
    "windows": pl.List(pl.String),
    "feature_hash": pl.String(),
    "tree_hash": pl.String(),
}
"""The table ``anomaly_model``: one row per window, the model as of it."""


class ModelError(Exception):
    """Stored bytes are not a model that this code made, or not the one that their metadata describes."""


def forest_bytes(forest: IsolationForest) -> bytes:
    """The forest in skops' format, deflated (a fifth of the size, at a tenth more time)."""
    import skops.io  # three seconds to import, and the schema above is needed wherever definitions are loaded

    return skops.io.dumps(forest, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def load_forest(data: bytes) -> IsolationForest:
    """The forest that ``forest_bytes`` wrote.

    Raises ``ModelError`` for bytes that are no skops file, that hold a type which is not trusted, or trees whose
    nodes point outside of themselves.
    """
    import skops.io
    from sklearn.ensemble import IsolationForest
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        forest: Any = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        untrusted = [kind for kind in skops.io.get_untrusted_types(data=data) if kind not in TRUSTED_TYPES]
        raise ModelError(f"the stored model holds types that are not trusted: {', '.join(untrusted)}") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"the stored model cannot be read ({error}); materialize anomaly_model again") from error
    if not isinstance(forest, IsolationForest):
        raise ModelError(f"the stored model is a {type(forest).__name__}, not an isolation forest")
    _refuse_broken_trees(forest)
    return forest


def model_to_frame(model: AnomalyModel, window: str) -> pl.DataFrame:
    """One row of the table ``anomaly_model``: the model as of ``window``."""
    row = {
        "window": window,
        "model_version": model.model_version,
        "model": forest_bytes(model.forest),
        "metadata": json.dumps(model.metadata()),
        "rows": model.rows,
        "windows": list(model.windows),
        "feature_hash": model.feature_hash,
        "tree_hash": model.tree_hash,
    }
    return pl.DataFrame([row], schema=MODEL_SCHEMA)


def model_from_frame(frame: pl.DataFrame) -> AnomalyModel:
    """The model of a one-row frame. ``ModelError`` if its trees are not the ones that its metadata names."""
    if len(frame) != 1:
        raise ModelError(f"a model is read from one row of anomaly_model, not from {len(frame)}")
    row = frame.row(0, named=True)
    told = json.loads(row["metadata"])
    model = AnomalyModel(
        forest=load_forest(row["model"]),
        features=tuple(told["features"]),
        feature_hash=told["feature_hash"],
        imputation=Imputation(tuple(told["medians"][name] for name in told["features"]), told["imputed_rows"]),
        threshold=Threshold(told["threshold"], told["threshold_rule"]),
        rows=told["rows"],
        windows=tuple(told["windows"]),
        libraries=told["libraries"],
    )
    if (model.tree_hash, model.model_version) != (row["tree_hash"], row["model_version"]):
        raise ModelError(
            f"model {row['model_version']} of window {row['window']}: its trees or metadata are not those that were "
            "stored; materialize anomaly_model of that window again"
        )
    return model


def _refuse_broken_trees(forest: IsolationForest) -> None:
    """An index out of range would read foreign memory, a loop would never end; neither is caught further on."""
    for number, tree in enumerate(forest.estimators_):
        nodes = nodes_of(tree)
        inner = np.flatnonzero(nodes["left_child"] != LEAF)
        children = np.stack([nodes["left_child"][inner], nodes["right_child"][inner]])
        features = nodes["feature"][inner]
        # scikit-learn numbers nodes so that every child comes after its parent.
        follows = (children > inner).all() and (children < len(nodes)).all()
        if len(nodes) == 0 or not follows or not ((features >= 0) & (features < columns_of(forest))).all():
            raise ModelError(f"tree {number} of the stored model points outside of itself; it was damaged or forged")
