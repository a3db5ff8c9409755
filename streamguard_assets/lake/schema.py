"""Schemas of tables: how rows are brought into one, and how a table's grows. Columns are added, never changed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import Field, Schema
from deltalake.schema import ArrayType, StructType

from streamguard_assets.lake.errors import SchemaConflict

WINDOW = "window"


def with_window(schema: pa.Schema) -> pa.Schema:
    """``schema`` with the string column ``window`` in front and every column nullable."""
    fields = [field.with_nullable(True) for field in schema if field.name != WINDOW]
    return pa.schema([pa.field(WINDOW, pa.string()), *fields], metadata=schema.metadata)


def polars_schema(schema: pa.Schema) -> dict[str, Any]:
    """Polars dtypes by column name."""
    return dict(pl.Schema(schema))  # not by way of an empty table: pyarrow imports pandas to make one, in 0.4 s


def conform(frame: pl.DataFrame, dtypes: dict[str, Any], where: str) -> pl.DataFrame:
    """``frame`` with exactly the columns of ``dtypes``, in that order, cast without loss.

    ``SchemaConflict`` names columns that are missing or unknown: a column that silently vanished would be read as
    null for ever, one that was silently dropped would be lost.
    """
    missing = [name for name in dtypes if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in dtypes]
    if missing or unknown:
        raise SchemaConflict(f"{where}: rows lack {missing or 'nothing'} and have {unknown or 'nothing'} too many")
    if dict(frame.schema) == dtypes and frame.columns == list(dtypes):
        return frame
    try:
        return frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in dtypes.items())
    except pl.exceptions.PolarsError as error:
        raise SchemaConflict(f"{where}: rows cannot be cast to the table's types: {error}") from error


def as_declared(rows: pl.LazyFrame, dtypes: dict[str, Any]) -> pl.LazyFrame:
    """``rows`` of some version with exactly the columns of ``dtypes``: null where that version did not have one yet."""
    there = rows.collect_schema()

    def column(name: str, dtype: Any) -> pl.Expr:
        if there.get(name) == dtype:
            return pl.col(name)  # without a cast, so that filters on it still reach the files
        return (pl.col(name) if name in there else pl.lit(None).alias(name)).cast(dtype)

    return rows.select(column(name, dtype) for name, dtype in dtypes.items())


def merged(table: Schema, wanted: pa.Schema, where: str) -> Schema:
    """The table's schema with what ``wanted`` adds, nullable. Columns that only the table has stay (null from now).

    Raises ``SchemaConflict`` when a column of both has another type.
    """
    return Schema(_merge_fields(table.fields, Schema.from_arrow(wanted).fields, where))


def _merge_fields(old: list[Field], new: list[Field], where: str) -> list[Field]:
    additions = {field.name: field for field in new}
    kept = [_merge_field(field, additions.pop(field.name, field), f"{where}.{field.name}") for field in old]
    return kept + [Field(field.name, field.type, nullable=True) for field in additions.values()]


def _merge_field(old: Field, new: Field, where: str) -> Field:
    return Field(old.name, _merge_type(old.type, new.type, where), nullable=old.nullable)


def _merge_type(old: Any, new: Any, where: str) -> Any:
    if old == new:
        return old
    if isinstance(old, StructType) and isinstance(new, StructType):
        return StructType(_merge_fields(old.fields, new.fields, where))
    if isinstance(old, ArrayType) and isinstance(new, ArrayType):
        return ArrayType(_merge_type(old.element_type, new.element_type, where), contains_null=True)
    raise SchemaConflict(f"{where} is {old} in the table and {new} in the code; add a column under a new name instead")
