"""Sums of decimal numbers held as Float64 that are exact: to the cent over billions of rows, in any order, on any
engine.

Adding floats is not associative, and 0.1 is no binary fraction: ten million rows of cents added as floats miss
cents, and another order misses others. So each number is first taken to the nearest part of a fixed size (a
millionth for money), which undoes its binary rounding: the parts are exactly those of the decimal text. Whole parts
are added as Int64, which is exact and has no order.

One Int64 would overflow (ten million amounts of a million are 10^19 millionths), so a number is kept in two limbs,
``number = high * 10^9 + low`` parts, and each limb is summed by itself. Only the two sums are put together again, and
only then a Float64 is made: the one nearest to the exact total.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw

from streamguard_assets.analytics.quotient import EXACT_INTEGERS, Steps, as_column, quotient

LIMB = 10.0**9
"""Parts that one unit of the high limb stands for."""


@dataclass(frozen=True)
class FixedPoint:
    """How finely a kind of number is counted: ``parts`` to the unit, a power of ten up to 10^9.

    A number whose decimal text has no more decimals than ``parts`` counts exactly as it is written up to a magnitude
    of 4 * 10^15 / parts; a finer or larger one is taken to the nearest part of what the Float64 holds. Beyond
    ``bound`` = 10^18 / parts, or NaN, it is not a number of this kind: it is left out like a null, so that one
    damaged record cannot drown or kill the total of its group. Within the bound nine billion rows cannot overflow.
    """

    name: str
    parts: int

    @property
    def bound(self) -> float:
        return LIMB * LIMB / self.parts

    def counts(self, column: str) -> nw.Expr:
        """Whether the number in ``column`` is summed: not null, not NaN, not beyond the bound."""
        return (nw.col(column).abs() <= self.bound).fill_null(False)

    def high(self, column: str) -> nw.Expr:
        """The high limb, Int64; null for a number that is left out."""
        return self._high(column).cast(nw.Int64)

    def low(self, column: str) -> nw.Expr:
        """The low limb, Int64, 0 to 10^9; null for a number that is left out."""
        rest = self._number(column) - self._high(column) * (LIMB / self.parts)
        return (rest * float(self.parts) + 0.5).floor().cast(nw.Int64)

    def whole(self, column: str) -> nw.Expr:
        """The number in parts, Int64; null for one that is left out. To compare: sums of ten overflow."""
        return self.high(column) * int(LIMB) + self.low(column)

    def steps(self, name: str, high: nw.Expr, low: nw.Expr) -> Steps:
        """Steps from summed limbs to the columns

        - ``<name>_total``: the Float64 nearest to the sum (beyond 2^53, within one in its last place),
        - ``<name>_parts``: the sum in parts, Float64, exact below 2^53 of them,
        - ``<name>_units`` and ``<name>_rest``: the limbs with what the low one held too much carried over, Int64.
        """
        over, units, rest, parts, whole, divisor = (
            nw.col(f"{name}_{step}") for step in ("over", "units", "rest", "parts", "whole", "divisor")
        )
        large = (units.cast(nw.Float64) * (LIMB / self.parts) + whole) + quotient(rest - whole * self.parts, divisor)
        return (
            # Rounded to a limb or one beside it: the rest is exact either way, and that is all that counts.
            {f"{name}_over": (low.cast(nw.Float64) * (1.0 / LIMB)).floor().cast(nw.Int64)},
            {f"{name}_units": high + over, f"{name}_rest": low - over * int(LIMB)},
            {
                f"{name}_parts": in_parts(units, rest),
                f"{name}_whole": (rest.cast(nw.Float64) * (1.0 / self.parts)).floor().cast(nw.Float64),
                f"{name}_divisor": as_column(float(self.parts), rest),
            },
            {f"{name}_total": nw.when(parts.abs() < EXACT_INTEGERS).then(quotient(parts, divisor)).otherwise(large)},
        )

    def _number(self, column: str) -> nw.Expr:
        # A null instead of a false branch: Polars computes both, and casting 1e300 to Int64 would fail.
        return nw.when(self.counts(column)).then(nw.col(column).cast(nw.Float64))

    def _high(self, column: str) -> nw.Expr:
        # Whether this rounds up or down next to a limb does not matter: the low limb takes what is left.
        return (self._number(column) * (self.parts / LIMB)).floor().cast(nw.Float64)


def in_parts(units: nw.Expr, rest: nw.Expr) -> nw.Expr:
    """The sum that two limbs stand for in parts, Float64: exact below 2^53 of them."""
    return units.cast(nw.Float64) * LIMB + rest.cast(nw.Float64)


MONEY = FixedPoint("money", 10**6)
"""Amounts and prices in millionths of the currency: exact as written up to 4 * 10^9, left out beyond 10^12."""

FRACTION = FixedPoint("fraction", 10**9)
"""Scores and percentages in billionths: left out beyond 10^9."""
