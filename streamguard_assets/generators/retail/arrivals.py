"""When transactions happen: by the hour of the day, at a chosen mean rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamguard_assets.generators.accounts import DAY_MS, HOUR_MS
from streamguard_assets.generators.retail.chance import choose
from streamguard_assets.generators.retail.distributions import HOUR_WEIGHTS

DAY_S = 86_400
HOUR_S = 3_600
STEADY = (1.0,) * 24


class Arrivals:
    """Moments from ``start_ms`` (epoch ms) on: ``rate_per_s`` in the mean of a whole day (UTC), more in busy hours.

    ``hour_weights`` say how busy each hour is; ``STEADY`` for the same rate at all times. One moment falls into each
    stretch of time in which one is expected, at random inside it: so the n-th moment depends on n and its own luck
    only, moments ascend, and any hour has as many as its weight says, give or take one.
    """

    def __init__(self, start_ms: int, rate_per_s: float, hour_weights: Sequence[float] = HOUR_WEIGHTS) -> None:
        if rate_per_s <= 0:
            raise ValueError(f"rate_per_s must be above 0, not {rate_per_s}")
        self._rate_per_s = rate_per_s
        weights = np.asarray(hour_weights, dtype=np.float64)
        self._pace = weights * (24 / weights.sum())
        self._ends = np.cumsum(self._pace) * HOUR_S
        self._begins = self._ends - self._pace * HOUR_S
        self._midnight_ms = start_ms // DAY_MS * DAY_MS
        hour, into_hour_ms = divmod(start_ms - self._midnight_ms, HOUR_MS)
        self._started_s = self._begins[hour] + self._pace[hour] * (into_hour_ms / 1000)

    def times_ms(self, first: int, luck: np.ndarray) -> np.ndarray:
        """The moments number ``first``, ``first`` + 1, … (from 0), one per number of ``luck`` in [0, 1). int64."""
        # In "mean seconds", of which every day has 86,400 and a busy hour more than 3,600.
        position = self._started_s + (first + np.arange(len(luck)) + luck) / self._rate_per_s
        day = np.floor(position / DAY_S).astype(np.int64)
        of_day = position - day * float(DAY_S)
        hour = np.minimum(np.searchsorted(self._ends, of_day, side="right"), 23)
        into_hour_ms = np.floor((of_day - self._begins[hour]) / self._pace[hour] * 1000).astype(np.int64)
        inside = np.clip(into_hour_ms, 0, HOUR_MS - 1)  # rounding must not carry a moment into the next hour
        return self._midnight_ms + day * DAY_MS + hour * HOUR_MS + inside


def day_times_ms(rng: np.random.Generator, midnight_ms: int, count: int) -> np.ndarray:
    """``count`` independent moments of the day that begins at ``midnight_ms``, by the weight of its hours, sorted."""
    hour = choose(HOUR_WEIGHTS, rng.random(count))
    return np.sort(midnight_ms + hour * HOUR_MS + (rng.random(count) * HOUR_MS).astype(np.int64))
