"""Windows of time: keys, instants and cadences. All times are UTC.

A window key is ``YYYY-MM-DD-HH:MM``, the instant at which the window begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEY_FORMAT = "%Y-%m-%d-%H:%M"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CADENCES_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440)
"""Window lengths in minutes that cut every UTC day into equal parts and that cron can say."""


def window_key(instant: datetime) -> str:
    """The key of the window that begins at ``instant``."""
    return _utc(instant).strftime(KEY_FORMAT)


def window_start(key: str) -> datetime:
    """The instant at which the window ``key`` begins; ``ValueError`` names a malformed key."""
    try:
        return datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{key!r} is not a window key; keys look like 2026-01-31-14:00") from error


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone; all instants here are UTC")
    return instant.astimezone(UTC)


@dataclass(frozen=True)
class Cadence:
    """The length of a stream's windows. It belongs to the ledger and never changes under it."""

    minutes: int = 60

    def __post_init__(self) -> None:
        if self.minutes not in CADENCES_MINUTES:
            allowed = ", ".join(map(str, CADENCES_MINUTES))
            raise ValueError(f"a window of {self.minutes} minutes does not divide the day; choose one of {allowed}")

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    @property
    def cron(self) -> str:
        """The cron schedule that fires at each boundary."""
        if self.minutes < 60:
            return "* * * * *" if self.minutes == 1 else f"*/{self.minutes} * * * *"
        hours = self.minutes // 60
        if hours == 24:
            return "0 0 * * *"
        return "0 * * * *" if hours == 1 else f"0 */{hours} * * *"

    def floor(self, instant: datetime) -> datetime:
        """The start of the window that holds ``instant``."""
        return EPOCH + (_utc(instant) - EPOCH) // self.length * self.length

    def next(self, instant: datetime) -> datetime:
        """The first boundary after ``instant``."""
        return self.floor(instant) + self.length

    def instants(self, first: datetime, last: datetime) -> list[datetime]:
        """Every boundary from ``floor(first)`` to ``floor(last)``, both included."""
        begin, end = self.floor(first), self.floor(last)
        return [begin + i * self.length for i in range((end - begin) // self.length + 1)]

    def keys(self, first: datetime, until: datetime) -> list[str]:
        """Keys of the windows that overlap ``[first, until)``."""
        if until <= first:
            return []
        begin = self.floor(first)
        count = -((begin - _utc(until)) // self.length)
        return [window_key(begin + i * self.length) for i in range(count)]

    def end(self, key: str) -> datetime:
        """The instant at which the window ``key`` ends."""
        return window_start(key) + self.length

    def lookback(self, key: str, windows: int) -> list[str]:
        """The ``windows`` keys that end with ``key`` itself, oldest first."""
        start = window_start(key)
        return [window_key(start - i * self.length) for i in range(windows - 1, -1, -1)]


def contiguous_runs(keys: list[str], cadence: Cadence) -> list[list[str]]:
    """``keys`` sorted and cut wherever two neighbours are not consecutive windows.

    A single-run backfill needs contiguous keys: Dagster names a range by its first and last key only.
    """
    runs: list[list[str]] = []
    for key in sorted(set(keys)):
        if runs and cadence.end(runs[-1][-1]) == window_start(key):
            runs[-1].append(key)
        else:
            runs.append([key])
    return runs
