"""Pages of a batch's rows. The same page is the same rows, whoever asks and whenever."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from streamguard_assets.batches.build import tables_of
from streamguard_assets.batches.errors import BatchNotReady, UnknownResult
from streamguard_assets.batches.record import BatchRecord, BatchStatus
from streamguard_assets.windows.stream import Stream

_PLACE = ["kafka_partition", "kafka_offset"]


@dataclass(frozen=True)
class Page:
    """``rows`` from ``offset`` on, at most ``limit`` of ``total``."""

    rows: pl.DataFrame
    limit: int
    offset: int
    total: int

    @property
    def has_more(self) -> bool:
        return self.offset + self.rows.height < self.total


def raw_page(stream: Stream, record: BatchRecord, limit: int, offset: int) -> Page:
    """Raw rows by event time, then partition and offset.

    Raises:
        BatchNotReady: the batch has not completed.
    """
    _refuse_unready(record)
    rows = tables_of(stream, record.batch.batch_id).raw.scan()
    if offset >= (record.row_count or 0):
        return Page(pl.DataFrame(schema=rows.collect_schema()), limit, offset, record.row_count or 0)
    order = [stream.contract.time_column, *_PLACE]
    # The keys first, and all columns of the page alone: sorting whole rows would hold every one of them in memory.
    wanted = rows.select(order).sort(order).slice(offset, limit).collect()
    page = rows.join(wanted.lazy(), on=_PLACE, how="semi").sort(order).collect()
    return Page(page, limit, offset, record.row_count or 0)


def result_page(stream: Stream, record: BatchRecord, analysis: str, limit: int, offset: int) -> Page:
    """Rows of one result in the order that the analysis gave them.

    Raises:
        BatchNotReady: the batch has not completed.
        UnknownResult: the batch did not run that analysis.
    """
    _refuse_unready(record)
    if analysis not in record.batch.analyses:
        raise UnknownResult(record.batch.batch_id, analysis, record.batch.analyses)
    rows = tables_of(stream, record.batch.batch_id).aggregated(analysis).scan()
    total = rows.select(pl.len()).collect().item()
    return Page(rows.slice(offset, limit).collect(), limit, offset, total)


def _refuse_unready(record: BatchRecord) -> None:
    if record.status is not BatchStatus.COMPLETED:
        raise BatchNotReady(record.batch.batch_id, record.status.value, record.error)
