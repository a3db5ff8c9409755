"""Sums of fractions that come out the same, bit for bit, in any order of the rows.

Adding floats is not associative: the same events in another order, or on another number of threads, give sums
that differ in the last bits, and then the content hashes of features and scores differ too. So a fraction is
scaled to a whole number first, integers are added (exactly), and the sum is scaled back.
"""

from __future__ import annotations

import narwhals as nw

UNIT = float(2**61)
"""Parts that 1.0 is cut into. A sum of magnitudes up to 2 stays inside Int64, with a factor of two to spare."""


def to_parts(fraction: nw.Expr) -> nw.Expr:
    """A Float64 ``fraction`` as Int64 parts. The magnitudes that are to be summed must add up to at most 2."""
    return (fraction * UNIT).cast(nw.Int64)


def from_parts(parts: nw.Expr) -> nw.Expr:
    """Summed Int64 ``parts`` as the Float64 sum of the fractions."""
    return parts.cast(nw.Float64) / UNIT
