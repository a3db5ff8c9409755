"""Every distribution that is promised is found in the transactions of the generator and of the seeder."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from streamguard_assets.generators.retail.distributions import (
    CARD_NETWORKS,
    CHANNELS,
    DEVICES,
    DISCOUNT_PERCENTS,
    FRAUD_RATE,
    FRAUD_SCORES,
    HONEST_SCORES,
    HOUR_WEIGHTS,
    PAYMENT_METHODS,
    QUANTITIES,
    REGIONS,
    STATUSES,
    TIERS,
    Span,
    category_weights,
)
from streamguard_assets_tests.generators.chi_square import LEAST_P, p_value
from streamguard_assets_tests.generators.retail.samples import live_rows, past_rows

SAMPLES = {"generator": live_rows(), "seeder": past_rows()}
SEASONLESS = {
    "channel": CHANNELS,
    "customer_tier": TIERS,
    "payment_method": PAYMENT_METHODS,
    "card_network": CARD_NETWORKS,
    "transaction_status": STATUSES,
    "region": {name: region.weight for name, region in REGIONS.items()},
    "is_fraudulent": {True: FRAUD_RATE, False: 1 - FRAUD_RATE},
}


def counts(rows: pl.DataFrame, column: str) -> dict[Hashable, int]:
    return dict(rows[column].drop_nulls().value_counts().rows())


def numbers(spans: tuple[Span, ...]) -> dict[Hashable, float]:
    """The weight of each whole number in ``spans``."""
    return {
        number: span.weight / (span.highest - span.lowest + 1)
        for span in spans
        for number in range(span.lowest, span.highest + 1)
    }


def assert_fits(observed: Mapping[Any, int], weights: Mapping[Any, float]) -> None:
    assert p_value(observed, weights) > LEAST_P, f"{observed} do not fit {weights}"


samples = pytest.mark.parametrize("rows", SAMPLES.values(), ids=SAMPLES)


@samples
@pytest.mark.parametrize("column", SEASONLESS)
def test_shares_are_kept(rows: pl.DataFrame, column: str) -> None:
    assert_fits(counts(rows, column), SEASONLESS[column])


@samples
def test_quantities_and_discounts_are_kept(rows: pl.DataFrame) -> None:
    assert_fits(counts(rows, "quantity"), numbers(QUANTITIES))
    assert_fits(
        counts(rows.with_columns(pl.col("discount_percent").cast(pl.Int64)), "discount_percent"),
        numbers(DISCOUNT_PERCENTS),
    )


@samples
def test_cities_of_a_region_are_equally_likely(rows: pl.DataFrame) -> None:
    for name, region in REGIONS.items():
        observed = counts(rows.filter(pl.col("region") == name), "city")
        # Where customers cannot be divided by four, a city has one more than another: that is no unfair draw.
        weights = {city.name: 1.0 for city in region.cities}
        assert_fits(observed, weights)


@samples
@pytest.mark.parametrize("channel", DEVICES)
def test_devices_fit_the_channel(rows: pl.DataFrame, channel: str) -> None:
    assert_fits(counts(rows.filter(pl.col("channel") == channel), "device_type"), DEVICES[channel])


@samples
@pytest.mark.parametrize(("fraudulent", "span"), [(True, FRAUD_SCORES), (False, HONEST_SCORES)])
def test_scores_are_spread_evenly(rows: pl.DataFrame, fraudulent: bool, span: tuple[float, float]) -> None:
    scores = rows.filter(pl.col("is_fraudulent") == fraudulent)["fraud_score"].to_numpy()
    # The cuts lie between two values of four decimals, so that rounding moves nothing over one.
    observed, _ = np.histogram(scores, np.linspace(span[0], span[1], 11) + 0.00003)
    assert_fits(dict(enumerate(observed[1:-1].tolist())), dict.fromkeys(range(8), 1.0))


def test_the_generator_keeps_to_the_shares_of_the_categories_and_their_goods() -> None:
    assert_fits(counts(SAMPLES["generator"], "category"), category_weights())
    electronics = SAMPLES["generator"].filter(pl.col("category") == "electronics")
    products = electronics["product_id"].unique().to_list()
    assert_fits(counts(electronics, "product_id"), dict.fromkeys(products, 1.0))


def test_all_customers_are_equally_likely() -> None:
    observed = counts(SAMPLES["generator"], "customer_id")
    assert_fits(observed, {f"CUST-{number:08d}": 1.0 for number in range(1, 5_001)})


@pytest.mark.parametrize("weekend", [True, False])
def test_the_seeder_boosts_categories_by_the_day_of_the_week(weekend: bool) -> None:
    is_weekend = pl.col("event_timestamp").dt.weekday() >= 6
    assert_fits(counts(past_rows().filter(is_weekend == weekend), "category"), category_weights(weekend=weekend))


def test_the_seeder_keeps_to_the_hours_of_the_day() -> None:
    hours = past_rows().select(pl.col("event_timestamp").dt.hour().alias("hour"))
    assert_fits(counts(hours, "hour"), dict(enumerate(HOUR_WEIGHTS)))


class TestTheTestItself:
    """A weight that is wrong by two hundredths is caught in each of the tables."""

    @pytest.mark.parametrize("column", [*SEASONLESS, "category"])
    def test_a_wrong_weight_is_caught(self, column: str) -> None:
        right = dict(category_weights() if column == "category" else SEASONLESS[column])
        largest, smallest = max(right, key=lambda v: right[v]), min(right, key=lambda v: right[v])
        wrong = {**right, largest: right[largest] - 0.02, smallest: right[smallest] + 0.02}
        assert p_value(counts(SAMPLES["generator"], column), right) > LEAST_P
        assert p_value(counts(SAMPLES["generator"], column), wrong) < 1e-9

    def test_a_seeder_without_seasons_is_caught(self) -> None:
        assert p_value(counts(past_rows(), "category"), category_weights()) < 1e-9

    def test_a_value_that_was_never_promised_is_caught(self) -> None:
        with pytest.raises(AssertionError, match="never promised"):
            p_value({"cash": 10}, {"card": 1.0})
