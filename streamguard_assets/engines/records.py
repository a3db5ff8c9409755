"""Frames of raw records, and what becomes of them: the columns that both engines agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Frame = TypeVar("Frame")

RECORD_COLUMNS = ("topic", "partition", "offset", "timestamp", "key", "value")
"""Columns of a frame of raw records, named as Spark's Kafka source names them.

``topic`` str, ``partition`` int32, ``offset`` int64, ``timestamp`` timestamp in UTC (-1 ms for a record that
carries none, as Kafka has it), ``key`` and ``value`` binary, both nullable.
"""


@dataclass(frozen=True)
class ParsedFrames(Generic[Frame]):
    """What became of records: each is in exactly one of the two frames.

    ``accepted``: ``kafka_partition`` int32, ``kafka_offset`` int64, ``kafka_timestamp`` timestamp(us, UTC), the
    columns of the contract's ``arrow_schema``. ``rejected``: ``topic``, ``kafka_partition``, ``kafka_offset``,
    ``kafka_timestamp``, ``key``, ``value``, ``reason``, ``code``, ``json_path``, ``contract_hash``. Neither holds
    ``window``: which window an offset belongs to is known to the one who chose the range.
    """

    accepted: Frame
    rejected: Frame
