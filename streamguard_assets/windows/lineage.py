"""Which columns of the parents a column is made of, for the lineage that the UI draws."""

from __future__ import annotations

from collections.abc import Mapping

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.analytics.user_features.feature import Family
from streamguard_assets.analytics.user_features.registry import families, feature_names
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.windows.graph import ANALYSES_FOLDER

FAMILY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "behaviour": ("event_type", "source_ip", "metadata"),
    "temporal": ("timestamp",),
    "address": ("source_ip", "destination_ip", "metadata"),
    "sequence": ("timestamp", "event_type"),
    "threat": ("threat_score", "event_type", "status"),
}
"""Columns of ``events`` that the features of a family are counted from, beside ``user``."""

ColumnSources = Mapping[str, list[tuple[str, str]]]
"""By column, the (asset, column) pairs that it is made of."""


def column_sources(asset: str, contract: Contract) -> ColumnSources:
    """Lineage of the columns of ``asset``; empty for assets that come from Kafka itself."""
    event_types = contract.event_types
    names = feature_names(event_types)
    match asset:
        case "user_features":
            made = {"user": [("events", "user")]}
            for family in families(event_types):
                made |= {feature.name: _event_columns(family) for feature in family.features}
            return made
        case "anomaly_model":
            return {"model": [("user_features", name) for name in names]}
        case "anomaly_scores":
            score = [("user_features", name) for name in names] + [("anomaly_model", "model")]
            return {"user": [("user_features", "user")], "anomaly_score": score, "is_anomaly": score, "reasons": score}
        case "training_data":
            scored = ("anomaly_score", "anomaly_score_normalized", "is_anomaly")
            return {name: [("user_features", name)] for name in ("user", *names)} | {
                name: [("anomaly_scores", name)] for name in scored
            }
        case "summary":
            return {
                "user": [("anomaly_scores", "user")],
                "anomaly_score": [("anomaly_scores", "anomaly_score")],
                "why": [("anomaly_scores", "reasons")],
                "total_events": [("user_features", "total_events")],
            }
        case _ if asset.startswith(ANALYSES_FOLDER):
            of = analysis(asset.removeprefix(ANALYSES_FOLDER))
            return {column: [("events", source) for source in of.inputs] for column in of.schema.names}
        case _:
            return {}


def _event_columns(family: Family) -> list[tuple[str, str]]:
    return [("events", column) for column in ("user", *FAMILY_COLUMNS[family.name])]
