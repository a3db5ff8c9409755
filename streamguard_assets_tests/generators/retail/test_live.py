"""The same seed makes the same bytes, on every machine, however many are taken."""

from __future__ import annotations

import hashlib
from itertools import islice

import msgspec
import numpy as np
import pytest

from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.generators.retail.arrivals import Arrivals
from streamguard_assets.generators.retail.distributions import PoolSizes
from streamguard_assets.generators.retail.live import BLOCK_EVENTS, Shop, transactions
from streamguard_assets_tests.generators.retail.samples import START_MS

DIGEST_OF_SEED_7 = "339abef3ee4e89da"
"""Of 12,000 events. When this changes, every topic and table that somebody made with a seed can no longer be made."""


def taken(count: int, seed: int = 7, shop: Shop | None = None, rate: float = 100.0) -> list[GeneratedEvent]:
    times = Arrivals(START_MS, rate).times_ms
    return list(islice(transactions(seed, times, shop or Shop()), count))


def test_a_seed_makes_the_bytes_that_it_always_made() -> None:
    digest = hashlib.sha256(b"\n".join(event.value for event in taken(12_000))).hexdigest()
    assert digest[:16] == DIGEST_OF_SEED_7


@pytest.mark.parametrize("count", [1, BLOCK_EVENTS - 1, BLOCK_EVENTS, BLOCK_EVENTS + 1])
def test_fewer_events_are_the_first_of_more(count: int) -> None:
    assert taken(count) == taken(BLOCK_EVENTS + 500)[:count]


def test_an_event_carries_its_own_time_and_id() -> None:
    for event in taken(200):
        fields = msgspec.json.decode(event.value)
        assert event.key == fields["transaction_id"]
        stamp = np.datetime64(fields["event_timestamp"].removesuffix("Z"), "ms")
        assert event.timestamp_ms == stamp.astype(np.int64)


def test_times_ascend_over_blocks() -> None:
    times = [event.timestamp_ms for event in taken(2 * BLOCK_EVENTS + 10)]
    assert times == sorted(times)


def test_another_rate_changes_nothing_but_the_times() -> None:
    slow, fast = (
        [{**msgspec.json.decode(event.value), "event_timestamp": None} for event in taken(300, rate=rate)]
        for rate in (1.0, 500.0)
    )
    assert slow == fast


def test_another_seed_makes_other_transactions_of_the_same_shop() -> None:
    one, other = ([msgspec.json.decode(e.value) for e in taken(5_000, seed=seed)] for seed in (1, 2))
    assert {e["transaction_id"] for e in one}.isdisjoint(e["transaction_id"] for e in other)
    known = {(e["customer_id"], e["customer_tier"]) for e in one} | {
        (e["customer_id"], e["customer_tier"]) for e in other
    }
    assert len({customer for customer, _ in known}) == len(known)


def test_pools_and_fraud_are_those_of_the_shop() -> None:
    shop = Shop(PoolSizes(customers=20, products=12, stores=3), fraud_rate=1.0)
    events = [msgspec.json.decode(event.value) for event in taken(3_000, shop=shop)]
    assert len({e["customer_id"] for e in events}) == 20
    assert len({e["product_id"] for e in events}) == 12
    assert len({e["store_id"] for e in events} - {None}) <= 3
    assert all(e["is_fraudulent"] for e in events)
