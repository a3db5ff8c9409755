"""Days in UTC as whole numbers since 1970-01-01."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.instants import DAY_US, floor_mod


def epoch_day(at_us: nw.Expr) -> nw.Expr:
    """The UTC day of an instant in microseconds since 1970, Int64 days since 1970-01-01."""
    # Whole days divide without a rest, which an engine that divides as floats needs to give the right day.
    return ((at_us - floor_mod(at_us, DAY_US)) // DAY_US).cast(nw.Int64)
