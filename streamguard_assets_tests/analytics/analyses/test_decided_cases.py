"""What the definitions leave open, and how it is decided."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets_tests.analytics.analyses.transactions import NOON, Transaction, frame, transaction


def results(name: str, *rows: Transaction) -> list[dict[str, Any]]:
    return analysis(name)(frame(rows)).to_dicts()


def result(name: str, *rows: Transaction) -> dict[str, Any]:
    (only,) = results(name, *rows)
    return only


def test_a_customer_whose_tier_changes_is_one_row_with_the_tier_of_the_latest_purchase_that_names_one() -> None:
    silver, gold, none = (
        transaction(customer_tier=tier, event_timestamp=NOON + timedelta(hours=hour))
        for tier, hour in (("silver", 0), ("gold", 1), (None, 2))
    )

    assert result("customer_segmentation", gold, none, silver)["customer_tier"] == "gold"


def test_of_several_tiers_at_the_same_instant_the_greatest_name_counts() -> None:
    rows = [transaction(customer_tier=tier) for tier in ("gold", "silver", "bronze")]

    assert result("customer_segmentation", *rows)["customer_tier"] == "silver"


def test_a_later_tier_of_a_purchase_that_was_not_completed_does_not_count() -> None:
    failed = transaction(customer_tier="gold", event_timestamp=NOON + timedelta(hours=1), transaction_status="failed")

    assert result("customer_segmentation", transaction(customer_tier="silver"), failed)["customer_tier"] == "silver"


@pytest.mark.parametrize(
    ("amounts", "segment"),
    [
        ([10_000.0], "vip"),
        ([9_999.99, 0.01], "vip"),
        ([9_999.99], "high_value"),
        ([5_000.0], "high_value"),
        ([4_999.99], "mid_value"),
        ([999.99], "one_time"),
        ([999.98, 0.01], "low_value"),
        ([-5.0], "one_time"),
    ],
)
def test_a_segment_begins_at_its_value(amounts: list[float], segment: str) -> None:
    rows = [transaction(total_amount=amount) for amount in amounts]

    assert result("customer_segmentation", *rows)["segment"] == segment


def test_shares_of_a_total_of_zero_are_unknown() -> None:
    rows = [transaction(total_amount=5.0, payment_method="cod"), transaction(total_amount=-5.0, payment_method="upi")]

    assert [row["revenue_share_pct"] for row in results("payment_analysis", *rows)] == [None, None]


def test_halves_are_rounded_away_from_zero() -> None:
    # 0.29 of 58 is half of a hundredth of a percent; as floats, 0.29 * 100 is less than 29.
    rows = [
        transaction(total_amount=amount, payment_method=method)
        for amount, method in ((0.29, "cod"), (-0.29, "upi"), (5_800.0, "wallet"))
    ]

    assert [row["revenue_share_pct"] for row in results("payment_analysis", *rows)] == [0.01, -0.01, 100.0]


def test_payments_without_a_network_are_a_group_of_their_own_and_come_last() -> None:
    rows = [transaction(card_network=network) for network in (None, "visa", "amex")]

    assert [row["card_network"] for row in results("payment_analysis", *rows)] == ["amex", "visa", None]


def test_a_discount_that_is_not_named_is_left_out_of_the_mean() -> None:
    rows = [transaction(discount_percent=percent) for percent in (None, 10.0, 5.0)]

    assert result("revenue_by_category", *rows)["avg_discount_pct"] == 7.5
    assert result("revenue_by_category", rows[0])["avg_discount_pct"] is None


def test_a_score_of_exactly_the_limit_is_no_fraud_and_none_is_no_score() -> None:
    rows = [transaction(fraud_score=score) for score in (None, 0.7, 0.71)]

    found = result("fraud_analysis", *rows, transaction(is_fraudulent=True, city="Bergen"))

    assert (found["fraud_count"], found["avg_fraud_score"]) == (2, 0.71)
    assert found["affected_cities"] == ["Bergen", "Oslo"]
    assert result("fraud_analysis", transaction(is_fraudulent=True))["avg_fraud_score"] is None


def test_fraud_is_counted_whatever_the_status() -> None:
    assert result("fraud_analysis", transaction(is_fraudulent=True, transaction_status="failed"))["fraud_count"] == 1


def test_a_sale_without_a_store_counts_for_no_store() -> None:
    rows = [transaction(store_id=store) for store in (None, "s1", "s1")]

    assert result("revenue_by_region", *rows)["active_stores"] == 1
    assert result("revenue_by_region", rows[0])["active_stores"] == 0


def test_days_and_hours_are_those_of_utc() -> None:
    late = datetime.fromisoformat("2026-01-31T23:59:59.999999+00:00")

    rows = results(
        "hourly_trends",
        transaction(event_timestamp=late),
        transaction(event_timestamp=late + timedelta(microseconds=1)),
    )

    assert [(row["event_date"], row["event_hour"]) for row in rows] == [(date(2026, 1, 31), 23), (date(2026, 2, 1), 0)]


def test_days_in_range_are_calendar_days_and_include_both() -> None:
    late = datetime.fromisoformat("2026-01-31T23:59:59.999999+00:00")
    rows = [transaction(event_timestamp=late + timedelta(microseconds=us), quantity=1) for us in (0, 1)]

    found = result("inventory_velocity", *rows, rows[0])

    assert (found["days_in_range"], found["daily_velocity"]) == (2, 1.5)


def test_a_product_whose_name_changes_has_a_row_per_name() -> None:
    rows = [transaction(product_name=name) for name in ("Lamp", "Light")]

    assert [row["product_name"] for row in results("inventory_velocity", *rows)] == ["Lamp", "Light"]


@pytest.mark.parametrize("odd", [1e300, -5e17, 1.0000001e12, float("nan"), float("inf")])
def test_an_amount_that_cannot_be_money_counts_as_a_sale_and_not_in_sums_and_means(odd: float) -> None:
    found = result("revenue_by_category", transaction(total_amount=10.0), transaction(total_amount=odd))

    assert (found["total_revenue"], found["avg_order_value"], found["transaction_count"]) == (10.0, 10.0, 2)


def test_a_group_of_nothing_but_such_amounts_has_a_total_of_zero_and_no_mean() -> None:
    found = result("revenue_by_category", transaction(total_amount=1e300))

    assert (found["total_revenue"], found["avg_order_value"]) == (0.0, None)


def test_ties_are_broken_by_the_keys() -> None:
    rows = [transaction(category=category) for category in ("b", "a", "B", "Ä")]

    assert [row["category"] for row in results("revenue_by_category", *rows)] == ["B", "a", "b", "Ä"]


def test_counts_are_whole_numbers_of_64_bits() -> None:
    rows = frame([transaction(quantity=2**31 - 1)] * 3)

    assert analysis("revenue_by_category")(rows).schema["total_units_sold"] == pl.Int64
    assert analysis("revenue_by_category")(rows)["total_units_sold"].item() == 3 * (2**31 - 1)
