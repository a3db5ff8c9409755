"""One block of transactions, drawn column by column, as a frame and as the JSON values that a producer sends."""

from __future__ import annotations

import numpy as np
import polars as pl

from streamguard_assets.contracts.transactions import TransactionEvent
from streamguard_assets.generators.retail.chance import choose, choose_from_spans
from streamguard_assets.generators.retail.distributions import (
    CARD_METHODS,
    CARD_NETWORKS,
    CATEGORIES,
    CHANNELS,
    CURRENCY,
    DEVICES,
    DISCOUNT_PERCENTS,
    FRAUD_SCORES,
    HONEST_SCORES,
    PAYMENT_METHODS,
    PREFERRED_CHANNEL_SHARE,
    QUANTITIES,
    STATUSES,
    STORE_CHANNELS,
    TAX_PERCENT,
)
from streamguard_assets.generators.retail.fixed_width import random_hex, random_uuids
from streamguard_assets.generators.retail.pools import Pools

FIELDS = TransactionEvent.__struct_fields__
"""The columns of every frame here, in the order of the contract."""

SCORE_STEPS = 10_000
"""Fraud scores have four decimals."""

SESSION_DIGITS = 12


def draw_transactions(
    rng: np.random.Generator, pools: Pools, times_ms: np.ndarray, fraud_rate: float, weights: dict[str, float]
) -> pl.DataFrame:
    """One transaction at each of ``times_ms`` (epoch ms): the fields of the contract, in its order and types.

    ``weights`` are of the categories. The whole block takes part in every draw, so the same ``rng`` and number of
    times give the same rows. ``processing_timestamp`` and ``batch_id`` are null: the pipeline sets them.
    """
    count = len(times_ms)
    customers = pools.customers[_index(rng.random(count), pools.customers.height)]
    channels = _channels(rng, customers["preferred_channel"].to_numpy())
    stamp = pl.Series("event_timestamp", times_ms).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    frame = pl.DataFrame(
        [
            random_uuids(rng, count).alias("transaction_id"),
            stamp.dt.cast_time_unit("us"),
            *customers.select("customer_id", "customer_tier"),
            *_purchase(rng, pools, weights, count),
            *_payment(rng, count),
            *_origin(pools, customers, channels),
            *_session(rng, customers, channels),
            *_fraud(rng, fraud_rate, count),
            pl.Series("currency", [CURRENCY]).new_from_index(0, count),
            pl.Series("processing_timestamp", [None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, count),
            pl.Series("batch_id", [None], dtype=pl.String).new_from_index(0, count),
        ]
    )
    return frame.select(FIELDS)


def json_values(frame: pl.DataFrame) -> list[bytes]:
    """Each row of ``frame`` as a producer writes it: one JSON object with all fields, instants in ISO-8601 with Z."""
    instants = pl.col("event_timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    document = pl.struct(frame.with_columns(instants).columns).struct.json_encode()
    return frame.with_columns(instants).select(document.cast(pl.Binary).alias("value"))["value"].to_list()


def _index(luck: np.ndarray, size: int) -> np.ndarray:
    return (luck * size).astype(np.int64)


def _channels(rng: np.random.Generator, preferred: np.ndarray) -> np.ndarray:
    any_channel = choose(CHANNELS.values(), rng.random(len(preferred)))
    return np.where(rng.random(len(preferred)) < PREFERRED_CHANNEL_SHARE, preferred, any_channel)


def _purchase(rng: np.random.Generator, pools: Pools, weights: dict[str, float], count: int) -> list[pl.Series]:
    """What was bought, for how much. Money is counted in whole cents; halves of a cent are rounded up."""
    category = choose((weights[name] for name in CATEGORIES), rng.random(count))
    begins, ends = pools.product_begins[category], pools.product_begins[category + 1]
    goods = pools.products[begins + (rng.random(count) * (ends - begins)).astype(np.int64)]
    quantity = choose_from_spans(QUANTITIES, rng.random(count), rng.random(count))
    discount = choose_from_spans(DISCOUNT_PERCENTS, rng.random(count), rng.random(count))
    price_cents = goods["price_cents"].to_numpy()
    total_cents = (quantity * price_cents * (100 - discount) + 50) // 100
    tax_cents = (total_cents * TAX_PERCENT + 50) // 100
    return [
        *goods.drop("price_cents"),
        pl.Series("quantity", quantity, dtype=pl.Int32),
        pl.Series("unit_price", price_cents / 100),
        pl.Series("discount_percent", discount.astype(np.float64)),
        pl.Series("total_amount", total_cents / 100),
        pl.Series("tax_amount", tax_cents / 100),
    ]


def _payment(rng: np.random.Generator, count: int) -> list[pl.Series]:
    method = choose(PAYMENT_METHODS.values(), rng.random(count))
    network = choose(CARD_NETWORKS.values(), rng.random(count))
    status = choose(STATUSES.values(), rng.random(count))
    is_card = np.isin(method, [list(PAYMENT_METHODS).index(name) for name in CARD_METHODS])
    return [
        _named("payment_method", PAYMENT_METHODS, method),
        _where(is_card, _named("card_network", CARD_NETWORKS, network)),
        _named("transaction_status", STATUSES, status),
    ]


def _origin(pools: Pools, customers: pl.DataFrame, channels: np.ndarray) -> list[pl.Series]:
    """The channel and the place: the store's for sales in a store, else the customer's."""
    in_store = np.isin(channels, [list(CHANNELS).index(name) for name in STORE_CHANNELS])
    stores = pools.stores[customers["store"].to_numpy()]
    is_in_store = pl.Series(in_store)
    places = [
        stores[name].zip_with(is_in_store, customers[name]) for name in ("region", "city", "state", "postal_code")
    ]
    return [_named("channel", CHANNELS, channels), _where(in_store, stores["store_id"]), *places]


def _session(rng: np.random.Generator, customers: pl.DataFrame, channels: np.ndarray) -> list[pl.Series]:
    """Device, session and masked address: of digital channels only."""
    count = len(channels)
    luck, sessions = rng.random(count), random_hex(rng, count, "sess-", SESSION_DIGITS)
    kinds = list(dict.fromkeys(device for devices in DEVICES.values() for device in devices))
    device, digital = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    for channel, devices in DEVICES.items():
        here = channels == list(CHANNELS).index(channel)
        device[here] = np.array([kinds.index(name) for name in devices])[choose(devices.values(), luck[here])]
        digital |= here
    addresses = customers.select(pl.format("{}.xxx.xxx", "network").alias("ip_address"))["ip_address"]
    return [
        _where(digital, _named("device_type", kinds, device)),
        _where(digital, sessions.alias("session_id")),
        _where(digital, addresses),
    ]


def _fraud(rng: np.random.Generator, fraud_rate: float, count: int) -> list[pl.Series]:
    fraudulent, luck = rng.random(count) < fraud_rate, rng.random(count)
    lowest = np.where(fraudulent, FRAUD_SCORES[0], HONEST_SCORES[0])
    highest = np.where(fraudulent, FRAUD_SCORES[1], HONEST_SCORES[1])
    score = np.rint((lowest + luck * (highest - lowest)) * SCORE_STEPS) / SCORE_STEPS
    return [pl.Series("is_fraudulent", fraudulent), pl.Series("fraud_score", score)]


def _named(name: str, labels: object, chosen: np.ndarray) -> pl.Series:
    return pl.Series(name, list(labels), dtype=pl.String).gather(chosen)  # pyright: ignore


def _where(mask: np.ndarray, values: pl.Series) -> pl.Series:
    """``values`` where ``mask`` is true, else null, under the same name."""
    nothing = pl.Series(values.name, [None], dtype=values.dtype).new_from_index(0, len(values))
    return values.zip_with(pl.Series(mask), nothing)
