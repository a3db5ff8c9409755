"""What an analysis can count per group. Everything that is kept between events and result is Int64 or a text, and
is merged by a sum, a minimum, a maximum or the union of a set: so parts of the events can be taken in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import narwhals as nw

from streamguard_assets.analytics.fixed_point import FixedPoint, in_parts
from streamguard_assets.analytics.instants import epoch_us
from streamguard_assets.analytics.quotient import Steps, as_column, quotient

Preparation = Callable[[nw.Implementation], nw.Expr]
"""A column that is made of an event's columns once, before anything is grouped; the engine is an argument because
instants become numbers in its words."""


class Merge(StrEnum):
    """How two partial values of one group become one."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True)
class State:
    """One Int64 column of a partial result: ``of`` an event row, aggregated over the rows by ``merge``."""

    name: str
    merge: Merge
    of: nw.Expr
    description: str


@dataclass(frozen=True)
class Condition:
    """A yes-or-no question about an event that reads ``columns``; null counts as no. Its name stands for it: two
    questions must not have the same."""

    name: str
    columns: tuple[str, ...]
    holds: nw.Expr

    @property
    def expression(self) -> nw.Expr:
        return self.holds.fill_null(False)


class Reader:
    """A part of a declaration that reads events."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of events that it reads."""
        raise NotImplementedError

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        """The columns that it makes of them before anything is grouped. The name must tell all that they depend on:
        analyses that run together share them."""
        return {}


class Measure(Reader):
    """Something that one row per group holds."""

    @property
    def states(self) -> tuple[State, ...]:
        """What is kept of a group."""
        raise NotImplementedError

    @property
    def derived(self) -> Steps:
        """Columns made of the merged states of a group."""
        return ()


@dataclass(frozen=True)
class Count(Measure):
    """How many events of the group there are; with ``where``, how many of them fulfil it."""

    name: str
    where: Condition | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return () if self.where is None else self.where.columns

    @property
    def states(self) -> tuple[State, ...]:
        one = nw.lit(1, nw.Int64) if self.where is None else self.where.expression.cast(nw.Int64)
        which = "events" if self.where is None else f"events that are {self.where.name}"
        return (State(self.name, Merge.SUM, one, which),)

    @property
    def value(self) -> nw.Expr:
        """Int64."""
        return nw.col(self.name)


@dataclass(frozen=True)
class IntegerSum(Measure):
    """The sum of a column of whole numbers; null adds nothing."""

    column: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def states(self) -> tuple[State, ...]:
        return (State(f"{self.column}_sum", Merge.SUM, nw.col(self.column).cast(nw.Int64), f"sum of {self.column}"),)

    @property
    def value(self) -> nw.Expr:
        """Int64; 0 where there are only nulls."""
        return nw.col(f"{self.column}_sum")


@dataclass(frozen=True)
class ExactSum(Measure):
    """The sum and the mean of a column of decimal numbers, exact (``fixed_point``); nulls, and what is beyond the
    bound of ``point``, are left out of both."""

    column: str
    point: FixedPoint

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        return {
            self._column("high"): lambda _: self.point.high(self.column),
            self._column("low"): lambda _: self.point.low(self.column),
        }

    @property
    def states(self) -> tuple[State, ...]:
        high, low, known = (self._column(part) for part in ("high", "low", "known"))
        parts = f"{self.column} in parts of 1/{self.point.parts}"
        return (
            State(high, Merge.SUM, nw.col(high), f"sum of the high limbs, of 10^9, of {parts}"),
            State(low, Merge.SUM, nw.col(low), f"sum of the low limbs of {parts}"),
            State(known, Merge.SUM, (~nw.col(low).is_null()).cast(nw.Int64), f"events whose {self.column} is summed"),
        )

    @property
    def derived(self) -> Steps:
        of_sum = self.point.steps(self._prefix, self._of("high"), self._of("low"))
        return (*of_sum, {self._column("mean"): quotient(self._of("total"), self._of("known"))})

    @property
    def total(self) -> nw.Expr:
        """The sum, Float64; 0 where nothing is summed."""
        return self._of("total")

    @property
    def mean(self) -> nw.Expr:
        """The sum by the number of what was summed, Float64; null where that is nothing."""
        return self._of("mean")

    @property
    def parts(self) -> nw.Expr:
        """The sum in parts: a whole number, not blurred by how decimals look in binary. For shares."""
        return self._of("parts")

    @property
    def parts_of_all(self) -> nw.Expr:
        """The same of all groups together, one value for all rows."""
        return in_parts(self._of("units").sum(), self._of("rest").sum())

    @property
    def _prefix(self) -> str:
        return f"{self.column}_{self.point.name}"

    def _column(self, part: str) -> str:
        return f"{self._prefix}_{part}"

    def _of(self, part: str) -> nw.Expr:
        return nw.col(self._column(part))


