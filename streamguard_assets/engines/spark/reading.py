"""Bounded reads on Spark: an exact offset range of a topic, and windows of a Delta table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.engines.records import RECORD_COLUMNS
from streamguard_assets.lake.location import LakeLocation

RECORD_SCHEMA = "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary"


class SparkReadError(Exception):
    """Spark cannot read this as it is configured; the text says which setting to change."""


def read_range(
    spark: SparkSession, bootstrap_servers: str, offset_range: OffsetRange, client_options: Mapping[str, str]
) -> DataFrame:
    """The committed records of ``offset_range`` as ``engines.records.RECORD_COLUMNS``, exactly up to its ends.

    ``client_options``: options of the Java client, without a ``kafka.`` prefix (``kafka_options.java_client_options``).
    Offsets that retention took make the query fail (``failOnDataLoss``) rather than return less.
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
        **{f"kafka.{name}": value for name, value in client_options.items()},
    }
    return spark.read.format("kafka").options(**options).load().select(*RECORD_COLUMNS)


def read_windows(
    spark: SparkSession,
    location: LakeLocation,
    stream: str,
    asset: str,
    windows: Sequence[str] | None = None,
    version: int | None = None,
) -> DataFrame:
    """A window table, of ``windows`` only and as of ``version`` if given; other partitions are not read.

    ``SparkReadError`` for a lake on an object store: Spark needs its own file system jars and keys for that, which
    the session does not carry (give them by ``spark.options`` and ask with a plain ``spark.read``).
    """
    uri = location.table(stream, asset)
    if len(urlsplit(uri).scheme) > 1 and urlsplit(uri).scheme != "file":
        raise SparkReadError(
            f"the Spark engine reads lakes on a file system; {uri} is on an object store: use the Polars engine for it"
        )
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    table = reader.load(uri)
    return table if windows is None else table.where(col("window").isin(*windows))


def _offsets_option(topic: str, offsets: Mapping[int, int]) -> str:
    return json.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}})
