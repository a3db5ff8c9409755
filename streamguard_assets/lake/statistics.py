"""Statistics of a data file as Delta keeps them (JSON text), from which readers decide to skip the file."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import polars as pl

MAX_TEXT = 64
"""A longer text is no bound: cut, a maximum would be too low, and rows would be skipped that are there."""


def file_statistics(frame: pl.DataFrame) -> str:
    """``numRecords``, and for scalar columns ``nullCount``, ``minValues``, ``maxValues``, as JSON text."""
    nulls = frame.null_count().row(0, named=True) if frame.height else dict.fromkeys(frame.columns, 0)
    lows, highs = _bounds(frame)
    usable = [name for name in lows if lows[name] is not None and highs[name] is not None]
    document = {
        "numRecords": frame.height,
        "nullCount": {name: nulls[name] for name, dtype in frame.schema.items() if not dtype.is_nested()},
        "minValues": {name: lows[name] for name in usable},
        "maxValues": {name: highs[name] for name in usable},
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _bounds(frame: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Least and greatest value of each column that has bounds; None for one that JSON cannot say truthfully.

    All in one query, and values are looked at afterwards: to look at every row for what only a bound can break took
    as long as writing the file.
    """
    names = [name for name, dtype in frame.schema.items() if _has_bounds(dtype)]
    floats = [name for name in names if frame.schema[name].is_float()]
    query = [
        *(pl.col(name).to_physical().min().alias(f"low {name}") for name in names),
        *(pl.col(name).to_physical().max().alias(f"high {name}") for name in names),
        # Least and greatest pass over NaN, which other readers hold for greater than any number.
        *(pl.col(name).is_finite().all().alias(f"finite {name}") for name in floats),
    ]
    found = frame.select(query).row(0, named=True) if query else {}
    lows, highs = (
        {name: _in_json(found[f"{which} {name}"], frame.schema[name]) for name in names} for which in ("low", "high")
    )
    for name in floats:
        if not found[f"finite {name}"]:
            lows[name] = highs[name] = None
    return lows, highs


def _has_bounds(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_float() or dtype in (pl.String, pl.Date) or isinstance(dtype, pl.Datetime)


def _in_json(physical: Any, dtype: pl.DataType) -> Any:
    if physical is None or (dtype == pl.String and len(physical) > MAX_TEXT):
        return None
    if not isinstance(dtype, (pl.Datetime, pl.Date)):
        return physical
    instant = pl.Series([physical], dtype=pl.Int64).cast(dtype)
    # Python has no datetime outside the years 1 to 9999, and records stamped beyond them exist.
    return _json_value(instant.item()) if 1 <= instant.dt.year().item() <= 9999 else None


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return text + "Z" if value.tzinfo else text
    return value.isoformat() if isinstance(value, date) else value
