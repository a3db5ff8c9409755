"""Customers, products and stores: complete, in proportion, and the same in every run."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streamguard_assets.generators.retail.distributions import CATEGORIES, CHANNELS, REGIONS, TIERS, PoolSizes
from streamguard_assets.generators.retail.pools import CITIES, make_pools

POOLS = make_pools(PoolSizes())


def shares(frame: pl.DataFrame, column: str) -> dict[str, float]:
    counts = frame[column].value_counts()
    return {name: count / frame.height for name, count in counts.rows()}


def test_the_default_pools_keep_to_every_share_exactly() -> None:
    assert shares(POOLS.customers, "customer_tier") == TIERS
    assert shares(POOLS.customers, "region") == {name: region.weight for name, region in REGIONS.items()}
    preferred = shares(POOLS.customers, "preferred_channel")
    assert preferred == dict(enumerate(CHANNELS.values()))


def test_pools_have_the_sizes_that_were_asked_for_and_no_id_twice() -> None:
    pools = make_pools(PoolSizes(customers=77, products=41, stores=13))
    for frame, size in ((pools.customers, 77), (pools.products, 41), (pools.stores, 13)):
        assert frame.height == size
        assert frame.to_series(0).n_unique() == size


def test_ids_have_the_forms_of_the_specification() -> None:
    assert POOLS.customers["customer_id"].str.contains(r"^CUST-\d{8}$").all()
    assert POOLS.products["product_id"].str.contains(r"^SKU-[A-Z]{3}-\d{5}$").all()
    assert POOLS.stores["store_id"].str.contains(r"^STORE-[A-Z]{3}-\d{3}$").all()


def test_products_stand_by_category_at_prices_of_their_category() -> None:
    for number, (name, category) in enumerate(CATEGORIES.items()):
        goods = POOLS.products[POOLS.product_begins[number] : POOLS.product_begins[number + 1]]
        assert goods["category"].unique().to_list() == [name]
        assert goods["price_cents"].is_between(category.lowest_cents, category.highest_cents).all()
        assert set(goods["sub_category"]) <= set(category.sub_categories)
        assert set(goods["brand"]) <= set(category.brands)
    assert POOLS.product_begins[-1] == POOLS.products.height


def test_the_smallest_catalogue_has_a_product_of_every_category() -> None:
    assert make_pools(PoolSizes(products=10)).products["category"].to_list() == list(CATEGORIES)


def test_every_city_has_a_store_and_customers_buy_in_their_city() -> None:
    homes = POOLS.customers.select("region", "city")
    stores = POOLS.stores[POOLS.customers["store"]].select("region", "city")
    assert_frame_equal(homes, stores)
    assert POOLS.stores.select("region", "city").n_unique() == len(CITIES)


def test_with_fewer_stores_than_cities_customers_go_to_one_of_their_region_if_there_is_any() -> None:
    pools = make_pools(PoolSizes(customers=500, stores=8))
    there = set(pools.stores["region"])
    met = pl.DataFrame(
        {"home": pools.customers["region"], "store": pools.stores[pools.customers["store"]]["region"]}
    ).filter(pl.col("home").is_in(list(there)))
    assert met.height > 100
    assert (met["home"] == met["store"]).all()


@pytest.mark.parametrize(
    ("changed", "kept"),
    [({"products": 600}, ("customers", "stores")), ({"customers": 6_000}, ("products", "stores"))],
)
def test_another_size_of_one_pool_leaves_the_others_as_they_were(
    changed: dict[str, int], kept: tuple[str, ...]
) -> None:
    other = make_pools(PoolSizes(**changed))
    for name in kept:
        assert_frame_equal(getattr(other, name), getattr(POOLS, name))
