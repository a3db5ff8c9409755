"""The columns of every table of a stream, from the rooms that declare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import polars as pl
import pyarrow as pa

from streamguard_assets.analytics.user_features.feature import Feature
from streamguard_assets.analytics.user_features.registry import features
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.schemas import COMMENT, WINDOW_FIELD
from streamguard_assets.detection.model_store import MODEL_SCHEMA
from streamguard_assets.detection.scoring import SCORE_SCHEMA
from streamguard_assets.lake.ledger import SCHEMA as LEDGER_SCHEMA
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINE_SCHEMA

RUN_DEPENDENT_COLUMNS: Mapping[str, Sequence[str]] = {
    # Table versions and model bytes differ between runs that computed the same; contents are compared without them.
    "anomaly_scores": ("events_version",),
    "anomaly_model": ("model", "metadata"),
}


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
            return _arrow(MODEL_SCHEMA)
        case "anomaly_scores":
            return _arrow(SCORE_SCHEMA)
        case "training_data":
            return _training_data(contract)
        case "summary":
            return SUMMARY_SCHEMA
        case _:
            raise KeyError(f"no asset {asset!r} in a stream's graph")


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


def _arrow(schema: dict[str, pl.DataType]) -> pa.Schema:
    return pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
