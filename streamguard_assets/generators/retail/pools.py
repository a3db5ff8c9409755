"""The people, goods and places of a simulated retailer, the same in every run.

Proportions are dealt out, not drawn: half of 5,000 customers are bronze, exactly. So transactions, which draw from
the pools, keep to the shares of ``distributions`` in the long run and not only on average over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from streamguard_assets.generators.accounts import stream_of_chance
from streamguard_assets.generators.retail.chance import apportion, choose, dealt
from streamguard_assets.generators.retail.distributions import CATEGORIES, CHANNELS, REGIONS, TIERS, PoolSizes

CITIES = tuple((region, city) for region, declared in REGIONS.items() for city in declared.cities)
"""Every city with the name of its region; two regions may share a city's name."""

SEED = 0
POST_OFFICES = 60
"""Postal codes per city."""


@dataclass(frozen=True)
class Pools:
    """What transactions are drawn from.

    ``customers``: customer_id, customer_tier, region, city, state, postal_code, network (first half of the masked
    address), preferred_channel (index into ``CHANNELS``), store (row of ``stores``). ``stores``: store_id, region,
    city, state, postal_code. ``products``: product_id, product_name, category, sub_category, brand, price_cents;
    those of the category number c are the rows from ``product_begins[c]`` to ``product_begins[c + 1]``.
    """

    customers: pl.DataFrame
    products: pl.DataFrame
    stores: pl.DataFrame
    product_begins: np.ndarray


def make_pools(sizes: PoolSizes) -> Pools:
    """The pools of these sizes, the same for every seed of transactions: live events and a seeded history share them.

    Customers and products have random streams of their own, so more products leave every customer as it was.
    """
    store_cities = _store_cities(stream_of_chance(SEED, "retail", "stores"), sizes.stores)
    shares = apportion(sizes.products, [category.weight for category in CATEGORIES.values()], least=1)
    return Pools(
        customers=_customers(stream_of_chance(SEED, "retail", "customers"), sizes.customers, store_cities),
        products=_products(stream_of_chance(SEED, "retail", "products"), shares),
        stores=_stores(store_cities),
        product_begins=np.concatenate([[0], np.cumsum(shares)]),
    )


def _customers(rng: np.random.Generator, count: int, store_cities: np.ndarray) -> pl.DataFrame:
    cities = dealt(rng, _city_shares(count))
    tiers = dealt(rng, apportion(count, list(TIERS.values())))
    office = (rng.random(count) * POST_OFFICES).astype(np.int64) + 1
    number = pl.int_range(1, count + 1, eager=True)
    frame = pl.DataFrame(
        {
            "customer_tier": pl.Series(list(TIERS)).gather(tiers),
            "preferred_channel": dealt(rng, apportion(count, list(CHANNELS.values()))),
            "store": _nearest_stores(cities, store_cities, rng.random(count)),
            "second_byte": 64 + (rng.random(count) * 64).astype(np.int64),
        }
    )
    # 100.64.0.0/10 is shared address space: a masked address that accuses nobody.
    network = pl.format("100.{}", "second_byte").alias("network")
    named = pl.select(pl.format("CUST-{}", number.cast(pl.String).str.zfill(8)).alias("customer_id"))
    return pl.concat(
        [named, frame.with_columns(network).drop("second_byte"), _places(cities, office)], how="horizontal"
    )


def _products(rng: np.random.Generator, shares: list[int]) -> pl.DataFrame:
    rows = []
    for (name, category), share in zip(CATEGORIES.items(), shares, strict=True):
        luck, brands, models = rng.random(share), rng.random(share), rng.random(share)
        # The square makes dear goods rare, as they are; it needs no function that machines compute differently.
        prices = category.lowest_cents + (luck * luck * (category.highest_cents - category.lowest_cents + 1))
        for i, price_cents in enumerate(prices.astype(np.int64).tolist()):
            sub_category = category.sub_categories[i % len(category.sub_categories)]
            brand = category.brands[int(brands[i] * len(category.brands))]
            label = sub_category.replace("_", " ").title()
            rows.append(
                {
                    "product_id": f"SKU-{category.code}-{i + 1:05d}",
                    "product_name": f"{brand} {label} {100 + int(models[i] * 900)}",
                    "category": name,
                    "sub_category": sub_category,
                    "brand": brand,
                    "price_cents": price_cents,
                }
            )
    return pl.DataFrame(rows)


def _store_cities(rng: np.random.Generator, count: int) -> np.ndarray:
    """The city of each store: one in every city where there are enough, the others by the weight of the region."""
    if count < len(CITIES):
        return dealt(rng, _city_shares(count))
    everywhere = np.arange(len(CITIES))
    return np.concatenate([everywhere, dealt(rng, _city_shares(count - len(CITIES)))])


def _stores(cities: np.ndarray) -> pl.DataFrame:
    ids = [f"STORE-{CITIES[city][1].code}-{number:03d}" for number, city in enumerate(cities.tolist(), start=1)]
    return pl.concat(
        [pl.DataFrame({"store_id": ids}), _places(cities, np.ones(len(ids), dtype=np.int64))], how="horizontal"
    )


def _city_shares(count: int) -> list[int]:
    """How many of ``count`` live in each of ``CITIES``: by the weight of the region, evenly inside it."""
    regions = apportion(count, [region.weight for region in REGIONS.values()])
    return [
        share
        for region, in_region in zip(REGIONS.values(), regions, strict=True)
        for share in apportion(in_region, [1.0] * len(region.cities))
    ]


def _nearest_stores(cities: np.ndarray, store_cities: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """A store for each customer: in the city, where it has none in the region, and where that has none anywhere."""
    region_of = np.array([list(REGIONS).index(region) for region, _ in CITIES])
    chosen = np.zeros(len(cities), dtype=np.int64)
    for city in range(len(CITIES)):
        here = np.flatnonzero(cities == city)
        near = np.flatnonzero(store_cities == city)
        if not len(near):
            near = np.flatnonzero(region_of[store_cities] == region_of[city])
        if not len(near):
            near = np.arange(len(store_cities))
        chosen[here] = near[choose([1.0] * len(near), luck[here])]
    return chosen


def _places(cities: np.ndarray, offices: np.ndarray) -> pl.DataFrame:
    """Region, city, state and postal code of each; ``offices`` number the post offices of a city from 1."""
    known = pl.DataFrame(
        [{"region": r, "city": c.name, "state": c.state, "prefix": c.postal_prefix} for r, c in CITIES]
    )
    places = known[cities].with_columns(office=pl.Series(offices).cast(pl.String).str.zfill(3))
    return places.with_columns(pl.concat_str("prefix", "office").alias("postal_code")).drop("prefix", "office")
