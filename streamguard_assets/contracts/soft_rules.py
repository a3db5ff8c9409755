"""Soft rules: what is odd about a record that is accepted all the same. Declared once, counted everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import narwhals as nw

PLAUSIBLE_FROM = datetime(2000, 1, 1, tzinfo=UTC)
PLAUSIBLE_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
"""Events of before the first, or of after the second, are taken for a fault of the producer's clock or units."""

Predicate = Callable[[Any], Any]
"""Given a module with ``col`` and ``lit``, the expression that is true for the rows that break a rule.

The module is narwhals, for any engine, or polars itself in the parser, where narwhals' planning of each small chunk
would take as long as decoding it. Narwhals is a subset of the Polars API, so one definition serves both.
"""


@dataclass(frozen=True, eq=False)
class SoftRule:
    """A rule that accepted records may break; hits are counted and shown, no row changes by them.

    ``broken`` is None for a rule that no row breaks by itself, such as a repeated id: it is counted over a window.
    A null breaks no rule.
    """

    name: str
    description: str
    columns: tuple[str, ...]
    broken: Predicate | None = None

    def hits(self, api: Any = nw) -> Any:
        """The number of rows that break the rule, as an expression of ``api`` named as the rule.

        Null on some engines when there are no rows. ``ValueError`` for a rule that is counted over a window.
        """
        if self.broken is None:
            raise ValueError(f"soft rule {self.name} is counted over a window, not row by row")
        return api.when(self.broken(api)).then(api.lit(1)).otherwise(api.lit(0)).sum().alias(self.name)


def unknown_value(column: str, known: tuple[str, ...]) -> SoftRule:
    """The column holds a value that the contract does not list."""
    description = f"`{column}` is none of {', '.join(known)}"
    return SoftRule(f"unknown_{column}", description, (column,), partial(_is_none_of, column, known))


def outside(name: str, column: str, low: float, high: float) -> SoftRule:
    """The column holds a number below ``low`` or above ``high``."""
    description = f"`{column}` lies outside {low:g} to {high:g}"
    return SoftRule(name, description, (column,), partial(_is_outside, column, low, high))


def below(name: str, column: str, low: float) -> SoftRule:
    """The column holds a number below ``low``."""
    return SoftRule(name, f"`{column}` lies below {low:g}", (column,), partial(_is_below, column, low))


def implausible_timestamp(column: str, since: datetime, until: datetime, cause: str = "") -> SoftRule:
    """The column holds an instant before ``since``, or not before ``until``; ``cause`` is the likely one, in words."""
    description = f"`{column}` is not from {since:%Y} to {until.year - 1}{cause and f': {cause}'}"
    return SoftRule(f"implausible_{column}", description, (column,), partial(_is_not_between, column, since, until))


def repeated(column: str) -> SoftRule:
    """A value of the column that an earlier row of the window has; counted over a window."""
    return SoftRule(f"repeated_{column}", f"`{column}` occurs more than once in the window", (column,))


# Functions with a name, so that a contract can be sent to worker processes.


def _is_none_of(column: str, known: tuple[str, ...], api: Any) -> Any:
    return ~api.col(column).is_in(known)


def _is_outside(column: str, low: float, high: float, api: Any) -> Any:
    return (api.col(column) < low) | (api.col(column) > high)


def _is_below(column: str, low: float, api: Any) -> Any:
    return api.col(column) < low


def _is_not_between(column: str, since: datetime, until: datetime, api: Any) -> Any:
    return (api.col(column) < api.lit(since)) | (api.col(column) >= api.lit(until))
