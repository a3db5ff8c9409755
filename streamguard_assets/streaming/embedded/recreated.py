"""What becomes of the live rows of a topic that was made anew: they are kept, under another name."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
from deltalake import write_deltalake

from streamguard_assets.lake.live.table import FOLDER, LiveTable
from streamguard_assets.streaming.live_tables import live_events, live_quarantine
from streamguard_assets.windows.stream import Stream

BATCH_ROWS = 100_000
"""Rows that are copied at a time; bounds memory."""


def set_aside(stream: Stream) -> None:
    """Copy the live rows of the topic that is gone to ``live/<name>_before_<epoch>``.

    In the live tables their offsets would be taken for those of the new topic; nowhere else do rows stand that no
    window holds yet. Done before the take-over that removes them, and again, to the same end, after a crash between.
    """
    for table in (live_events(stream), live_quarantine(stream)):
        _copy(stream, table)


def _copy(stream: Stream, table: LiveTable) -> None:
    found = table.snapshot()
    if found is None or not found.state.topic_id:
        return
    name = f"{FOLDER}/{table.name}_before_{found.state.epoch}"
    write_deltalake(
        stream.location.table(stream.name, name),
        _record_batches(table.as_stored().scan(found.version)),
        mode="overwrite",
        description=f"{table.description}; of topic {found.state.topic} with id {found.state.topic_id}, which is gone",
        storage_options=dict(stream.location.storage_options),
    )


def _record_batches(rows: pl.LazyFrame) -> pa.RecordBatchReader:
    """``rows`` as they are read: a day of live rows may be more than memory holds."""

    def batches() -> Iterator[pa.RecordBatch]:
        for frame in rows.collect_batches(chunk_size=BATCH_ROWS):
            yield from frame.to_arrow().to_batches()

    return pa.RecordBatchReader.from_batches(rows.collect_schema().to_frame().to_arrow().schema, batches())
