"""The keys that events are grouped by, and the columns that a result has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import narwhals as nw
import pyarrow as pa

from streamguard_assets.analytics.aggregation.measures import Preparation, Reader
from streamguard_assets.analytics.instants import epoch_us
from streamguard_assets.analytics.quotient import Steps, rounded_quotient
from streamguard_assets.contracts.schemas import COMMENT, UTC_MICROSECONDS

TEXT, INTEGER, NUMBER, DATE, INSTANT, TEXTS = (
    pa.string(), pa.int64(), pa.float64(), pa.date32(), UTC_MICROSECONDS, pa.list_(pa.string()),
)  # fmt: skip
"""The types that a result may have. Counts are Int64 on every engine."""


@dataclass(frozen=True)
class Key(Reader):
    """A column of events that they are grouped by. Null is a value like any other."""

    name: str

    @property
    def type(self) -> pa.DataType:
        return TEXT

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def value(self) -> nw.Expr:
        return nw.col(self.name)


@dataclass(frozen=True)
class ClockKey(Key):
    """A whole number made of the instant in ``column``: ``of`` its microseconds since 1970."""

    column: str
    of: Callable[[nw.Expr], nw.Expr]

    @property
    def type(self) -> pa.DataType:
        return INTEGER

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        return {self.name: lambda engine: self.of(epoch_us(self.column, engine))}


@dataclass(frozen=True)
class Column:
    """A column of a result: ``value`` is a formula over keys and measures; ``description`` says the unit.

    ``steps`` make columns that ``value`` needs. A DATE is given as whole days, an INSTANT as whole microseconds since
    1970.
    """

    name: str
    type: pa.DataType
    description: str
    value: nw.Expr
    steps: Steps = ()

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.type, True, {COMMENT: self.description})


def key_column(name: str, description: str) -> Column:
    """A text key as it is."""
    return Column(name, TEXT, description, nw.col(name))


def rounded_column(name: str, description: str, dividend: nw.Expr, divisor: nw.Expr, decimals: int) -> Column:
    """A quotient to some decimals, halves away from zero; null where the divisor is 0."""
    return Column(name, NUMBER, description, nw.col(name), rounded_quotient(name, dividend, divisor, decimals))


Order = tuple[str, bool]
"""A column to sort by, and whether its greatest values come first."""


def descending(name: str) -> Order:
    """The greatest values first."""
    return name, True


def ascending(*names: str) -> tuple[Order, ...]:
    """The smallest values first."""
    return tuple((name, False) for name in names)
