"""Transactions without end, as a producer sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from streamguard_assets.generators.accounts import stream_of_chance
from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.generators.retail.distributions import FRAUD_RATE, PoolSizes, category_weights
from streamguard_assets.generators.retail.pools import make_pools
from streamguard_assets.generators.retail.transactions import draw_transactions, json_values

BLOCK_EVENTS = 5_000
"""Events drawn at once. Block n has a random stream of its own, so event number 12,345 is the same however many are
asked for; another block size would be other events."""

Times = Callable[[int, np.ndarray], np.ndarray]
"""Given the number of the first event of a block and uniform numbers, the times of its events (epoch ms, ascending)."""


@dataclass(frozen=True)
class Shop:
    """What decides about transactions beside their seed and times."""

    sizes: PoolSizes = field(default_factory=PoolSizes)
    fraud_rate: float = FRAUD_RATE


def transactions(seed: int, times: Times, shop: Shop) -> Iterator[GeneratedEvent]:
    """Transactions in order of time, without end, keyed by their id.

    The same seed, times and shop give the same bytes. All but the times depends on the seed and the shop only.
    """
    pools, weights = make_pools(shop.sizes), category_weights()
    for block in count():
        times_ms = times(block * BLOCK_EVENTS, stream_of_chance(seed, "arrivals", str(block)).random(BLOCK_EVENTS))
        rng = stream_of_chance(seed, "transactions", str(block))
        frame = draw_transactions(rng, pools, times_ms, shop.fraud_rate, weights)
        yield from map(GeneratedEvent, times_ms.tolist(), frame["transaction_id"], json_values(frame))
