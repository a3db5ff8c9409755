"""Transactions for the tests of this folder, drawn once."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import polars as pl

from streamguard_assets.generators.accounts import stream_of_chance
from streamguard_assets.generators.retail.distributions import FRAUD_RATE, PoolSizes, category_weights
from streamguard_assets.generators.retail.history import History, day_frames
from streamguard_assets.generators.retail.pools import make_pools
from streamguard_assets.generators.retail.transactions import draw_transactions

START_MS = 1_769_587_200_000
"""2026-01-28T08:00Z"""
UNTIL = date(2026, 2, 2)
"""A Monday: the seven days before it are a week."""


@cache
def live_rows(rows: int = 200_000) -> pl.DataFrame:
    """What the generator draws, without seasons, 10 ms apart."""
    times = START_MS + 10 * np.arange(rows, dtype=np.int64)
    pools = make_pools(PoolSizes())
    return draw_transactions(stream_of_chance(11, "sample"), pools, times, FRAUD_RATE, category_weights())


@cache
def past_rows(rows: int = 200_000, days: int = 14) -> pl.DataFrame:
    """What the seeder draws: two weeks."""
    return pl.concat(frame for _, frame in day_frames(History(rows, days, UNTIL, seed=5)))
