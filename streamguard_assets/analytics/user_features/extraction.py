"""From events to the features of every user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.user_features.feature import Family, Grain
from streamguard_assets.analytics.user_features.registry import families, features
from streamguard_assets.analytics.user_features.rows import event_rows, grain_rows, user_spans

UNKNOWN_IF_EMPTY = frozenset({"max_threat_score"})
"""Tallies that stay null for a user without rows; every other is a count or a sum, and 0."""


def user_features(events: IntoFrameT, known_event_types: Sequence[str]) -> IntoFrameT:
    """One row per user seen in ``events``, sorted by user.

    ``events`` is any frame that Narwhals knows (Polars, eager or lazy; PySpark) with the columns of the table of
    the same name (``rows.EVENT_COLUMNS``; ``timestamp`` in microseconds UTC, ``metadata`` a struct). The answer is
    of the same kind: ``user`` and then the columns of ``registry.features``, counts Int64, all others Float64.
    The order of the rows of ``events`` does not matter, to the last bit. No events give no rows.
    """
    frame: Any = nw.from_native(events)
    made = _features(frame.lazy(), known_event_types)
    return (made.collect() if isinstance(frame, nw.DataFrame) else made).to_native()


def _features(events: nw.LazyFrame, known_event_types: Sequence[str]) -> nw.LazyFrame:
    rows = event_rows(events)
    tallies = user_spans(rows)
    for grain, aggregations in _tallies_by_grain(families(known_event_types)).items():
        counted = grain_rows(rows, grain).group_by("user").agg(*(e.alias(name) for name, e in aggregations.items()))
        # Left: a user without any source address has no rows in that grain, and must not be lost.
        tallies = tallies.join(counted, on="user", how="left").with_columns(
            nw.col(*[name for name in aggregations if name not in UNKNOWN_IF_EMPTY]).fill_null(0)
        )
    return tallies.select(
        nw.col("user").cast(nw.String),
        *(feature.value.cast(feature.dtype).alias(feature.name) for feature in features(known_event_types)),
    ).sort("user")


def _tallies_by_grain(of: Sequence[Family]) -> dict[Grain, dict[str, nw.Expr]]:
    """The tallies of all families, one pass per grain. A name that two families use is refused: one would be lost."""
    merged: dict[Grain, dict[str, nw.Expr]] = {}
    taken = {"user", "total_events", "first_us", "span_us"}
    for family in of:
        for grain, aggregations in family.tallies.items():
            if doubled := sorted(taken & set(aggregations)):
                raise ValueError(f"family {family.name} counts {doubled[0]} a second time; give it another name")
            taken |= set(aggregations)
            merged.setdefault(grain, {}).update(aggregations)
    return merged
