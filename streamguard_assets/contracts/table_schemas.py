"""Arrow schemas as Delta and Spark have them. Apart from the Arrow ones, which rooms without tables use too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import deltalake
    from pyspark.sql.types import StructType


def delta_schema(schema: pa.Schema) -> deltalake.Schema:
    """The same schema as Delta writes it into its log, descriptions included."""
    import deltalake

    return deltalake.Schema.from_arrow(schema)


def spark_schema(schema: pa.Schema) -> StructType:
    """The same schema for Spark, descriptions included. Imports pyspark, and only now; starts no JVM."""
    from pyspark.sql.types import StructType

    # Delta's JSON *is* Spark's: one translation fewer to disagree, and pyspark's own from Arrow drops the comments.
    return StructType.fromJson(json.loads(delta_schema(schema).to_json()))
