"""Sequence: the rhythm of a user's events, in the order timestamp, partition, offset."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.instants import SECOND_US
from streamguard_assets.analytics.order_free import from_parts, to_parts
from streamguard_assets.analytics.user_features.feature import Family, Feature, Grain, count_where, share

_ONE_EVENT = "the user has one event"

_GAPS = nw.col("gaps").cast(nw.Float64)
_SPAN_S = nw.col("span_us").cast(nw.Float64) / 1e6

# A gap's distance from the mean gap, as a fraction of the user's span. The gaps of a user add up to its span, so
# the squares of these fractions add up to at most 1.
_SPAN_US = nw.col("span_us").cast(nw.Float64)
_MEAN_GAP_US = _SPAN_US / (nw.col("total_events") - 1).cast(nw.Float64)
_DEVIATION = nw.when(nw.col("span_us") > 0).then((nw.col("gap_us").cast(nw.Float64) - _MEAN_GAP_US) / _SPAN_US)

SEQUENCE = Family(
    "sequence",
    tallies={
        Grain.STEPS: {
            "gaps": nw.col("gap_us").count().cast(nw.Int64),
            "burst_gaps": count_where(nw.col("gap_us") < SECOND_US),
            "type_changes": count_where(nw.col("event_type") != nw.col("previous_event_type")),
            "gap_deviation_square_parts": to_parts(_DEVIATION * _DEVIATION).sum(),
        },
    },
    features=(
        Feature(
            "mean_interval_s",
            "sequence",
            "Mean time between neighbouring events.",
            "seconds",
            nw.when(nw.col("gaps") > 0).then(_SPAN_S / _GAPS),
            null_when=_ONE_EVENT,
        ),
        Feature(
            "interval_stddev_s",
            "sequence",
            "Sample standard deviation (n - 1) of the times between neighbouring events.",
            "seconds",
            nw.when(nw.col("gaps") > 1).then(
                (from_parts(nw.col("gap_deviation_square_parts")) / (_GAPS - 1)).sqrt() * _SPAN_S
            ),
            null_when="the user has fewer than three events",
        ),
        Feature(
            "burst_rate",
            "sequence",
            "Share of the times between neighbouring events that are below 1 s.",
            "share",
            share("burst_gaps", "gaps"),
            null_when=_ONE_EVENT,
        ),
        Feature(
            "type_change_rate",
            "sequence",
            "Share of the pairs of neighbouring events that differ in type.",
            "share",
            share("type_changes", "gaps"),
            null_when=_ONE_EVENT,
        ),
    ),
)
"""Four features."""
