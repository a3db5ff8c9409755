"""Each transaction is one that the contract accepts, with money that adds up and nulls where they belong."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec
import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from streamguard_assets.contracts.transactions import TRANSACTIONS
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.generators.accounts import stream_of_chance
from streamguard_assets.generators.retail.distributions import (
    CARD_METHODS,
    CATEGORIES,
    DEVICES,
    FRAUD_SCORES,
    HONEST_SCORES,
    STORE_CHANNELS,
    PoolSizes,
    category_weights,
)
from streamguard_assets.generators.retail.pools import make_pools
from streamguard_assets.generators.retail.transactions import FIELDS, draw_transactions, json_values
from streamguard_assets_tests.generators.retail.samples import START_MS, live_rows

ROWS = live_rows()
FEW = ROWS.head(5_000)


def test_the_columns_are_the_fields_of_the_contract_in_its_order_and_types() -> None:
    assert ROWS.columns == list(FIELDS)
    assert len(FIELDS) == 31
    declared = pl.from_arrow(TRANSACTIONS.arrow_schema().empty_table())
    assert isinstance(declared, pl.DataFrame)
    assert ROWS.schema == declared.select(FIELDS).schema


def test_the_contract_accepts_every_event_and_no_soft_rule_objects() -> None:
    verdicts = TRANSACTIONS.decode_all(json_values(FEW))
    assert list(verdicts.rejections) == []
    assert all(event.extra is None for event in verdicts.events)
    by_row = [rule for rule in TRANSACTIONS.soft_rules if rule.broken is not None]
    assert ROWS.select(rule.hits(pl) for rule in by_row).row(0) == (0,) * len(by_row)
    assert ROWS["transaction_id"].n_unique() == ROWS.height


def test_the_parsed_values_are_the_rows() -> None:
    parsed = parse_records(
        TRANSACTIONS, "t", 0, range(FEW.height), [START_MS] * FEW.height, None, json_values(FEW)
    ).accepted
    apart = ["processing_timestamp"]  # set at ingestion
    assert_frame_equal(parsed.select(FIELDS).drop(apart), FEW.drop(apart))


def test_every_document_has_all_fields_in_order_with_instants_to_the_millisecond() -> None:
    document = msgspec.json.decode(json_values(FEW)[7])
    assert list(document) == list(FIELDS)
    assert document["event_timestamp"] == "2026-01-28T08:00:00.070Z"
    assert document["processing_timestamp"] is document["batch_id"] is None


def test_ids_are_uuids_of_version_4() -> None:
    assert (
        ROWS["transaction_id"]
        .str.contains(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        .all()
    )


def test_amounts_are_exact_to_the_cent_and_halves_are_rounded_up() -> None:
    cent = Decimal("0.01")
    for row in FEW.iter_rows(named=True):
        price, discount = Decimal(str(row["unit_price"])), Decimal(str(row["discount_percent"]))
        total = (row["quantity"] * price * (1 - discount / 100)).quantize(cent, ROUND_HALF_UP)
        assert Decimal(str(row["total_amount"])) == total
        assert Decimal(str(row["tax_amount"])) == (total * 9 / 100).quantize(cent, ROUND_HALF_UP)
        assert price == price.quantize(cent)


def test_prices_are_those_of_the_category() -> None:
    for name, category in CATEGORIES.items():
        prices = ROWS.filter(pl.col("category") == name)["unit_price"]
        assert prices.is_between(category.lowest_cents / 100, category.highest_cents / 100).all()


def test_only_cards_have_a_network() -> None:
    is_card = ROWS["payment_method"].is_in(CARD_METHODS)
    assert (ROWS["card_network"].is_not_null() == is_card).all()


def test_only_store_channels_have_a_store() -> None:
    assert (ROWS["store_id"].is_not_null() == ROWS["channel"].is_in(STORE_CHANNELS)).all()


def test_only_digital_channels_have_a_device_a_session_and_a_masked_address() -> None:
    is_digital = ROWS["channel"].is_in(list(DEVICES))
    for name in ("device_type", "session_id", "ip_address"):
        assert (ROWS[name].is_not_null() == is_digital).all()
    assert ROWS["session_id"].drop_nulls().str.contains("^sess-[0-9a-f]{12}$").all()
    assert ROWS["ip_address"].drop_nulls().str.contains(r"^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.xxx\.xxx$").all()


def test_scores_tell_fraud_apart() -> None:
    for fraudulent, (low, high) in ((True, FRAUD_SCORES), (False, HONEST_SCORES)):
        scores = ROWS.filter(pl.col("is_fraudulent") == fraudulent)["fraud_score"]
        assert scores.is_between(low, high).all()
        assert scores.max() - scores.min() > 0.9 * (high - low)  # pyright: ignore


def test_nothing_and_all_can_be_fraudulent() -> None:
    pools, times = make_pools(PoolSizes()), np.full(1_000, START_MS)
    for rate, frauds in ((0.0, 0), (1.0, 1_000)):
        rows = draw_transactions(stream_of_chance(1, "x"), pools, times, rate, category_weights())
        assert rows["is_fraudulent"].sum() == frauds


def test_events_happen_when_they_were_told_to() -> None:
    first, last = ROWS["event_timestamp"][0], ROWS["event_timestamp"][-1]
    assert first == datetime(2026, 1, 28, 8, tzinfo=UTC)
    assert (last - first).total_seconds() == (ROWS.height - 1) / 100
