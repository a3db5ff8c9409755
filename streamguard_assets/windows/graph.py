"""The graph of one stream: its assets in build order, what each is made of, and what it is in a sentence.

The one list that Dagster's assets, the planner, the checks, ``streamguard sql`` and the documentation derive from.
Every stream has its offsets, events and quarantine; what is made of the events follows from its contract: users'
behaviour where events have types, analyses where their columns are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import UnknownAnalysis, analysis, fitting_analyses
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.registry import contract
from streamguard_assets.settings import Settings, SettingsError

ANALYSES_FOLDER = "analyses/"


class Reach(Enum):
    """Which windows of a parent one window of an asset reads."""

    SAME = "the same window"
    LOOKBACK = "the lookback of the stream, which ends with the same window"
    TRAINING = "the training lookback, which ends with the same window"


@dataclass(frozen=True)
class AssetNode:
    """One asset of the graph: ``parents`` maps the assets it reads to the windows it reads of them.

    ``rides_with`` names the asset that brings it along: it is not planned by itself and has no state of its own.
    """

    name: str
    description: str
    parents: Mapping[str, Reach]
    kinds: tuple[str, ...]
    is_table: bool = True
    rides_with: str | None = None


Graph = Mapping[str, AssetNode]
"""The assets of a stream by name, in build order."""

_LOG_NODES = (
    AssetNode(
        "offset_ranges",
        "The boundary ledger: for each window one offset range per Kafka partition, decided once, stored once, never "
        "changed. Two neighbouring windows share their boundary, so no event is in both and none in neither.",
        {},
        ("kafka", "deltalake"),
        is_table=False,
        rides_with="events",
    ),
    AssetNode(
        "events",
        "Accepted records of a window, one row per offset. A window commits only after it is proven that every offset "
        "of its range is a row here, a row of `quarantine`, or part of a hole that Kafka itself left.",
        {"offset_ranges": Reach.SAME},
        ("kafka", "polars", "deltalake"),
    ),
    AssetNode(
        "quarantine",
        "Rejected records of a window with topic, partition, offset, key, raw bytes, the reason and the JSON path; "
        "`streamguard quarantine replay` lands them once the contract accepts them.",
        {"offset_ranges": Reach.SAME},
        ("kafka", "deltalake"),
        is_table=False,
        rides_with="events",
    ),
)

_BEHAVIOUR_NODES = (
    AssetNode(
        "user_features",
        "28 behavioural features per user over the lookback that ends with this window; one row per user seen in it.",
        {"events": Reach.LOOKBACK},
        ("polars", "deltalake"),
    ),
    AssetNode(
        "anomaly_model",
        "The isolation forest as of this window, fitted on the features of the training lookback, saved with skops.",
        {"user_features": Reach.TRAINING},
        ("scikitlearn", "deltalake"),
    ),
    AssetNode(
        "anomaly_scores",
        "A score between 0 and 1 per user, higher is odder, whether it passes the threshold, and the three features "
        "that contributed most, each with the user's value and the usual one.",
        {"user_features": Reach.SAME, "anomaly_model": Reach.SAME},
        ("scikitlearn", "deltalake"),
    ),
    AssetNode(
        "training_data",
        "Features with score and label as Parquet folders `is_anomaly=0|1` with `anomaly_report.json` and `_SUCCESS`, "
        "replaced atomically; `latest` points to the newest window.",
        {"user_features": Reach.SAME, "anomaly_scores": Reach.SAME},
        ("parquet", "deltalake"),
    ),
    AssetNode(
        "summary",
        "Who stood out in a window and why, in words: one row per user, the oddest first.",
        {"anomaly_scores": Reach.SAME, "user_features": Reach.SAME},
        ("polars", "deltalake"),
        rides_with="anomaly_scores",
    ),
)


def stream_graph(contract: Contract, analyses: Sequence[Analysis] = ()) -> Graph:
    """The assets of a stream with this contract and these analyses, in build order."""
    behaviour = _BEHAVIOUR_NODES if contract.event_types else ()
    nodes = (*_LOG_NODES, *behaviour, *map(_analysis_node, analyses))
    return {node.name: node for node in nodes}


def configured_graph(settings: Settings, stream: str) -> Graph:
    """The graph of a configured stream.

    Raises:
        SettingsError: there is no such stream, contract or analysis, or the contract lacks a column of an analysis.
    """
    return stream_graph(configured_contract(settings, stream), configured_analyses(settings, stream))


def configured_contract(settings: Settings, stream: str) -> Contract:
    """The contract of a configured stream; ``SettingsError`` lists the known ones."""
    try:
        return contract(settings.stream(stream).contract)
    except LookupError as unknown:
        raise SettingsError(f"streams.{stream}.contract: {unknown}") from None


def configured_analyses(settings: Settings, stream: str) -> tuple[Analysis, ...]:
    """The analyses of a configured stream: those that it names, else all whose columns its contract has."""
    columns = set(configured_contract(settings, stream).events_schema().names)
    named = settings.stream(stream).analyses
    if named is None:
        return fitting_analyses(columns)
    try:
        chosen = tuple(analysis(name) for name in named)
    except UnknownAnalysis as unknown:
        raise SettingsError(f"streams.{stream}.analyses: {unknown}") from None
    for each in chosen:
        if lacking := sorted(set(each.inputs) - columns):
            raise SettingsError(
                f"streams.{stream}.analyses: {each.name} reads {', '.join(lacking)}, which no event has"
            )
    return chosen


def planned_assets(graph: Graph) -> tuple[str, ...]:
    """The assets whose windows are planned, in build order: ``events`` and what is derived from it."""
    return tuple(name for name, node in graph.items() if node.rides_with is None)


def derived_assets(graph: Graph) -> tuple[str, ...]:
    """The planned assets that are made of ``events``, in build order."""
    return tuple(name for name in planned_assets(graph) if name != "events")


def analysis_asset(name: str) -> str:
    """The asset of the analysis ``name``: ``analyses/revenue_by_category``."""
    return f"{ANALYSES_FOLDER}{name}"


def analyses_of(graph: Graph) -> tuple[str, ...]:
    """The names of the analyses of a stream, in build order."""
    return tuple(name.removeprefix(ANALYSES_FOLDER) for name in graph if name.startswith(ANALYSES_FOLDER))


def assets_of_run(graph: Graph, planned: Sequence[str]) -> list[str]:
    """The assets that a run for the ``planned`` ones materializes, in build order, with those that ride along."""
    wanted = set(planned)
    return [name for name, node in graph.items() if name in wanted or node.rides_with in wanted]


def _analysis_node(analysis: Analysis) -> AssetNode:
    return AssetNode(
        analysis_asset(analysis.name), analysis.description, {"events": Reach.SAME}, ("polars", "deltalake")
    )
