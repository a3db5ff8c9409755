"""The columns of every table of a stream, from the rooms that declare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import polars as pl
import pyarrow as pa

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.analytics.user_features.feature import Feature
from streamguard_assets.analytics.user_features.registry import features
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.schemas import COMMENT, WINDOW_FIELD
from streamguard_assets.detection.model_store import MODEL_SCHEMA
from streamguard_assets.detection.scoring import SCORE_SCHEMA
from streamguard_assets.lake.ledger import SCHEMA as LEDGER_SCHEMA
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINE_SCHEMA
from streamguard_assets.windows.graph import ANALYSES_FOLDER

RUN_DEPENDENT_COLUMNS: Mapping[str, Sequence[str]] = {
    # Table versions and model bytes differ between runs that computed the same; contents are compared without them.
    "anomaly_scores": ("events_version",),
    "anomaly_model": ("model", "metadata"),
}


def provenance_columns(asset: str, contract: Contract) -> Sequence[str]:
    """The columns of an asset's table that say how a row came about; contents are compared without them."""
    return contract.provenance_columns if asset == "events" else RUN_DEPENDENT_COLUMNS.get(asset, ())


def table_schema(asset: str, contract: Contract) -> pa.Schema:
    """The Arrow schema of one asset's table, descriptions in the field metadata.

    Raises:
        KeyError: no such asset.
    """
    match asset:
        case "offset_ranges":
            return LEDGER_SCHEMA
        case "events":
            return contract.events_schema()
        case "quarantine":
            return QUARANTINE_SCHEMA
        case "user_features":
            return _user_features(contract)
        case "anomaly_model":
            return _arrow(MODEL_SCHEMA, MODEL_COLUMNS)
        case "anomaly_scores":
            return _arrow(SCORE_SCHEMA, SCORE_COLUMNS)
        case "training_data":
            return _training_data(contract)
        case "summary":
            return SUMMARY_SCHEMA
        case _ if asset.startswith(ANALYSES_FOLDER):
            return _analysis(analysis(asset.removeprefix(ANALYSES_FOLDER)))
        case _:
            raise KeyError(f"no asset {asset!r} in a stream's graph")


SCORE_COLUMNS: Mapping[str, str] = {
    "window": "the window whose users are scored, by their features over the lookback that ends with it",
    "user": "account that acted, or was tried",
    "anomaly_score": "score of the original paper, 0 to 1, higher is odder; null when there are too few users",
    "anomaly_score_normalized": "the score stretched to 0–1 within the window",
    "is_anomaly": "whether the score lies above the threshold",
    "threshold": "the score above which a user is anomalous",
    "reasons": "the three features that contributed most: the user's value, the usual one, the share of the score",
    "unscored_reason": "why there is no score",
    "model_version": "hash of all that decides a score; names a row of anomaly_model",
    "feature_hash": "hash of the feature definitions",
    "events_version": "Delta version of events that the features were computed from",
    "offset_ranges": "the offsets that the lookback covers, as JSON",
}
MODEL_COLUMNS: Mapping[str, str] = {
    "window": "the window as of which the model was fitted",
    "model_version": "hash of all that decides a score",
    "model": "the isolation forest in skops' format",
    "metadata": "features, medians, threshold, versions of the libraries, as JSON",
    "rows": "feature rows that it was fitted on",
    "windows": "windows whose features it was fitted on",
    "feature_hash": "hash of the feature definitions",
    "tree_hash": "hash of the trees: equal forests have the same, whatever their bytes",
}

SUMMARY_SCHEMA = pa.schema(
    [
        WINDOW_FIELD,
        pa.field("rank", pa.int32(), metadata={COMMENT: "1 is the user with the highest score"}),
        pa.field("user", pa.string()),
        pa.field("anomaly_score", pa.float64(), metadata={COMMENT: "between 0 and 1, higher is odder"}),
        pa.field("is_anomaly", pa.bool_()),
        pa.field("why", pa.string(), metadata={COMMENT: "the three features that contributed most, in words"}),
        pa.field("total_events", pa.int64()),
        pa.field("unique_ips", pa.int64()),
    ]
)


def _analysis(of: Analysis) -> pa.Schema:
    return pa.schema([WINDOW_FIELD, *of.schema])


def _user_features(contract: Contract) -> pa.Schema:
    return pa.schema(
        [
            WINDOW_FIELD,
            pa.field("user", pa.string(), metadata={COMMENT: "account that acted, or was tried"}),
            *map(_feature_field, features(contract.event_types)),
            pa.field("windows_missing", pa.int32(), metadata={COMMENT: "windows of the lookback that are not there"}),
            pa.field("feature_hash", pa.string(), metadata={COMMENT: "hash of the feature definitions"}),
        ]
    )


def _training_data(contract: Contract) -> pa.Schema:
    return pa.schema(
        [
            WINDOW_FIELD,
            pa.field("user", pa.string()),
            *map(_feature_field, features(contract.event_types)),
            pa.field("anomaly_score", pa.float64(), metadata={COMMENT: "score of the original paper, 0 to 1"}),
            pa.field("anomaly_score_normalized", pa.float64(), metadata={COMMENT: "min–max within the window"}),
            pa.field("is_anomaly", pa.int32(), metadata={COMMENT: "1 above the threshold, else 0"}),
        ]
    )


def _feature_field(feature: Feature) -> pa.Field:
    kind = pa.int64() if feature.dtype is nw.Int64 else pa.float64()
    text = f"{feature.description} ({feature.unit})"
    if feature.null_when:
        text += f"; null when {feature.null_when}"
    return pa.field(feature.name, kind, metadata={COMMENT: text})


def _arrow(schema: Mapping[str, pl.DataType], descriptions: Mapping[str, str]) -> pa.Schema:
    plain = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.schema([field.with_metadata({COMMENT: descriptions[field.name]}) for field in plain])
