"""Accounts: what every simulated account, normal or hostile, has in common.

An account is asked for its episodes of one calendar date and draws them from a random stream of its own, which
depends on the seed, the account and the date only. So the same seed gives the same event at the same instant
whatever span is asked for, and one more user or attacker changes nobody else's events.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np

from streamguard_assets.generators.behaviour import Episode

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


Episodes = Callable[[np.random.Generator, date], Sequence[Episode]]
"""What an account does on one date: of its local calendar for people, of the UTC calendar for all else."""


@dataclass(frozen=True)
class Account:
    """A user name and its days. ``kind`` names the attack it makes; None is a normal user."""

    user: str
    kind: str | None
    episodes: Episodes


def stream_of_chance(seed: int, *parts: str) -> np.random.Generator:
    """A random stream of its own for each combination of ``parts``, the same on every machine and in every run."""
    words = [seed, *(zlib.crc32(part.encode()) for part in parts)]
    return np.random.Generator(np.random.PCG64(words))  # named: the default may change with a release of numpy


def midnight_ms(day: date, utc_offset_hours: float = 0.0) -> int:
    """Epoch ms of the midnight that begins ``day`` where clocks are ``utc_offset_hours`` ahead of UTC."""
    begin = datetime.combine(day, time(), tzinfo=UTC)
    return int(begin.timestamp() * 1000) - round(utc_offset_hours * HOUR_MS)
