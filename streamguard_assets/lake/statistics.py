"""Statistics of a data file as Delta keeps them (JSON text), from which readers decide to skip the file."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import polars as pl

MAX_TEXT = 64
"""Longer texts get no bounds: a cut maximum would be too low, and rows would be skipped that are there."""


def file_statistics(frame: pl.DataFrame) -> str:
    """``numRecords``, and for scalar columns ``nullCount``, ``minValues``, ``maxValues``, as JSON text."""
    nulls = frame.null_count().row(0, named=True) if frame.height else dict.fromkeys(frame.columns, 0)
    bounded = [name for name, dtype in frame.schema.items() if _has_bounds(dtype)]
    lowest = frame.select(_bounded(frame, name).min().alias(name) for name in bounded)
    highest = frame.select(_bounded(frame, name).max().alias(name) for name in bounded)
    lows, highs = _values(lowest), _values(highest)
    usable = [name for name in bounded if lows[name] is not None and highs[name] is not None]
    document = {
        "numRecords": frame.height,
        "nullCount": {name: nulls[name] for name, dtype in frame.schema.items() if not dtype.is_nested()},
        "minValues": {name: lows[name] for name in usable},
        "maxValues": {name: highs[name] for name in usable},
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _has_bounds(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_float() or dtype in (pl.String, pl.Date) or isinstance(dtype, pl.Datetime)


def _bounded(frame: pl.DataFrame, name: str) -> pl.Expr:
    """The column, or nulls when its bounds cannot be said truthfully in JSON."""
    column, dtype = pl.col(name), frame.schema[name]
    if dtype.is_float():
        return pl.when(column.is_finite().all()).then(column)
    if dtype == pl.String:
        return pl.when((column.str.len_chars() <= MAX_TEXT).all()).then(column)
    if isinstance(dtype, (pl.Datetime, pl.Date)):
        # Python has no datetime outside the years 1 to 9999, and records stamped beyond them exist.
        return pl.when(column.dt.year().is_between(1, 9999).all()).then(column)
    return column


def _values(one_row: pl.DataFrame) -> dict[str, Any]:
    if not one_row.width:
        return {}
    return {name: _json_value(value) for name, value in one_row.row(0, named=True).items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return text + "Z" if value.tzinfo else text
    return value.isoformat() if isinstance(value, date) else value
