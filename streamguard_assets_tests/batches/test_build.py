"""A batch is every record of its offsets once, whatever became of earlier attempts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.analytics.analyses.report import run_analyses
from streamguard_assets.batches.build import build_raw, build_results, tables_of
from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.errors import BatchOvertaken, BatchTopicRecreated
from streamguard_assets.batches.request import Batch
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.tables import open_table
from streamguard_assets.windows import reading
from streamguard_assets.windows.conservation import ConservationError
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.view import LedgerWindow
from streamguard_assets_tests.batches.rig import NOW, BatchRig, RigFactory, transactions
from streamguard_assets_tests.contracts.transaction_records import retail_expected, retail_values

pytestmark = [pytest.mark.broker]

PLACE = ["kafka_partition", "kafka_offset"]


def filled(rig: BatchRig) -> BatchRig:
    rig.produce(transactions(40))
    rig.produce([*transactions(20, first=40), b"{", None], partition=1)
    return rig


def test_a_batch_holds_every_record_of_its_offsets_once(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    rig.produce(transactions(9, first=100))  # too late
    record = rig.build(batch)
    rows = rig.raw(batch)
    assert (record.row_count, record.rejected) == (60, 2)
    assert rows["transaction_id"].n_unique() == rows.height == 60
    assert rows["batch_id"].unique().to_list() == [batch.batch_id]
    assert rows["processing_timestamp"].unique().to_list() == [NOW]
    rejected = tables_of(rig.stream, batch.batch_id).quarantine.scan().sort(PLACE).collect()
    assert rejected.select(*PLACE, "code", "value").rows() == [(1, 20, "not_json", b"{"), (1, 21, "tombstone", None)]


def test_raw_rows_are_partitioned_by_category(rig: BatchRig) -> None:
    batch = filled(rig).pin(analysis="none")
    rig.build(batch)
    table = open_table(tables_of(rig.stream, batch.batch_id).raw.uri, {})
    assert table.metadata().partition_columns == ["category"]
    counts = dict(rig.raw(batch).group_by("category").len().rows())
    assert counts == {"books": 20, "toys & games": 20, "": 20}  # Delta itself has no empty text as a partition


def test_the_same_offsets_as_a_window_give_the_same_rows_and_results(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    rig.build(batch)
    window = "2026-01-31-14:00"
    with Ingest(rig.stream, "run", NOW) as ingest:
        ingest.window(LedgerWindow(window, batch.range, closed=True))
    events = rig.stream.table("events").scan([window])
    expected = run_analyses(events, [analysis(name) for name in batch.analyses])
    for name in batch.analyses:
        assert rig.result(batch, name).equals(expected[name]), name
    made = ["batch_id", "processing_timestamp"]
    rows = rig.raw(batch).sort(PLACE).drop(made)
    assert rows.equals(events.sort(PLACE).collect().select(rows.columns))


def test_a_real_day_gives_exactly_the_known_figures(make_rig: RigFactory) -> None:
    rig = make_rig(3)
    for partition in range(3):
        rig.produce(retail_values()[partition::3], partition)
    batch = rig.pin()
    assert rig.build(batch).row_count == retail_expected()["rows"]
    result = rig.result(batch, "revenue_by_category")
    figures = {
        row["category"]: (Decimal(str(row["total_revenue"])), row["transaction_count"], row["total_units_sold"])
        for row in result.iter_rows(named=True)
    }
    assert figures == {
        each["key"]: (Decimal(each["total_revenue"]), each["transaction_count"], each["total_units_sold"])
        for each in retail_expected()["completed"]["by_category"]
    }


def test_worker_processes_give_the_same_batch(make_rig: RigFactory) -> None:
    rig = filled(make_rig(ingest={"workers": 2, "parallel_from_records": 10}))
    batch = rig.pin()
    rig.build(batch)
    raw = tables_of(rig.stream, batch.batch_id).raw.required()
    assert (raw.rows, raw.details["workers"], raw.details["rejected"]) == (60, 2, 2)


def test_doing_it_again_gives_the_same_rows_and_not_more(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    first = rig.build(batch, "first")
    content = tables_of(rig.stream, batch.batch_id).raw.required().content_hash
    rows = rig.raw(batch).sort(PLACE)
    assert rig.build(batch, "second") == first
    again = tables_of(rig.stream, batch.batch_id).raw.required()
    assert (again.content_hash, again.attempt[:6]) == (content, "second")
    assert rig.raw(batch).sort(PLACE).equals(rows)


def test_an_empty_range_is_a_batch_of_no_rows(rig: BatchRig) -> None:
    batch = rig.pin()
    record = rig.build(batch)
    assert (record.row_count, record.rejected, record.rejected_path) == (0, 0, None)
    assert rig.raw(batch).is_empty()
    assert rig.result(batch, "revenue_by_category").is_empty()


def test_retention_that_overtakes_it_leaves_nothing(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    rig.delete_before(7)
    with pytest.raises(BatchOvertaken, match=r"partition 0 no longer has the offsets \[0, 7\)"):
        build_raw(rig.stream, batch, "run", NOW)
    assert not tables_of(rig.stream, batch.batch_id).raw.exists()
    assert CompletedBatches(rig.stream).complete(batch, NOW) is None


def test_a_topic_made_anew_is_not_the_one_that_was_pinned(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    rig.recreate_topic()
    filled(rig)
    with pytest.raises(BatchTopicRecreated, match="was recreated after"):
        build_raw(rig.stream, batch, "run", NOW)
    assert not tables_of(rig.stream, batch.batch_id).raw.exists()


def test_a_lost_record_is_found_before_the_commit(rig: BatchRig, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = filled(rig).pin()
    parse = reading.parse_records

    def forgetful(*args: Any, **options: Any) -> Any:
        parsed = parse(*args, **options)
        return type(parsed)(**{**vars(parsed), "accepted": parsed.accepted.head(-1)})

    monkeypatch.setattr(reading, "parse_records", forgetful)
    with pytest.raises(ConservationError, match="without a verdict"):
        build_raw(rig.stream, batch, "run", NOW)
    assert not tables_of(rig.stream, batch.batch_id).raw.exists()


def test_it_is_completed_when_all_that_was_asked_is_there_and_not_before(rig: BatchRig) -> None:
    batch = filled(rig).pin()
    with pytest.raises(TableMissing):
        build_results(rig.stream, batch, batch.analyses, "run")
    build_raw(rig.stream, batch, "run", NOW)
    build_results(rig.stream, batch, batch.analyses[:-1], "run")
    assert CompletedBatches(rig.stream).complete(batch, NOW) is None
    build_results(rig.stream, batch, batch.analyses[-1:], "run")
    record = CompletedBatches(rig.stream).complete(batch, NOW)
    assert record is not None
    assert CompletedBatches(rig.again()).records() == {batch.batch_id: record}


def test_results_of_other_rows_do_not_complete_it(rig: BatchRig) -> None:
    first, second = filled(rig).pin(analysis="revenue_by_category"), rig.pin(analysis="revenue_by_category")
    build_raw(rig.stream, first, "run", NOW)
    build_results(rig.stream, first, first.analyses, "run")
    other = Batch.from_json({**second.to_json(), "batch_id": first.batch_id, "offsets": {"0": [0, 3]}})
    build_raw(rig.stream, other, "run", NOW)
    assert CompletedBatches(rig.stream).complete(other, NOW) is None
