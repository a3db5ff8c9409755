"""Raw records to columns on Spark, by the very decoder that the Polars engine uses.

Spark's own ``from_json`` takes numbers for strings and the reverse, and nothing shows afterwards. So the strict
decoder runs inside Spark's Python workers (``mapInArrow``), and one pass gives both verdicts: every record becomes
one row with two struct columns, ``accepted`` and ``rejected``, of which exactly one is not null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.functions import col
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.polars.records import empty_frames, parse_record_frame
from streamguard_assets.engines.records import RECORD_COLUMNS, ParsedFrames

ACCEPTED, REJECTED = "accepted", "rejected"

BatchMap = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def verdicts(contract: Contract, records: DataFrame, processed_at: datetime | None = None) -> DataFrame:
    """One row per record: ``accepted`` struct or ``rejected`` struct, the other null.

    ``records`` has the columns of Spark's Kafka source (``engines.records.RECORD_COLUMNS``; others are dropped).
    ``processed_at`` is the instant of ingestion, for a contract that keeps it: one for all, whichever worker decodes.
    Nothing is computed yet, and each action on the result decodes again: see ``split_verdicts`` for using it twice.
    """
    schema = from_arrow_schema(_joined(empty_frames(contract)).to_arrow().schema)
    time_zone = records.sparkSession.conf.get("spark.sql.session.timeZone")
    decode = _decoder(contract, to_arrow_schema(schema, timezone=time_zone), processed_at)
    return records.select(*RECORD_COLUMNS).mapInArrow(decode, schema)


def split_verdicts(verdict_rows: DataFrame) -> ParsedFrames[DataFrame]:
    """The accepted rows and the rejected rows, as the Polars engine gives them."""
    return ParsedFrames(_only(verdict_rows, ACCEPTED), _only(verdict_rows, REJECTED))


def parse_records(
    contract: Contract, records: DataFrame, processed_at: datetime | None = None
) -> ParsedFrames[DataFrame]:
    """Both frames, lazily. Two actions decode twice; where both are used, prefer ``parsed_once``."""
    return split_verdicts(verdicts(contract, records, processed_at))


@contextmanager
def parsed_once(
    contract: Contract, records: DataFrame, processed_at: datetime | None = None
) -> Iterator[ParsedFrames[DataFrame]]:
    """Both frames over verdicts that are kept (in memory, spilling to disk), so records are read and decoded once.

    Without it a second action asks Kafka again, and what retention removed in between would be missing from it.
    """
    kept = verdicts(contract, records, processed_at).persist()
    try:
        yield split_verdicts(kept)
    finally:
        kept.unpersist()


def _decoder(contract: Contract, schema: pa.Schema, processed_at: datetime | None) -> BatchMap:
    """The function that the Python workers run on each Arrow batch."""
    # A fresh copy travels to the workers: the one in use has built its decoder, which cannot be pickled.
    contract = replace(contract)

    def decode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            records = pl.DataFrame(batch)
            rows = _joined(parse_record_frame(contract, records, max(1, records.height), processed_at))
            # Polars has 64-bit string offsets, Spark 32-bit ones: cast, or the JVM refuses the batch.
            yield from rows.to_arrow().cast(schema).to_batches()

    return decode


def _joined(parsed: ParsedFrames[pl.DataFrame]) -> pl.DataFrame:
    frames = {ACCEPTED: parsed.accepted, REJECTED: parsed.rejected}
    rows = [frame.select(pl.struct(pl.all()).alias(name)) for name, frame in frames.items()]
    return pl.concat(rows, how="diagonal").select(ACCEPTED, REJECTED)


def _only(verdict_rows: DataFrame, column: str) -> DataFrame:
    return verdict_rows.where(col(column).isNotNull()).select(f"{column}.*")
