"""Bounded reads on Spark: an exact offset range of a topic, and windows of a Delta table."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.functions import col, lit
from pyspark.sql.types import StructType

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.table_schemas import spark_schema
from streamguard_assets.engines.records import RECORD_COLUMNS
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.location import local_path
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.window_table import WindowTable

RECORD_SCHEMA = "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary"


class SparkReadError(Exception):
    """Spark cannot read this as it is configured; the text says which setting to change."""


POLL_TIMEOUT_MS = 30_000
"""Spark waits two minutes by default for a record that is not there, once per partition."""


def read_range(
    spark: SparkSession,
    bootstrap_servers: str,
    offset_range: OffsetRange,
    client_options: Mapping[str, str],
    poll_timeout_ms: int = POLL_TIMEOUT_MS,
) -> DataFrame:
    """The committed records of ``offset_range`` as ``engines.records.RECORD_COLUMNS``, exactly up to its ends.

    ``client_options``: options of the Java client, without a ``kafka.`` prefix (``kafka_options.java_client_options``).
    Offsets that retention took, or that the log does not have yet, make the query fail rather than return less.
    """
    covered = offset_range.without_empty()
    if covered.is_empty:
        return spark.createDataFrame([], RECORD_SCHEMA)
    options = {
        "kafka.bootstrap.servers": bootstrap_servers,
        "kafka.isolation.level": "read_committed",
        "assign": json.dumps({covered.topic: covered.partitions}),
        "startingOffsets": _offsets_option(covered.topic, covered.starts),
        "endingOffsets": _offsets_option(covered.topic, covered.ends),
        "failOnDataLoss": "true",
        "kafkaConsumer.pollTimeoutMs": str(poll_timeout_ms),
        **{f"kafka.{name}": value for name, value in client_options.items()},
    }
    return spark.read.format("kafka").options(**options).load().select(*RECORD_COLUMNS)


def read_windows(
    spark: SparkSession, table: WindowTable, windows: Collection[str] | None = None, version: int | None = None
) -> DataFrame:
    """The columns of ``table.schema``: of ``windows`` only and as of ``version``, if given.

    Only files of those windows are opened. A column that the version did not have yet is null. ``TableMissing``
    if the table was never written; ``SparkReadError`` for a lake on an object store: Spark needs file system jars
    and keys of its own for that, which the session does not carry.
    """
    path = local_path(table.uri)
    if path is None:
        raise SparkReadError(
            f"the Spark engine reads lakes in a folder; {table.uri} is on an object store: use the Polars engine for it"
        )
    if not table.exists():
        raise TableMissing(f"there is no table at {table.uri}; materialize the asset that writes it first")
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    rows = reader.load(str(path))
    if windows is not None:
        rows = rows.where(col(WINDOW).isin(*windows))
    return rows.select(*_columns(rows, spark_schema(table.schema)))


def _columns(rows: DataFrame, wanted: StructType) -> list[Column]:
    return [
        (col(field.name) if field.name in rows.columns else lit(None)).cast(field.dataType).alias(field.name)
        for field in wanted.fields
    ]


def _offsets_option(topic: str, offsets: Mapping[int, int]) -> str:
    return json.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}})
