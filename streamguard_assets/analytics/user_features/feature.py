"""What a feature is: its name, its meaning, and the formula that gives it from the tallies of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import narwhals as nw

FamilyName = Literal["behaviour", "temporal", "address", "sequence", "threat"]


class Grain(StrEnum):
    """The rows that a tally runs over, always per user. Columns of each are made in ``rows``."""

    EVENTS = "events"
    """One row per event."""
    HOURS = "hours"
    """One row per UTC hour of the day in which the user was seen."""
    ADDRESSES = "addresses"
    """One row per source address that the user was seen from; events without an address are left out."""
    STEPS = "steps"
    """One row per event with the user's event before it, in the order timestamp, partition, offset."""


Tallies = Mapping[Grain, Mapping[str, nw.Expr]]
"""Per grain: name of a column, and the aggregation that fills it (one value per user)."""


@dataclass(frozen=True)
class Feature:
    """One feature of a user.

    ``value`` is a formula over tallies. ``dtype`` is Int64 (never null) or Float64; ``null_when`` says in words
    when a Float64 feature has no value, and is None if it always has one.
    """

    name: str
    family: FamilyName
    description: str
    unit: str
    value: nw.Expr
    null_when: str | None = None
    dtype: type[nw.Int64 | nw.Float64] = nw.Float64


@dataclass(frozen=True)
class Family:
    """The features that share a theme, and the tallies that they are made of."""

    name: FamilyName
    tallies: Tallies
    features: tuple[Feature, ...]


def share(part: str, whole: str) -> nw.Expr:
    """``part / whole`` as Float64, null where the whole is 0: a share of nothing is unknown, not none."""
    return nw.when(nw.col(whole) > 0).then(nw.col(part).cast(nw.Float64) / nw.col(whole).cast(nw.Float64))


def count_where(condition: nw.Expr) -> nw.Expr:
    """Rows in which ``condition`` is true, Int64; null counts as false."""
    return condition.cast(nw.Int64).sum()


def distinct(column: str) -> nw.Expr:
    """Different values of ``column``, Int64; null is not a value."""
    # n_unique counts null as one more value.
    return nw.col(column).n_unique().cast(nw.Int64) - nw.col(column).is_null().cast(nw.Int64).max()
