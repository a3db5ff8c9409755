"""Decoded events to Polars columns: one list per field, one Series per list.

Nothing here can fail for one event of a chunk: the contract has bounded every value to its column before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa

from streamguard_assets.contracts.columns import Column
from streamguard_assets.contracts.decoding import field_reader
from streamguard_assets.contracts.fields import as_utc

UTC_MICROSECONDS = pl.Datetime("us", "UTC")
SCALAR_TYPES: dict[str, type[pl.DataType]] = {
    "text": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
}


def event_columns(columns: Sequence[Column], events: Sequence[Any]) -> list[pl.Series]:
    """The columns of ``events``, in the order and with the types of the contract's Arrow schema."""
    return [_series(column, field_reader(column.name)(events)) for column in columns]


def timestamps(name: str, stamps: Sequence[int | datetime | None]) -> pl.Series:
    """Epoch milliseconds and datetimes in UTC as microseconds in UTC."""
    if datetime not in set(map(type, stamps)):
        return (pl.Series(name, stamps, dtype=pl.Int64) * 1000).cast(UTC_MICROSECONDS)
    # Through Arrow: Polars takes 2 µs for each datetime that has a zone, Arrow a quarter of one.
    instants = [as_utc(stamp) if type(stamp) is int else stamp for stamp in stamps]
    return pl.Series(name, pa.array(instants, pa.timestamp("us", tz="UTC")), dtype=UTC_MICROSECONDS)


def _series(column: Column, values: list[Any]) -> pl.Series:
    if column.kind == "group":
        return _group(column, values)
    if column.kind == "timestamp":
        return timestamps(column.name, values)
    return pl.Series(column.name, values, dtype=SCALAR_TYPES[column.kind])


def _group(column: Column, records: list[Any]) -> pl.Series:
    """A struct column; a group that is absent or null in the event is a null struct, not a struct of nulls."""
    if None not in records:
        return _struct(column, records)
    present = pl.Series([record is not None for record in records], dtype=pl.Boolean)
    nothing = SimpleNamespace(**{field.name: None for field in column.fields})
    structs = _struct(column, [nothing if record is None else record for record in records])
    return structs.to_frame().select(pl.when(present).then(pl.col(column.name))).to_series()


def _struct(column: Column, records: list[Any]) -> pl.Series:
    return pl.DataFrame(event_columns(column.fields, records)).to_struct(column.name)
