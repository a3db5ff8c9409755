"""Columns as Arrow schemas, and the tables that every stream has."""

from __future__ import annotations

import pyarrow as pa

from streamguard_assets.contracts.columns import Column, Kind

COMMENT = b"comment"
"""The key of a column's description in field metadata; Delta and Spark show it as the column's comment."""

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
ARROW_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "integer32": pa.int32(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": UTC_MICROSECONDS,
    "date": pa.date32(),
}

KAFKA_FIELDS = (
    pa.field("kafka_partition", pa.int32(), False, {COMMENT: "partition that the record was read from"}),
    pa.field("kafka_offset", pa.int64(), False, {COMMENT: "offset of the record in its partition"}),
    pa.field(
        "kafka_timestamp",
        UTC_MICROSECONDS,
        True,
        {COMMENT: "timestamp of the Kafka record; null when it has none or one beyond the year 9999"},
    ),
)
WINDOW_FIELD = pa.field("window", pa.string(), False, {COMMENT: "key of the window, the instant at which it begins"})

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), False, {COMMENT: "topic that the record was read from"}),
        *KAFKA_FIELDS,
        pa.field("key", pa.binary(), True, {COMMENT: "key of the record, byte for byte"}),
        pa.field("value", pa.binary(), True, {COMMENT: "value of the record, byte for byte; null for a tombstone"}),
        pa.field("reason", pa.string(), False, {COMMENT: "why the record was not accepted, in words"}),
        pa.field("code", pa.string(), False, {COMMENT: "machine name of the rule that it broke"}),
        pa.field("json_path", pa.string(), True, {COMMENT: "place in the document, null when it is no JSON"}),
        pa.field("contract_hash", pa.string(), False, {COMMENT: "contract that gave the verdict"}),
    ]
)
"""Rejected records, as every engine gives them."""


def arrow_field(column: Column) -> pa.Field:
    """One column; its description is the field's ``comment``."""
    if column.kind == "group":
        declared: pa.DataType = pa.struct([arrow_field(field) for field in column.fields])
    else:
        declared = ARROW_TYPES[column.kind]
    metadata = {COMMENT: column.description} if column.description else None
    return pa.field(column.name, declared, not column.required, metadata)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Timestamps are microseconds in UTC; required columns are not nullable."""
    return pa.schema([arrow_field(column) for column in columns])
