"""Transactions as frames: the columns that the pipeline makes, and a day of real order lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.contracts.transactions import TRANSACTIONS
from streamguard_assets.engines.polars.columns import timestamps
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.engines.polars.soft_rules import repeated_ids
from streamguard_assets_tests.contracts.records import record
from streamguard_assets_tests.contracts.transaction_records import retail_expected, retail_values, transaction

INGESTED = datetime(2026, 2, 1, 6, 30, 0, 250_000, UTC)


def parsed(values: Sequence[bytes | None], **more: Any) -> ParsedChunk:
    rows = len(values)
    return parse_records(TRANSACTIONS, "transactions-stream", 0, range(rows), [1] * rows, None, values, **more)


def test_the_frame_has_the_columns_of_the_contract() -> None:
    for values in ([], [transaction()], [transaction(colour=1), None]):
        accepted = parsed(values, processed_at=INGESTED).accepted
        declared = pl.DataFrame(pa.schema(list(TRANSACTIONS.events_schema())[1:]).empty_table())
        assert accepted.schema == declared.schema


def test_every_row_says_when_it_was_ingested_and_not_what_the_producer_says_of_it() -> None:
    values = [
        transaction(),
        transaction(processing_timestamp="2001-01-01T00:00:00Z"),
        transaction(processing_timestamp=..., colour=1),
    ]
    accepted = parsed(values, processed_at=INGESTED).accepted
    assert accepted["processing_timestamp"].to_list() == [INGESTED] * 3
    assert accepted["extra"].to_list() == [None, None, '{"colour":1}']


def test_the_instant_of_ingestion_is_kept_in_utc() -> None:
    elsewhere = INGESTED.astimezone(timezone(timedelta(hours=-7)))
    assert parsed([transaction()], processed_at=elsewhere).accepted["processing_timestamp"].to_list() == [INGESTED]


def test_records_that_are_only_looked_at_were_not_ingested() -> None:
    accepted = parsed([transaction(processing_timestamp="2001-01-01T00:00:00Z")]).accepted
    assert accepted["processing_timestamp"].to_list() == [None]


def test_a_contract_that_keeps_no_ingestion_ignores_its_instant() -> None:
    with_it = parse_records(SECURITY, "t", 0, [1], [1], None, [record()], processed_at=INGESTED)
    assert with_it.accepted.equals(parse_records(SECURITY, "t", 0, [1], [1], None, [record()]).accepted)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-01-31T23:59:59.999999Z", date(2026, 1, 31)),
        ("2026-02-01T00:00:00Z", date(2026, 2, 1)),
        ("2026-02-01T01:30:00+05:30", date(2026, 1, 31)),
        ("2026-01-31T20:00:00-05:00", date(2026, 2, 1)),
        ("1970-01-01T00:00:00Z", date(1970, 1, 1)),
        ("1969-12-31T23:59:59.999999Z", date(1969, 12, 31)),
        ("1900-03-01T00:00:00Z", date(1900, 3, 1)),
        ("0001-01-01T00:00:00Z", date(1, 1, 1)),
        ("9999-12-31T23:59:59Z", date(9999, 12, 31)),
    ],
)
def test_the_date_is_that_of_the_event_in_utc(instant: str, day: date) -> None:
    assert parsed([transaction(event_timestamp=instant)]).accepted["event_date"].to_list() == [day]


def test_a_date_that_the_producer_wrote_is_an_unknown_field() -> None:
    row = parsed([transaction(event_date="1999-01-01")]).accepted.row(0, named=True)
    assert (row["event_date"], row["extra"]) == (date(2026, 1, 31), '{"event_date":"1999-01-01"}')


def test_what_the_producer_calls_a_batch_is_kept() -> None:
    assert parsed([transaction(batch_id="b"), transaction()]).accepted["batch_id"].to_list() == ["b", None]


instants = st.datetimes(timezones=st.just(UTC)) | st.integers(-62_135_596_800_000, 253_402_300_799_999) | st.none()


@given(st.lists(instants, max_size=20))
def test_instants_in_a_column_are_the_same_to_the_microsecond(stamps: list[datetime | int | None]) -> None:
    column = timestamps("at", stamps)
    expected = [
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=stamp) if isinstance(stamp, int) else stamp
        for stamp in stamps
    ]
    assert column.dtype == pl.Datetime("us", "UTC")
    assert column.to_list() == expected


def test_soft_rules_are_counted_and_reject_nothing() -> None:
    chunk = parsed([transaction(), transaction(quantity=-2, total_amount=-68.0), transaction(category="LIGHTING")])
    assert chunk.accepted.height == 3
    assert {name: hits for name, hits in chunk.soft_rule_hits.items() if hits} == {
        "quantity_range": 1,
        "unknown_category": 1,
    }
    assert repeated_ids([chunk.event_id_hashes]) == 2


def test_a_day_of_real_order_lines_is_accepted_whole() -> None:
    values, known = retail_values(), retail_expected()
    chunk = parsed(values, processed_at=INGESTED)
    rows = chunk.accepted
    assert (rows.height, chunk.rejected.height) == (known["rows"], 0)
    assert rows["transaction_id"].n_unique() == known["rows"]
    assert rows["event_date"].unique().to_list() == [date(2010, 12, 1)]
    assert sum(map(Decimal, map(str, rows["total_amount"]))) == Decimal(known["total_amount_all"])
    completed = rows.filter(pl.col("transaction_status") == "completed")
    assert (completed.height, completed["customer_id"].n_unique()) == (
        known["completed"]["rows"],
        known["completed"]["unique_customers"],
    )
    assert sum(map(Decimal, map(str, completed["total_amount"]))) == Decimal(known["completed"]["total_revenue"])


def test_the_number_of_the_invoice_is_kept_with_each_real_line() -> None:
    rows = parsed(retail_values()).accepted
    invoices = rows["extra"].str.json_path_match("$.invoice_no")
    assert invoices.to_list() == rows["transaction_id"].str.split("-").list.first().to_list()


def test_the_odd_things_of_real_data_are_counted() -> None:
    rows = parsed(retail_values())
    everyone = retail_expected()["rows"]
    returned = 27  # 26 cancelled lines and one adjustment
    assert {name: hits for name, hits in rows.soft_rule_hits.items() if hits} == {
        "unknown_category": everyone,  # LIGHTING, KITCHEN, …
        "unknown_payment_method": everyone,  # unknown
        "unknown_channel": everyone,  # online
        "unknown_region": everyone,  # countries
        "unknown_transaction_status": returned,
        "quantity_range": returned,
    }
    assert repeated_ids([rows.event_id_hashes]) == 0
