"""The graph of one stream: its assets in build order, what each is made of, and what it is in a sentence.

The one list that Dagster's assets, the planner, ``streamguard sql`` and the documentation derive from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Reach(Enum):
    """Which windows of a parent one window of an asset reads."""

    SAME = "the same window"
    LOOKBACK = "the lookback of the stream, which ends with the same window"
    TRAINING = "the training lookback, which ends with the same window"


@dataclass(frozen=True)
class AssetNode:
    """One asset of the graph: ``parents`` maps the assets it reads to the windows it reads of them."""

    name: str
    description: str
    parents: Mapping[str, Reach]
    kinds: tuple[str, ...]
    is_table: bool = True


_NODES = (
    AssetNode(
        "offset_ranges",
        "The boundary ledger: for each window one offset range per Kafka partition, decided once, stored once, never "
        "changed. Two neighbouring windows share their boundary, so no event is in both and none in neither.",
        {},
        ("kafka", "deltalake"),
        is_table=False,
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
    ),
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
    ),
)

GRAPH: Mapping[str, AssetNode] = {node.name: node for node in _NODES}

DERIVED_ASSETS = ("user_features", "anomaly_model", "anomaly_scores", "training_data")
"""Assets that are planned and built per window from ``events``, in build order."""


def assets_of_run(planned: Sequence[str]) -> list[str]:
    """The assets that a run for the ``planned`` ones materializes, in build order.

    The ledger and ``quarantine`` come along with ``events``, ``summary`` with ``anomaly_scores``.
    """
    wanted = set(planned)
    if "events" in wanted:
        wanted |= {"offset_ranges", "quarantine"}
    if "anomaly_scores" in wanted:
        wanted.add("summary")
    return [name for name in GRAPH if name in wanted]
