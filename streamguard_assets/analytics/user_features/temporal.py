"""Temporal: when a user is active. All hours and days are UTC."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.order_free import from_parts, to_parts
from streamguard_assets.analytics.user_features.feature import Family, Feature, Grain, count_where, share

DAY_STARTS_HOUR = 6
DAY_ENDS_HOUR = 20
SATURDAY = 5
HOUR_S = 3_600
MOST_ENTROPY_BITS = 8.0
"""A power of two above log2(24): entropies are summed as shares of it."""

# Place of an event between the first (-0.5) and the last (0.5) of its user. Null if all fall on one instant: the
# sums are 0 then, and so is the spread.
_POSITION = nw.when(nw.col("span_us") > 0).then(
    (nw.col("at_us") - nw.col("first_us")).cast(nw.Float64) / nw.col("span_us").cast(nw.Float64) - 0.5
)
_EVENT_SHARE = nw.lit(1.0) / nw.col("total_events").cast(nw.Float64)
_HOUR_SHARE = nw.col("hour_events").cast(nw.Float64) / nw.col("total_events").cast(nw.Float64)

_SPAN_S = nw.col("span_us").cast(nw.Float64) / 1e6
_MEAN = from_parts(nw.col("position_parts"))
_MEAN_OF_SQUARES = from_parts(nw.col("position_square_parts"))
_EVENTS = nw.col("total_events").cast(nw.Float64)

TEMPORAL = Family(
    "temporal",
    tallies={
        Grain.EVENTS: {
            "unusual_hour_events": count_where((nw.col("hour") < DAY_STARTS_HOUR) | (nw.col("hour") >= DAY_ENDS_HOUR)),
            "weekend_events": count_where(nw.col("weekday") >= SATURDAY),
        },
        Grain.STEPS: {
            "position_parts": to_parts(_POSITION * _EVENT_SHARE).sum(),
            "position_square_parts": to_parts(_POSITION * _POSITION * _EVENT_SHARE).sum(),
        },
        Grain.HOURS: {
            "active_hours": nw.len().cast(nw.Int64),
            "hour_entropy_parts": to_parts(_HOUR_SHARE * -_HOUR_SHARE.log(2) / MOST_ENTROPY_BITS).sum(),
        },
    },
    features=(
        Feature(
            "unusual_hour_rate",
            "temporal",
            f"Share of events before {DAY_STARTS_HOUR:02}:00 or from {DAY_ENDS_HOUR}:00 on.",
            "share",
            share("unusual_hour_events", "total_events"),
        ),
        Feature(
            "weekend_rate",
            "temporal",
            "Share of events on Saturday or Sunday.",
            "share",
            share("weekend_events", "total_events"),
        ),
        Feature(
            "active_hours",
            "temporal",
            "Different hours of the day (0 to 23) with an event.",
            "hours",
            nw.col("active_hours"),
            dtype=nw.Int64,
        ),
        Feature(
            "hour_entropy",
            "temporal",
            "Shannon entropy of the events over the hours of the day: 0 if all fall in one, log2(24) if even.",
            "bits",
            from_parts(nw.col("hour_entropy_parts")) * MOST_ENTROPY_BITS,
        ),
        Feature(
            "time_stddev_hours",
            "temporal",
            "Sample standard deviation (n - 1) of the timestamps; the dates count, so midnight is no edge.",
            "hours",
            nw.when(nw.col("total_events") > 1).then(
                ((_MEAN_OF_SQUARES - _MEAN * _MEAN) * _EVENTS / (_EVENTS - 1)).sqrt() * _SPAN_S / HOUR_S
            ),
            null_when="the user has one event",
        ),
        Feature(
            "events_per_active_hour",
            "temporal",
            "Events per different hour of the day with an event.",
            "events per hour",
            share("total_events", "active_hours"),
        ),
    ),
)
"""Six features. Spreads are summed as fractions of the user's span, so that no order of rows can change them."""
