"""Frames of raw records through the strict decoder: the bridge from record columns to ``parse_records``.

Both engines come through here, the Spark one inside its Python workers, so a record has one verdict.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.engines.records import ParsedFrames

NO_TIMESTAMP_MS = -1
"""Kafka's own mark of a record without a timestamp."""


def parse_record_frame(
    contract: Contract, records: pl.DataFrame, chunk_records: int, processed_at: datetime | None = None
) -> ParsedFrames[pl.DataFrame]:
    """Verdicts of ``records`` (``engines.records.RECORD_COLUMNS``), decoded ``chunk_records`` at a time.

    Records of several topics and partitions may be mixed; order inside a partition is kept. ``processed_at`` is the
    instant of ingestion, for a contract that keeps it.
    """
    accepted, rejected = [], []
    for one_partition in records.partition_by("topic", "partition", maintain_order=True):
        for chunk in one_partition.iter_slices(chunk_records):
            parsed = _parse_chunk(contract, chunk, processed_at)
            accepted.append(parsed.accepted)
            rejected.append(parsed.rejected)
    if not accepted:
        return empty_frames(contract)
    return ParsedFrames(pl.concat(accepted), pl.concat(rejected))


def empty_frames(contract: Contract) -> ParsedFrames[pl.DataFrame]:
    """What no records become: the two schemas, without a row."""
    parsed = parse_records(contract, "", 0, [], [], [], [])
    return ParsedFrames(parsed.accepted, parsed.rejected)


def _parse_chunk(contract: Contract, chunk: pl.DataFrame, processed_at: datetime | None) -> ParsedFrames[pl.DataFrame]:
    parsed = parse_records(
        contract,
        topic=chunk["topic"][0],
        partition=chunk["partition"][0],
        offsets=chunk["offset"].to_list(),
        timestamps_ms=chunk["timestamp"].dt.epoch("ms").fill_null(NO_TIMESTAMP_MS).to_list(),
        keys=chunk["key"].to_list(),
        values=chunk["value"].to_list(),
        processed_at=processed_at,
    )
    return ParsedFrames(parsed.accepted, parsed.rejected)
