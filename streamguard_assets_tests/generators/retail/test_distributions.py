"""The shares and ranges are those that were asked for, and they are complete."""

from __future__ import annotations

import math

import pytest

from streamguard_assets.contracts import transactions as contract
from streamguard_assets.generators.retail.distributions import (
    BUSINESS_HOURS,
    CARD_METHODS,
    CARD_NETWORKS,
    CATEGORIES,
    CHANNELS,
    DEVICES,
    DISCOUNT_PERCENTS,
    HOUR_WEIGHTS,
    PAYMENT_METHODS,
    QUANTITIES,
    REGIONS,
    STATUSES,
    STORE_CHANNELS,
    TIERS,
    PoolSizes,
    category_weights,
    day_weight,
)

SHARES = {
    "categories": category_weights(),
    "regions": {name: region.weight for name, region in REGIONS.items()},
    "tiers": TIERS,
    "channels": CHANNELS,
    "payment methods": PAYMENT_METHODS,
    "card networks": CARD_NETWORKS,
    "statuses": STATUSES,
    "quantities": {span.lowest: span.weight for span in QUANTITIES},
    "discounts": {span.lowest: span.weight for span in DISCOUNT_PERCENTS},
    **{f"devices of {channel}": devices for channel, devices in DEVICES.items()},
}


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_shares_of_a_table_sum_to_one(shares: dict[str, float]) -> None:
    assert math.fsum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    assert min(shares.values()) > 0


def test_every_value_is_one_that_the_contract_knows_and_none_is_missing() -> None:
    assert tuple(CATEGORIES) == contract.CATEGORIES
    assert tuple(REGIONS) == contract.REGIONS
    assert tuple(TIERS) == contract.CUSTOMER_TIERS
    assert tuple(CHANNELS) == contract.CHANNELS
    assert tuple(PAYMENT_METHODS) == contract.PAYMENT_METHODS
    assert tuple(STATUSES) == contract.TRANSACTION_STATUSES
    assert set(CARD_NETWORKS) == set(contract.CARD_NETWORKS)
    assert {device for devices in DEVICES.values() for device in devices} == set(contract.DEVICE_TYPES)


def test_a_channel_has_a_store_or_a_device_and_never_both() -> None:
    assert set(STORE_CHANNELS).isdisjoint(DEVICES)
    assert {*STORE_CHANNELS, *DEVICES} == set(CHANNELS)
    assert set(CARD_METHODS) < set(PAYMENT_METHODS)


@pytest.mark.parametrize(
    ("category", "weight", "lowest", "highest", "kinds"),
    [
        ("electronics", 0.20, 29.99, 2499.99, 6),
        ("clothing", 0.18, 9.99, 299.99, 5),
        ("grocery", 0.22, 1.99, 89.99, 6),
        ("home_garden", 0.10, 14.99, 999.99, 5),
        ("sports", 0.08, 19.99, 799.99, 5),
        ("beauty", 0.07, 4.99, 199.99, 5),
        ("automotive", 0.04, 9.99, 499.99, 5),
        ("books", 0.05, 5.99, 49.99, 5),
        ("toys", 0.03, 7.99, 199.99, 5),
        ("pharmacy", 0.03, 2.99, 149.99, 5),
    ],
)
def test_categories_are_those_of_the_specification(
    category: str, weight: float, lowest: float, highest: float, kinds: int
) -> None:
    declared = CATEGORIES[category]
    assert (declared.weight, declared.lowest_cents, declared.highest_cents) == (
        weight,
        round(lowest * 100),
        round(highest * 100),
    )
    assert len(set(declared.sub_categories)) == kinds


def test_the_other_shares_are_those_of_the_specification() -> None:
    assert list(SHARES["regions"].values()) == [0.22, 0.25, 0.12, 0.28, 0.08, 0.05]
    assert list(CHANNELS.values()) == [0.25, 0.20, 0.35, 0.15, 0.05]
    assert list(PAYMENT_METHODS.values()) == [0.30, 0.20, 0.25, 0.10, 0.05, 0.08, 0.02]
    assert list(TIERS.values()) == [0.50, 0.30, 0.15, 0.05]
    assert list(STATUSES.values()) == [0.92, 0.04, 0.02, 0.015, 0.005]
    assert [(s.weight, s.lowest, s.highest) for s in QUANTITIES] == [(0.7, 1, 1), (0.2, 2, 2), (0.1, 3, 5)]
    assert [(s.weight, s.lowest, s.highest) for s in DISCOUNT_PERCENTS] == [(0.6, 0, 0), (0.3, 5, 15), (0.1, 20, 50)]
    assert PoolSizes() == PoolSizes(customers=5_000, products=500, stores=50)


def test_seasons_boost_categories_and_make_weekends_busier() -> None:
    weekend, weekday = category_weights(weekend=True), category_weights(weekend=False)
    ratios = {name: weekend[name] / weekday[name] for name in CATEGORIES}
    assert ratios == pytest.approx(
        {**dict.fromkeys(CATEGORIES, 1.0), "grocery": 1.4, "clothing": 1.4, "electronics": 1 / 1.3}
    )
    assert day_weight(weekend=True) / day_weight(weekend=False) == pytest.approx(1.16 / 1.06)


def test_every_business_hour_is_busier_than_every_other_hour() -> None:
    assert range(8, 22) == BUSINESS_HOURS
    others = [HOUR_WEIGHTS[hour] for hour in range(24) if hour not in BUSINESS_HOURS]
    assert min(HOUR_WEIGHTS[hour] for hour in BUSINESS_HOURS) > max(others)
    assert min(others) > 0


@pytest.mark.parametrize("sizes", [{"customers": 0}, {"products": 9}, {"stores": 0}])
def test_a_pool_that_is_too_small_is_an_error_that_says_how_many_are_needed(sizes: dict[str, int]) -> None:
    (name,) = sizes
    with pytest.raises(ValueError, match=rf"at least \d+ {name}, not {sizes[name]}"):
        PoolSizes(**sizes)
