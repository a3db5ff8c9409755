"""The three things that the analyses need and Narwhals cannot say in the same words on Polars and on Spark.

Each takes and gives a lazy Narwhals frame. Nothing else in ``analytics`` touches the frame of an engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw


def days_as_dates(frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:
    """Int64 days since 1970-01-01 become Date.

    Not by the date of an instant: Spark would take that in the time zone of its session.
    """
    if frame.implementation.is_spark_like():
        from pyspark.sql import functions as spark

        dates = {name: spark.date_from_unix_date(spark.col(name).cast("int")) for name in columns}
        return nw.from_native(frame.to_native().withColumns(dates))
    return frame.with_columns(nw.col(*columns).cast(nw.Int32).cast(nw.Date))


def microseconds_as_instants(frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:
    """Int64 microseconds since 1970 become Datetime, microseconds, UTC."""
    if frame.implementation.is_spark_like():
        from pyspark.sql import functions as spark

        instants = {name: spark.timestamp_micros(spark.col(name)) for name in columns}
        return nw.from_native(frame.to_native().withColumns(instants))
    return frame.with_columns(nw.col(*columns).cast(nw.Datetime("us", "UTC")))


def with_lists(frame: nw.LazyFrame, keys: Sequence[str], lists: dict[str, nw.Expr]) -> nw.LazyFrame:
    """The rows of ``frame`` and one more per group of ``keys``, which has only the keys and ``lists``: the values of
    each text expression in the group, sorted, without nulls. Null is a group of its own.

    One more row, and no join: a join would lose the groups with a null in their key.
    """
    texts = frame.select(*keys, **{name: value.cast(nw.String) for name, value in lists.items()})
    native: Any = texts.to_native()
    if frame.implementation.is_spark_like():
        from pyspark.sql import functions as spark

        gathered = native.groupBy(*keys).agg(
            *(spark.array_sort(spark.collect_list(name)).alias(name) for name in lists)
        )
    else:
        import polars as pl

        gathered = native.group_by(*keys).agg(pl.col(*lists).drop_nulls().sort())
    return nw.concat([frame, nw.from_native(gathered)], how="diagonal")
