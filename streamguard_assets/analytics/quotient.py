"""Quotients and roundings that come out the same, bit for bit, on every engine and for any number of rows.

Two traps lie here. Polars divides a column by a scalar by multiplying with its reciprocal, which is another number
in the last bit for about one value in three, and not what Spark gives; a division of two columns is a real one. And
``round`` means half to even in one engine and half up, on the decimal text, in another.

A formula that uses an intermediate value twice is given as steps of columns: written as one expression it would hold
the value's formula twice, and so on inwards, until Spark takes longer to plan it than to compute it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest

import narwhals as nw

Steps = tuple[Mapping[str, nw.Expr], ...]
"""Columns that are added to a frame, one step after the other."""

EXACT_INTEGERS = 2.0**53
"""Whole numbers up to here are exact as Float64."""


def with_steps(frame: nw.LazyFrame, together: Iterable[Steps]) -> nw.LazyFrame:
    """``frame`` with the columns of several independent chains of steps."""
    for level in zip_longest(*together, fillvalue={}):
        frame = frame.with_columns(**{name: value for step in level for name, value in step.items()})
    return frame


def quotient(dividend: nw.Expr, divisor: nw.Expr) -> nw.Expr:
    """``dividend / divisor``, Float64, rounded once as IEEE 754 has it; null where the divisor is 0.

    Both must be columns: give a number, or one value for all rows, by ``as_column``.
    """
    return nw.when(divisor != 0).then(dividend.cast(nw.Float64) / divisor.cast(nw.Float64))


def as_column(value: nw.Expr | float, like: nw.Expr) -> nw.Expr:
    """``value`` as Float64 in every row in which ``like``, a finite number, is not null."""
    return like.cast(nw.Float64) * 0.0 + value


def rounded_quotient(name: str, dividend: nw.Expr, divisor: nw.Expr, decimals: int) -> Steps:
    """Steps to the column ``name``: ``dividend / divisor`` to ``decimals`` places, halves away from zero; Float64,
    null where the divisor is 0, which may be one value for all rows.

    A half is a half of the quotient itself: for two whole numbers below 2^53 / 10^decimals it is exactly decided.
    """
    scale = 10.0**decimals
    above, below, scaled, size = (nw.col(f"{name}_{step}") for step in ("above", "below", "scaled", "size"))
    # From 2^52 on a Float64 has no places left to round, and Spark's floor gives an Int64, which ends soon after.
    nearest = nw.when(size < EXACT_INTEGERS / 2).then((size + 0.5).floor().cast(nw.Float64)).otherwise(size)
    # 0 minus it: a negative that rounds to nothing is 0, and not -0.
    signed = nw.when(scaled < 0.0).then(0.0 - size).otherwise(size)
    return (
        {f"{name}_above": dividend.cast(nw.Float64) * scale},
        {f"{name}_below": as_column(divisor, above)},
        {f"{name}_scaled": quotient(above, below)},
        {f"{name}_size": scaled.abs()},
        {f"{name}_size": nearest},
        {f"{name}_above": signed, f"{name}_below": as_column(scale, size)},
        {name: quotient(above, below)},
    )
