"""Retail transactions: which bytes are one, which columns they have, and what is odd about them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.analytics.fixed_point import MONEY
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.registry import contract
from streamguard_assets.contracts.transactions import MOST_SUMMED, TRANSACTIONS
from streamguard_assets.contracts.verdict import Rejection
from streamguard_assets.engines.polars.soft_rules import soft_rule_hits
from streamguard_assets_tests.contracts.records import raw
from streamguard_assets_tests.contracts.transaction_records import TRANSACTION, transaction

UTC_MICROSECONDS = pa.timestamp("us", "UTC")
OPTIONAL = (
    "processing_timestamp",
    "customer_tier",
    "sub_category",
    "brand",
    "discount_percent",
    "tax_amount",
    "card_network",
    "store_id",
    "state",
    "postal_code",
    "device_type",
    "session_id",
    "ip_address",
    "is_fraudulent",
    "fraud_score",
    "batch_id",
)
NO_TEXT = {
    "event_timestamp": UTC_MICROSECONDS,
    "processing_timestamp": UTC_MICROSECONDS,
    "quantity": pa.int32(),
    "unit_price": pa.float64(),
    "discount_percent": pa.float64(),
    "total_amount": pa.float64(),
    "tax_amount": pa.float64(),
    "is_fraudulent": pa.bool_(),
    "fraud_score": pa.float64(),
}


def accepted(value: bytes) -> Any:
    verdict = TRANSACTIONS.decode(value)
    assert not isinstance(verdict, Rejection), verdict
    return verdict


def rejected(value: bytes) -> Rejection:
    verdict = TRANSACTIONS.decode(value)
    assert isinstance(verdict, Rejection), verdict
    return verdict


def test_it_is_found_by_name_and_goes_to_other_processes() -> None:
    assert contract("transactions") is TRANSACTIONS
    received: Contract = pickle.loads(pickle.dumps(TRANSACTIONS))  # noqa: S301
    assert (received.hash, received.events_schema()) == (TRANSACTIONS.hash, TRANSACTIONS.events_schema())


def test_the_columns_are_the_31_fields_then_extra_and_the_date() -> None:
    schema = TRANSACTIONS.arrow_schema()
    assert schema.names == [*TRANSACTION, "extra", "event_date"]
    assert {field.name: field.type for field in schema} == {
        **dict.fromkeys(TRANSACTION, pa.string()),
        **NO_TEXT,
        "extra": pa.string(),
        "event_date": pa.date32(),
    }
    assert [field.name for field in schema if field.nullable] == [*OPTIONAL, "extra"]


def test_what_the_pipeline_says_of_a_row_is_no_content() -> None:
    assert TRANSACTIONS.provenance_columns == ("processing_timestamp",)


def test_a_transaction_is_read_as_it_was_written() -> None:
    event = accepted(transaction())
    assert {name: getattr(event, name) for name in TRANSACTION} == {
        **TRANSACTION,
        "event_timestamp": datetime(2026, 1, 31, 14, 32, 7, 123_000, UTC),
    }
    assert event.extra is None


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_field_may_be_null_or_absent(name: str) -> None:
    assert getattr(accepted(transaction(**{name: None})), name) is None
    assert getattr(accepted(transaction(**{name: ...})), name) is None


@pytest.mark.parametrize("name", [name for name in TRANSACTION if name not in OPTIONAL])
def test_a_required_field_may_be_neither(name: str) -> None:
    for value in (transaction(**{name: None}), transaction(**{name: ...})):
        verdict = rejected(value)
        assert (verdict.code, verdict.json_path) == ("missing_field", f"$.{name}")


@pytest.mark.parametrize("name", ["event_timestamp", "processing_timestamp"])
@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T14:00:00Z", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31T14:00:00.000001z", datetime(2026, 1, 31, 14, 0, 0, 1, UTC)),
        ("2026-01-31T19:30:00+05:30", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2025-12-31T23:15:00.5-00:45", datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)),
        ("2026-01-31 14:00:00+0000", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ],
)
def test_an_instant_may_have_any_offset_and_is_kept_in_utc(name: str, text: str, instant: datetime) -> None:
    assert getattr(accepted(transaction(**{name: text})), name) == instant
    assert getattr(accepted(transaction(**{name: text}, colour=1)), name) == instant


@pytest.mark.parametrize("name", ["event_timestamp", "processing_timestamp"])
@pytest.mark.parametrize(
    ("written", "code", "words"),
    [
        ("2026-01-31T14:00:00", "bad_timestamp", "has no zone"),
        ("2026-01-31", "bad_timestamp", "not ISO-8601 text with a zone"),
        ("2026-02-30T14:00:00Z", "bad_timestamp", "not ISO-8601 text with a zone"),
        ("yesterday", "bad_timestamp", "not ISO-8601 text with a zone"),
        ("", "bad_timestamp", "not ISO-8601 text with a zone"),
        ("0001-01-01T00:00:00+00:01", "bad_timestamp", "outside the years 0001 to 9999"),
        (1_769_868_000_000, "wrong_type", "expected ISO-8601 text"),
        (1_769_868_000.5, "wrong_type", "expected ISO-8601 text"),
        (True, "wrong_type", "expected ISO-8601 text"),
    ],
)
def test_numbers_and_texts_without_a_zone_are_no_instants(name: str, written: Any, code: str, words: str) -> None:
    verdict = rejected(transaction(**{name: written}))
    assert (verdict.code, verdict.json_path) == (code, f"$.{name}")
    assert words in verdict.reason
    assert "epoch" not in verdict.reason


@pytest.mark.parametrize("quantity", [2**31 - 1, -(2**31), 0])
def test_a_quantity_is_any_integer_of_32_bits(quantity: int) -> None:
    assert accepted(transaction(quantity=quantity)).quantity == quantity


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (2**31, "out_of_range"),
        (-(2**31) - 1, "out_of_range"),
        (raw("9" * 30), "out_of_range"),
        (2.0, "wrong_type"),
        ("2", "wrong_type"),
        (True, "wrong_type"),
    ],
)
def test_what_32_bits_do_not_hold_is_no_quantity(written: Any, code: str) -> None:
    verdict = rejected(transaction(quantity=written))
    assert (verdict.code, verdict.json_path) == (code, "$.quantity")
    assert ("32 bits" in verdict.reason) == (code == "out_of_range")


def test_amounts_may_be_written_as_whole_numbers_and_must_be_finite() -> None:
    event = accepted(transaction(unit_price=40, total_amount=68))
    assert (event.unit_price, event.total_amount) == (40.0, 68.0)
    assert rejected(transaction(total_amount=raw("1e999"))).code == "out_of_range"
    assert rejected(transaction(total_amount="68.0")).code == "wrong_type"


def test_unknown_fields_are_kept_and_a_date_of_the_producer_is_one_of_them() -> None:
    event = accepted(transaction(invoice_no="536365", event_date="1999-01-01"))
    assert event.extra == '{"invoice_no":"536365","event_date":"1999-01-01"}'


def test_what_the_producer_calls_a_batch_is_kept() -> None:
    assert accepted(transaction(batch_id="batch-7")).batch_id == "batch-7"


PLAUSIBLE = datetime(2026, 1, 31, tzinfo=UTC)
NO_RULE = dict.fromkeys((rule.name for rule in TRANSACTIONS.soft_rules if rule.broken is not None), 0)

ODD: dict[str, tuple[str, list[Any], int]] = {
    "unknown_customer_tier": ("customer_tier", ["bronze", "platinum", "Gold", None], 1),
    "unknown_category": ("category", ["toys", "LIGHTING", "home garden"], 2),
    "unknown_payment_method": ("payment_method", ["cod", "cash", "unknown"], 2),
    "unknown_card_network": ("card_network", ["visa", None, "maestro"], 1),
    "unknown_transaction_status": ("transaction_status", ["chargeback", "cancelled"], 1),
    "unknown_channel": ("channel", ["pos_in_store", "call_center", "online"], 1),
    "unknown_region": ("region", ["northeast", "central", "United Kingdom", ""], 2),
    "unknown_device_type": ("device_type", ["tablet", "desktop", None, "pos"], 1),
    "discount_percent_range": ("discount_percent", [0.0, 100.0, None, -0.01, 100.01], 2),
    "negative_tax_amount": ("tax_amount", [0.0, None, -0.01, 5.0], 1),
    "fraud_score_range": ("fraud_score", [0.0, 1.0, None, -0.1, 1.1], 2),
    "implausible_event_timestamp": (
        "event_timestamp",
        [datetime(2000, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)],
        2,
    ),
}


def rows(*changes: dict[str, Any]) -> pl.DataFrame:
    """Good rows with some values changed; the total follows the price unless it is given."""
    filled = []
    for change in changes:
        row = {**TRANSACTION, "event_timestamp": PLAUSIBLE, **change}
        if "total_amount" not in change:
            row["total_amount"] = row["quantity"] * row["unit_price"] * (1 - (row["discount_percent"] or 0) / 100)
        filled.append(row)
    empty = pl.DataFrame(TRANSACTIONS.arrow_schema().empty_table())
    return pl.DataFrame(filled, schema={name: empty.schema[name] for name in TRANSACTION})


def hits(frame: pl.DataFrame) -> dict[str, int]:
    """What the parser counts, after every other engine that counts has been seen to agree."""
    counted = soft_rule_hits(TRANSACTIONS, frame)
    by_row = [rule for rule in TRANSACTIONS.soft_rules if rule.broken is not None]
    with duckdb.connect() as connection:
        natives = (frame.lazy(), frame.to_arrow(), connection.from_arrow(frame.to_arrow()))
        for native in natives:
            seen = nw.from_native(native).lazy().select(*(rule.hits() for rule in by_row)).collect()
            assert dict(seen.rows(named=True)[0]) == counted, type(native)
    return counted


def test_a_good_transaction_breaks_no_rule() -> None:
    assert hits(rows({})) == NO_RULE


def test_nulls_break_no_rule() -> None:
    assert hits(rows(dict.fromkeys(OPTIONAL))) == NO_RULE


@pytest.mark.parametrize("name", ODD)
def test_a_rule_counts_the_rows_that_break_it_and_no_other_rule_does(name: str) -> None:
    column, values, expected = ODD[name]
    assert hits(rows(*({column: value} for value in values))) == NO_RULE | {name: expected}


def test_returned_units_and_prices_below_nothing_are_counted() -> None:
    frame = rows({"quantity": 1}, {"quantity": 0}, {"quantity": -3}, {"unit_price": 0.0}, {"unit_price": -0.01})
    assert hits(frame) == NO_RULE | {"quantity_range": 2, "negative_unit_price": 1}


@pytest.mark.parametrize(
    ("quantity", "unit_price", "discount", "total", "differs"),
    [
        (2, 349.99, 15.0, 594.98, False),  # 594.983
        (2, 349.99, 15.0, 594.99, True),
        (2, 349.99, 15.0, 594.97, True),
        (3, 19.99, None, 59.97, False),  # no discount is none
        (3, 19.99, None, 59.98, True),
        (1, 0.25, 50.0, 0.13, False),  # 0.125: sources round half a cent either way
        (1, 0.25, 50.0, 0.12, False),
        (1, 0.25, 50.0, 0.11, True),
        (1, 1.005, None, 1.01, False),
        (1, 1.005, None, 1.0, False),
        (-6, 2.55, 0.0, -15.3, False),
        (-6, 2.55, 0.0, 15.3, True),
        (5, 10.0, 100.0, 0.0, False),
        (2_000_000_000, 4.99, None, 9_980_000_000.0, False),
        (2_000_000_000, 4.99, None, 9_980_000_000.01, True),
        (2_000_000_000, 1e300, None, 1.0, True),
    ],
)
def test_a_total_that_is_not_its_factors_to_the_cent_is_counted(
    quantity: int, unit_price: float, discount: float | None, total: float, differs: bool
) -> None:
    factors = {"quantity": quantity, "unit_price": unit_price, "discount_percent": discount}
    counted = hits(rows({**factors, "total_amount": total}))
    assert counted["total_amount_mismatch"] == int(differs)


cents = st.integers(0, 10_000_000).map(lambda amount: Decimal(amount) / 100)


@given(st.integers(-10_000, 10_000), cents, st.none() | st.integers(0, 10_000), st.integers(-3, 3))
def test_totals_are_judged_as_exact_arithmetic_judges_them(
    quantity: int, price: Decimal, discount_hundredths: int | None, cents_off: int
) -> None:
    discount = None if discount_hundredths is None else Decimal(discount_hundredths) / 100
    exact = quantity * price * (1 - (discount or Decimal(0)) / 100)
    total = exact.quantize(Decimal("0.01")) + Decimal(cents_off) / 100
    frame = rows(
        {
            "quantity": quantity,
            "unit_price": float(price),
            "discount_percent": None if discount is None else float(discount),
            "total_amount": float(total),
        }
    )
    counted = soft_rule_hits(TRANSACTIONS, frame)["total_amount_mismatch"]
    assert counted == int(abs(total - exact) > Decimal("0.005"))


def test_every_rule_has_words() -> None:
    assert all(rule.description and rule.columns for rule in TRANSACTIONS.soft_rules)
    assert [rule.name for rule in TRANSACTIONS.soft_rules if rule.broken is None] == ["repeated_transaction_id"]


def test_amounts_that_analyses_leave_out_of_their_sums_are_counted() -> None:
    assert MONEY.bound == MOST_SUMMED
    odd = ({"total_amount": 1e13}, {"total_amount": 1e12}, {"unit_price": -2e12, "total_amount": 0.0})
    found = hits(rows(*odd))
    assert (found["total_amount_beyond_sums"], found["unit_price_beyond_sums"]) == (1, 1)
