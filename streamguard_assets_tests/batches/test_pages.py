"""Pages are stable: put together they are every row once, in the order of event time, partition and offset."""

from __future__ import annotations

import polars as pl
import pytest

from streamguard_assets.batches.errors import BatchNotReady, UnknownResult
from streamguard_assets.batches.pages import raw_page, result_page
from streamguard_assets.batches.record import BatchRecord, BatchStatus
from streamguard_assets_tests.batches.rig import BatchRig, transactions

pytestmark = [pytest.mark.broker]

ORDER = ["event_timestamp", "kafka_partition", "kafka_offset"]


def test_pages_together_are_every_row_once_in_order(rig: BatchRig) -> None:
    rig.produce(reversed(transactions(25)))
    rig.produce(transactions(25), partition=1)
    batch = rig.pin(analysis="revenue_by_category")
    record = rig.build(batch)
    pages = [raw_page(rig.stream, record, 7, offset) for offset in range(0, 56, 7)]
    assert [page.rows.height for page in pages] == [7, 7, 7, 7, 7, 7, 7, 1]
    assert [page.has_more for page in pages] == [True] * 7 + [False]
    together = pl.concat([page.rows for page in pages])
    assert together.equals(rig.raw(batch).sort(ORDER))
    assert raw_page(rig.again(), record, 7, 7).rows.equals(pages[1].rows)
    assert raw_page(rig.stream, record, 7, 50).rows.is_empty()


def test_a_result_is_paged_in_its_own_order(rig: BatchRig) -> None:
    rig.produce(transactions(30))
    batch = rig.pin()
    record = rig.build(batch)
    whole = rig.result(batch, "revenue_by_category")
    first, second = (result_page(rig.stream, record, "revenue_by_category", 2, offset) for offset in (0, 2))
    assert (first.total, first.has_more, second.has_more) == (3, True, False)
    assert pl.concat([first.rows, second.rows]).equals(whole)


def test_a_result_that_was_not_asked_for_is_refused_with_those_that_were(rig: BatchRig) -> None:
    rig.produce(transactions(3))
    record = rig.build(rig.pin(analysis="fraud_analysis"))
    with pytest.raises(UnknownResult, match="it has fraud_analysis"):
        result_page(rig.stream, record, "hourly_trends", 10, 0)


@pytest.mark.parametrize(("status", "error"), [(BatchStatus.RUNNING, None), (BatchStatus.FAILED, "cancelled")])
def test_a_batch_that_is_not_whole_has_no_pages(rig: BatchRig, status: BatchStatus, error: str | None) -> None:
    record = BatchRecord(rig.pin(), status, error=error)
    with pytest.raises(BatchNotReady, match=error or "once it is COMPLETED"):
        raw_page(rig.stream, record, 10, 0)
