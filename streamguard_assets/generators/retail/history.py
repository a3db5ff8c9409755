"""Days of past transactions with their seasons, in order of time, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from streamguard_assets.generators.accounts import midnight_ms, stream_of_chance
from streamguard_assets.generators.retail.arrivals import day_times_ms
from streamguard_assets.generators.retail.chance import apportion
from streamguard_assets.generators.retail.distributions import category_weights, day_weight
from streamguard_assets.generators.retail.live import Shop
from streamguard_assets.generators.retail.pools import Pools, make_pools
from streamguard_assets.generators.retail.transactions import draw_transactions

BLOCK_ROWS = 50_000
"""Rows drawn at once. It bounds memory, and is part of what the rows are: another size would be other rows."""

SATURDAY = 5


@dataclass(frozen=True)
class History:
    """``rows`` transactions of the ``days`` days before ``until``, which is the first day that has none.

    ``ValueError`` when there is no row or no day.
    """

    rows: int
    days: int
    until: date
    seed: int
    shop: Shop = field(default_factory=Shop)

    def __post_init__(self) -> None:
        if self.rows < 1 or self.days < 1:
            raise ValueError(f"a history needs at least one row and one day, not {self.rows} and {self.days}")

    def rows_per_day(self) -> dict[date, int]:
        """How many rows each day has: more at weekends, as the boosts of the categories say."""
        calendar = [self.until - timedelta(days=back) for back in range(self.days, 0, -1)]
        shares = apportion(self.rows, [day_weight(_is_weekend(day)) for day in calendar])
        return dict(zip(calendar, shares, strict=True))


def day_frames(history: History) -> Iterator[tuple[date, pl.DataFrame]]:
    """Frames of the contract's fields, each of one day, in order of time. A day has none when it has no row.

    The same history gives the same rows. Each day has random streams of its own, named by its date.
    """
    pools = make_pools(history.shop.sizes)
    for day, rows in history.rows_per_day().items():
        yield from ((day, frame) for frame in _blocks(history, pools, day, rows))


def _blocks(history: History, pools: Pools, day: date, rows: int) -> Iterator[pl.DataFrame]:
    times_ms = day_times_ms(stream_of_chance(history.seed, "times", day.isoformat()), midnight_ms(day), rows)
    weights = category_weights(_is_weekend(day))
    for number, first in enumerate(range(0, rows, BLOCK_ROWS)):
        rng = stream_of_chance(history.seed, "history", day.isoformat(), str(number))
        block_ms = times_ms[first : first + BLOCK_ROWS]
        yield draw_transactions(rng, pools, block_ms, history.shop.fraud_rate, weights)


def _is_weekend(day: date) -> bool:
    return day.weekday() >= SATURDAY