@dataclass(frozen=True)
class Max(Measure):
    """The greatest number of a column of decimal numbers, to the nearest part of ``point``; what ``point`` does not
    count (null, NaN, beyond its bound) is left out.

    Kept as a whole number of parts, like a sum: so it is the same to the last bit on every engine, which do not agree
    where NaN and -0 stand.
    """

    column: str
    point: FixedPoint

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        return {f"{self.column}_{self.point.name}_parts_each": lambda _: self.point.whole(self.column)}

    @property
    def states(self) -> tuple[State, ...]:
        parts = nw.col(f"{self.column}_{self.point.name}_parts_each")
        return (State(self._greatest, Merge.MAX, parts, f"greatest {self.column} in parts of 1/{self.point.parts}"),)

    @property
    def value(self) -> nw.Expr:
        """Float64, exact as written where ``point`` is; null where there is none."""
        greatest = nw.col(self._greatest)
        return quotient(greatest, as_column(float(self.point.parts), greatest))

    @property
    def _greatest(self) -> str:
        return f"{self.column}_{self.point.name}_max"


@dataclass(frozen=True)
class Span(Measure):
    """The first and the last instant of a column, Int64 microseconds since 1970; null where there is none."""

    column: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        return {microseconds(self.column): lambda engine: epoch_us(self.column, engine)}

    @property
    def states(self) -> tuple[State, ...]:
        at = nw.col(microseconds(self.column))
        since = f"{self.column}, in microseconds since 1970-01-01T00:00Z"
        return (
            State(f"{self.column}_first_us", Merge.MIN, at, f"first {since}"),
            State(f"{self.column}_last_us", Merge.MAX, at, f"last {since}"),
        )

    @property
    def first(self) -> nw.Expr:
        return nw.col(f"{self.column}_first_us")

    @property
    def last(self) -> nw.Expr:
        return nw.col(f"{self.column}_last_us")


@dataclass(frozen=True)
class ValueSet(Reader):
    """The different texts of a column in the group; null is none of them.

    A partial result keeps the texts themselves, one row each, and two are merged by union: so what is said of them
    stays exact whichever way the events are split.
    """

    column: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def part(self) -> str:
        """The name of its rows in a partial result."""
        return self.column

    @property
    def states(self) -> tuple[State, ...]:
        """What is kept of each text."""
        return ()


@dataclass(frozen=True)
class Distinct(ValueSet):
    """How many different texts there are; which ones too, if they are ``listed``."""

    listed: bool = False

    @property
    def count(self) -> nw.Expr:
        """Int64."""
        return nw.col(f"{self.column}_distinct")

    @property
    def texts(self) -> nw.Expr:
        """A list, sorted by the UTF-8 bytes; empty where there are none."""
        return nw.col(f"{self.column}_list")


@dataclass(frozen=True)
class Latest(ValueSet):
    """The text that the column had at the last instant of ``at`` at which it had one.

    Of several at that same instant it is the greatest: the choice must depend on the events alone, and not on where
    they lie in a log.
    """

    at: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column, self.at)

    @property
    def prepared(self) -> Mapping[str, Preparation]:
        return {microseconds(self.at): lambda engine: epoch_us(self.at, engine)}

    @property
    def part(self) -> str:
        return f"latest {self.column}"

    @property
    def seen(self) -> State:
        """When the text was last seen, Int64 microseconds since 1970."""
        described = f"last {self.at} with this {self.column}, in microseconds since 1970-01-01T00:00Z"
        return State(f"{self.column}_seen_us", Merge.MAX, nw.col(microseconds(self.at)), described)

    @property
    def states(self) -> tuple[State, ...]:
        return (self.seen,)

    @property
    def value(self) -> nw.Expr:
        """The text; null where there is none."""
        return nw.col(f"{self.column}_latest")


def microseconds(column: str) -> str:
    """The prepared column that holds an instant as Int64 microseconds since 1970."""
    return f"{column}_us"
