"""Records of one Kafka partition to frames: events that the contract accepts, and the rest with the reasons why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import MAX_TIMESTAMP_MS
from streamguard_assets.contracts.schemas import REJECTED_SCHEMA
from streamguard_assets.contracts.verdict import Rejection
from streamguard_assets.engines.polars.columns import UTC_MICROSECONDS, accepted_columns
from streamguard_assets.engines.polars.soft_rules import id_hashes, soft_rule_hits

RECORDS_PER_CHUNK = 2_000
"""What to hand to ``parse_records`` at once: the events of a chunk still lie in the cache when columns are made."""


_NONE_REJECTED = pl.DataFrame(schema=pl.Schema(REJECTED_SCHEMA))


@dataclass(frozen=True)
class ParsedChunk:
    """Every record of a chunk, in exactly one of two frames, both in the order of the records.

    ``accepted``: kafka_partition, kafka_offset, kafka_timestamp, the contract's ``arrow_schema``. ``rejected``: the
    columns of ``REJECTED_SCHEMA``. ``soft_rule_hits``: rows per rule. ``event_id_hashes``: uint64 per accepted row,
    from which repeated ids are counted over a window.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    soft_rule_hits: dict[str, int]
    event_id_hashes: np.ndarray


def parse_records(
    contract: Contract,
    topic: str,
    partition: int,
    offsets: Sequence[int],
    timestamps_ms: Sequence[int],
    keys: Sequence[bytes | None] | None,
    values: Sequence[bytes | None],
    *,
    processed_at: datetime | None = None,
    count_soft_rules: bool = True,
) -> ParsedChunk:
    """The verdict of every record, as frames. Pure; any bytes are allowed, and a bad record costs only itself.

    ``timestamps_ms`` are Kafka's, -1 for a record that has none. ``processed_at`` is the instant of ingestion, for a
    contract that keeps it (null for records that are only looked at). Any number of records will do, about
    ``RECORDS_PER_CHUNK`` is fastest. ``ValueError`` when the sequences differ in length.
    """
    lengths = {len(offsets), len(timestamps_ms), len(values), len(values if keys is None else keys)}
    if len(lengths) > 1:
        raise ValueError(f"{topic}-{partition}: offsets, timestamps, keys and values differ in length: {lengths}")
    decoded = contract.decode_all(values)
    places = _places(partition, offsets, timestamps_ms)
    accepted = _rows(places, decoded.positions).hstack(accepted_columns(contract, decoded.events, processed_at))
    return ParsedChunk(
        accepted,
        _rejected(contract, topic, places, keys, values, decoded.rejections),
        soft_rule_hits(contract, accepted) if count_soft_rules else {},
        id_hashes(accepted[contract.id_column]) if count_soft_rules else np.empty(0, np.uint64),
    )


def _places(partition: int, offsets: Sequence[int], timestamps_ms: Sequence[int]) -> pl.DataFrame:
    """Where each record is in Kafka. A timestamp that no column can hold is null: it says nothing of the event."""
    stamps = np.fromiter(timestamps_ms, np.int64, len(timestamps_ms))
    held = (stamps >= 0) & (stamps <= MAX_TIMESTAMP_MS)
    microseconds = pl.Series(np.where(held, stamps, 0) * 1000).cast(UTC_MICROSECONDS)
    frame = pl.DataFrame(
        {
            "kafka_partition": np.full(len(offsets), partition, np.int32),
            "kafka_offset": np.fromiter(offsets, np.int64, len(offsets)),
            "kafka_timestamp": microseconds,
        }
    )
    return frame if held.all() else frame.with_columns(kafka_timestamp=pl.when(pl.Series(held)).then("kafka_timestamp"))


def _rows(frame: pl.DataFrame, positions: np.ndarray) -> pl.DataFrame:
    return frame if len(positions) == len(frame) else frame[positions]


def _rejected(
    contract: Contract,
    topic: str,
    places: pl.DataFrame,
    keys: Sequence[bytes | None] | None,
    values: Sequence[bytes | None],
    rejections: Sequence[tuple[int, Rejection]],
) -> pl.DataFrame:
    if not rejections:
        return _NONE_REJECTED.clone()
    positions = [position for position, _ in rejections]
    columns = {
        **_rows(places, np.array(positions)).to_dict(),
        "topic": [topic] * len(positions),
        "key": [None if keys is None else keys[position] for position in positions],
        "value": [values[position] for position in positions],
        "reason": [rejection.reason for _, rejection in rejections],
        "code": [rejection.code for _, rejection in rejections],
        "json_path": [rejection.json_path for _, rejection in rejections],
        "contract_hash": [contract.hash] * len(positions),
    }
    return pl.DataFrame({name: columns[name] for name in REJECTED_SCHEMA.names}, schema=_NONE_REJECTED.schema)
