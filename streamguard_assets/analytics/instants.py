"""Instants as whole microseconds since 1970 (UTC), and the clock arithmetic on them that every engine has.

Narwhals cannot turn an instant into a number in the same words on Polars and on Spark; this module is the one
place that knows. Everything after it is integer arithmetic, so the session time zone of an engine cannot leak in.
"""

from __future__ import annotations

import narwhals as nw

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US

FIRST_MONDAY_US = 4 * DAY_US
"""1970-01-05, a Monday, from which weeks are counted (1970-01-01 was a Thursday)."""


def epoch_us(column: str, implementation: nw.Implementation) -> nw.Expr:
    """The instant in ``column`` (Datetime, microseconds, UTC) as Int64 microseconds since 1970-01-01T00:00Z.

    ``implementation`` is the engine of the frame that the expression is for (``frame.implementation``).
    """
    instant = nw.col(column)
    if implementation.is_spark_like():
        # Spark casts to whole seconds, rounded down, and its microsecond of an instant before 1970 is negative.
        return instant.cast(nw.Int64) * SECOND_US + floor_mod(instant.dt.microsecond().cast(nw.Int64), SECOND_US)
    return instant.dt.timestamp("us")


def floor_mod(expression: nw.Expr, divisor: int) -> nw.Expr:
    """The remainder in ``[0, divisor)``, also of negative numbers: SQL engines give those the sign of the dividend."""
    return (expression % divisor + divisor) % divisor


def hour_of_day(at_us: nw.Expr) -> nw.Expr:
    """The UTC hour, Int64, 0 to 23."""
    return (floor_mod(at_us, DAY_US) // HOUR_US).cast(nw.Int64)


def day_of_week(at_us: nw.Expr) -> nw.Expr:
    """The UTC day of the week, Int64, Monday 0 to Sunday 6."""
    return (floor_mod(at_us - FIRST_MONDAY_US, WEEK_US) // DAY_US).cast(nw.Int64)
