"""Small counts over the rows of a window, for plots and for the summary that a person reads."""

from __future__ import annotations

from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

SCORE_BINS = 20


def events_per_minute(events: IntoFrameT, time_column: str = "timestamp") -> IntoFrameT:
    """``minute`` (start, UTC), ``events`` (Int64), sorted; minutes without events have no row.

    ``time_column`` is ``timestamp``, the event's own clock, or ``kafka_timestamp``, when the log received it.
    Events without that time are left out.
    """
    frame: Any = nw.from_native(events)
    timed = frame.filter(~nw.col(time_column).is_null()).select(minute=nw.col(time_column).dt.truncate("1m"))
    return timed.group_by("minute").agg(nw.len().cast(nw.Int64).alias("events")).sort("minute").to_native()


def score_histogram(scores: IntoFrameT, bins: int = SCORE_BINS) -> IntoFrameT:
    """``score_from``, ``score_to`` (Float64), ``users`` (Int64), sorted: users per equal part of the scores 0 to 1.

    ``scores`` has the column ``anomaly_score``; null scores are left out, a score of exactly 1 falls into the last
    bin, bins without users have no row. Raises ``ValueError`` for fewer than one bin.
    """
    if bins < 1:
        raise ValueError(f"a histogram needs at least one bin, not {bins}")
    frame: Any = nw.from_native(scores)
    place = (nw.col("anomaly_score") * bins).cast(nw.Int64).clip(0, bins - 1)
    scored = frame.filter(~nw.col("anomaly_score").is_null()).select(bin=place)
    counted = scored.group_by("bin").agg(nw.len().cast(nw.Int64).alias("users")).sort("bin")
    start = nw.col("bin").cast(nw.Float64)
    return counted.select(score_from=start / bins, score_to=(start + 1.0) / bins, users=nw.col("users")).to_native()
