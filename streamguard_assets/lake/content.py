"""The content hash: one number for a set of rows, whatever their order, chunks, files or processes.

A cell is hashed with a seed made from its column's name, a null cell counts 0; a row is the hash of the sum of its
cells; rows are summed modulo 2^64. So hashes of parts add up to the hash of the whole, and a column that was added
later, null in the old rows, leaves the old hash as it was. Values are those of Polars' row hashing: they may change
with a Polars release (a test holds today's value), and windows are then rebuilt once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import polars as pl

MODULUS = 2**64
_ROW_SEED = 0x5347


def content_hash(frame: pl.DataFrame, exclude: Collection[str] = ()) -> int:
    """Hash of the rows of ``frame``, order-independent, in [0, 2^64). ``exclude`` names columns of provenance."""
    return int(row_hashes(frame, exclude).to_numpy().sum(dtype=np.uint64))


def row_hashes(frame: pl.DataFrame, exclude: Collection[str] = ()) -> pl.Series:
    """The hash of each row, UInt64; their sum is the content hash."""
    names = sorted(name for name in frame.columns if name not in exclude)
    cells = [cell for name in names for cell in _cells(pl.col(name), frame.schema[name], name)]
    if not cells or frame.height == 0:
        return pl.zeros(frame.height, dtype=pl.UInt64, eager=True)
    return frame.select(pl.sum_horizontal(cells).hash(_ROW_SEED)).to_series()


def combine(hashes: Iterable[int]) -> int:
    """The hash of rows together, from the hashes of their disjoint parts."""
    return sum(hashes) % MODULUS


def format_content(rows: int, total: int) -> str:
    """The form kept in commits and metadata: ``<rows>:<16 hex digits>``.

    >>> format_content(2, 255)
    '2:00000000000000ff'
    """
    return f"{rows}:{total % MODULUS:016x}"


def content_of(frame: pl.DataFrame, exclude: Collection[str] = ()) -> str:
    """``format_content`` of a whole frame."""
    return format_content(frame.height, content_hash(frame, exclude))


def _cells(value: pl.Expr, dtype: Any, name: str) -> list[pl.Expr]:
    """UInt64 expressions, one per leaf: a struct is hashed by its fields, so that it too may gain fields."""
    if isinstance(dtype, pl.Struct):
        present = [_or_zero(value, pl.lit(_seed(name), dtype=pl.UInt64))]
        fields = sorted(dtype.fields, key=lambda field: field.name)
        leaves = [_cells(value.struct.field(f.name), f.dtype, f"{name}.{f.name}") for f in fields]
        return present + [leaf for group in leaves for leaf in group]
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        value = value.cast(pl.String)  # physical codes depend on the order in which values were met
    return [_or_zero(value, value.hash(_seed(name)))]


def _or_zero(value: pl.Expr, hashed: pl.Expr) -> pl.Expr:
    return pl.when(value.is_not_null()).then(hashed).otherwise(pl.lit(0, dtype=pl.UInt64))


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
