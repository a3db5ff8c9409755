"""Transactions in windows: real order lines, the columns that the pipeline makes, and a contract that gains a field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.registry import CONTRACTS
from streamguard_assets.contracts.transactions import TRANSACTIONS, TransactionEvent
from streamguard_assets.lake.errors import SchemaConflict
from streamguard_assets.lake.tables import stored_schema
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.production import send_lines
from streamguard_assets.windows.replay import Replayed, replay
from streamguard_assets_tests.contracts.transaction_records import retail_expected, retail_values, transaction
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.rig import START, STREAM, Rig, at, key

pytestmark = [pytest.mark.broker]

WORKERS: list[dict[str, Any]] = [{"workers": 1}, {"workers": 2, "parallel_from_records": 2}]


class WithCoupon(TransactionEvent, kw_only=True):
    """The contract as it may be next year: one optional field more."""

    coupon: str | None = None


class WithNumberedCoupon(TransactionEvent, kw_only=True):
    """The same field with another type."""

    coupon: float | None = None


class Cityless(TransactionEvent, kw_only=True):
    """A transaction whose city may be absent."""

    city: str | None = None  # type: ignore[assignment]


LATER: Contract = replace(TRANSACTIONS, name="transactions-later", event=WithCoupon)
CONFLICTING: Contract = replace(TRANSACTIONS, name="transactions-conflicting", event=WithNumberedCoupon)
WITHOUT_CITY: Contract = replace(TRANSACTIONS, name="transactions-without-city", event=Cityless)


@pytest.fixture(autouse=True)
def other_contracts() -> Iterator[None]:
    """The other versions of the contract are known while a test runs."""
    with pytest.MonkeyPatch.context() as patch:
        for contract in (LATER, CONFLICTING, WITHOUT_CITY):
            patch.setitem(CONTRACTS, contract.name, contract)
        yield


def retail_rig(make_rig: RigFactory, stream: dict[str, Any] | None = None, **sections: Any) -> Rig:
    return make_rig(stream={"contract": "transactions", **(stream or {})}, **sections)


def under(rig: Rig, contract: Contract) -> Rig:
    """The same stream and lake, as a process under another version of the contract has them."""
    changed = rig.settings.streams[STREAM].model_copy(update={"contract": contract.name})
    return Rig(rig.settings.model_copy(update={"streams": {**rig.settings.streams, STREAM: changed}}))


def lines(*numbers: int, **changes: Any) -> list[bytes]:
    return [transaction(transaction_id=f"t-{number}", **changes) for number in numbers]


def column(rig: Rig, name: str, hour: int) -> list[Any]:
    return rig.events(hour)[name].to_list()


def stored(rig: Rig) -> pa.Schema:
    return stored_schema(rig.stream.table("events").uri, rig.stream.location.storage_options)


@pytest.mark.parametrize("ingest", WORKERS, ids=["one process", "two workers"])
def test_every_row_of_a_run_says_when_the_run_took_it_in(make_rig: RigFactory, ingest: dict[str, Any]) -> None:
    rig = retail_rig(make_rig, ingest=ingest)
    rig.produce(lines(0, 1, 2, processing_timestamp="2001-01-01T00:00:00Z"))
    rig.produce(lines(3, 4), partition=1)
    rig.produce(lines(5), hour=1)
    rig.keep(2)
    rig.ingest(0, 1, now=5)
    assert rig.events()["processing_timestamp"].to_list() == [at(5)] * 6
    assert rig.violations() == []


def test_the_date_of_the_event_is_a_column_of_the_table(make_rig: RigFactory) -> None:
    rig = retail_rig(make_rig)
    rig.produce(
        lines(0, event_timestamp="2025-03-04T01:00:00+05:30") + lines(1, event_timestamp="2025-03-04T00:00:00Z")
    )
    rig.keep(1)
    rig.ingest(0)
    assert stored(rig).field("event_date").type == pa.date32()
    assert stored(rig).names == TRANSACTIONS.events_schema().names
    assert column(rig, "event_date", 0) == [date(2025, 3, 3), date(2025, 3, 4)]


def test_a_window_built_at_another_time_has_the_same_content(make_rig: RigFactory) -> None:
    rig = retail_rig(make_rig)
    rig.produce(lines(0, 1))
    rig.keep(1)
    (first,), (second,) = rig.ingest(0, now=2), rig.again().ingest(0, now=3)
    assert (first.content_hash, first.inputs_hash) == (second.content_hash, second.inputs_hash)
    assert column(rig.again(), "processing_timestamp", 0) == [at(3)] * 2
    assert rig.violations() == []


def test_rows_that_are_replayed_say_when_and_the_others_keep_their_time(make_rig: RigFactory) -> None:
    rig = retail_rig(make_rig)
    rig.produce([*lines(0), *lines(1, city=...), *lines(2)])
    rig.keep(1)
    rig.ingest(0, now=2)
    lenient = under(rig, WITHOUT_CITY)
    assert replay(lenient.stream, [key(0)], "replay", at(9)) == [Replayed(key(0), landed=1, still_rejected=0)]
    assert column(lenient, "processing_timestamp", 0) == [at(2), at(9), at(2)]
    assert column(lenient, "event_date", 0) == [date(2026, 1, 31)] * 3
    assert lenient.violations() == []


def test_a_new_optional_field_is_a_new_column_and_old_rows_read_null(make_rig: RigFactory) -> None:
    old = retail_rig(make_rig)
    old.produce(lines(0, 1))
    old.produce(lines(2, coupon="SPRING"), hour=1)
    old.keep(2)
    old.ingest(0)
    new = under(old, LATER)
    new.ingest(1)
    assert stored(new).names == [*TRANSACTIONS.events_schema().names, "coupon"]
    assert (column(new, "coupon", 0), column(new, "coupon", 1)) == ([None, None], ["SPRING"])
    assert column(new, "extra", 1) == [None]
    assert new.violations() == []


def test_an_old_reader_reads_on_and_an_old_writer_writes_on(make_rig: RigFactory) -> None:
    old = retail_rig(make_rig)
    for hour in range(3):
        old.produce(lines(hour, coupon="SPRING"), hour=hour)
    old.keep(3)
    old.ingest(0)
    before = column(old, "transaction_id", 0)
    under(old, LATER).ingest(1)
    assert (column(old, "transaction_id", 0), column(old, "transaction_id", 1)) == (before, ["t-1"])
    assert "coupon" not in old.events().columns
    old.ingest(2)  # with the table object that it had open before the column came
    assert column(old, "extra", 2) == ['{"coupon":"SPRING"}']
    new = under(old, LATER)
    assert [column(new, "coupon", hour) for hour in range(3)] == [[None], ["SPRING"], [None]]
    assert old.violations() == new.violations() == []


def test_a_window_built_again_fills_the_new_column_from_the_log(make_rig: RigFactory) -> None:
    old = retail_rig(make_rig)
    old.produce(lines(0, coupon="SPRING") + lines(1))
    old.keep(1)
    old.ingest(0)
    assert column(old, "extra", 0) == ['{"coupon":"SPRING"}', None]
    new = under(old, LATER)
    new.ingest(0)
    assert (column(new, "coupon", 0), column(new, "extra", 0)) == (["SPRING", None], [None, None])
    assert new.violations() == []


def test_rows_without_the_new_field_have_the_content_that_they_had(make_rig: RigFactory) -> None:
    old = retail_rig(make_rig)
    old.produce(lines(0, 1))
    old.keep(1)
    (before,), (after,) = old.ingest(0), under(old, LATER).ingest(0)
    assert before.content_hash == after.content_hash
    assert before.inputs_hash != after.inputs_hash


def test_a_field_that_changes_its_type_is_refused_and_nothing_is_committed(make_rig: RigFactory) -> None:
    rig = retail_rig(make_rig)
    rig.produce(lines(0, coupon="SPRING"))
    rig.produce(lines(1, coupon=5), hour=1)
    rig.keep(2)
    under(rig, LATER).ingest(0)
    with pytest.raises(SchemaConflict, match=r"coupon is .* in the table and .* in the code"):
        under(rig, CONFLICTING).ingest(1)
    assert list(under(rig, LATER).stream.table("events").commits()) == [key(0)]


DAY = datetime(2010, 12, 1, tzinfo=UTC)


def test_a_day_of_real_order_lines_lands_in_its_daily_window(make_rig: RigFactory) -> None:
    rig = retail_rig(make_rig, stream={"window_minutes": 1440, "start": DAY}, partitions=3)
    sent = send_lines(rig.stream, retail_values(), by_event_time=True)
    known = retail_expected()
    assert (sent.report.produced, sent.report.unstamped) == (known["rows"], 0)
    keep_ledger(rig.stream, datetime(2010, 12, 2, tzinfo=UTC))
    (window,) = closed_windows(rig.stream)
    assert window.key == "2010-12-01-00:00"
    with Ingest(rig.stream, "day", START) as ingest:
        commit = ingest.window(window)
    assert commit is not None
    assert (commit.rows, commit.details["rejected"]) == (known["rows"], 0)
    assert {name: hits for name, hits in commit.details["soft_rule_hits"].items() if hits} == {
        "unknown_category": 3_108,
        "unknown_payment_method": 3_108,
        "unknown_channel": 3_108,
        "unknown_region": 3_108,
        "unknown_transaction_status": 27,
        "quantity_range": 27,
    }
    rows = rig.events()
    assert rows["extra"].str.json_path_match("$.invoice_no").null_count() == 0
    assert rows["event_date"].unique().to_list() == [DAY.date()]
    assert sum(map(Decimal, map(str, rows["total_amount"]))) == Decimal(known["total_amount_all"])
    assert (rows["kafka_timestamp"] == rows["event_timestamp"]).all()
    assert rows.filter(pl.col("transaction_status") == "completed").height == known["completed"]["rows"]
    assert rig.violations() == []
