"""Which offset a time has, found by looking at records in their order. Pure: no Kafka here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamguard_assets.kafka.offsets import StampedOffset

NEVER = np.iinfo(np.int64).min


class ForwardScan:
    """Finds, for ascending instants, the first record stamped at or after each of them and not in the future.

    Times are epoch milliseconds. A record stamped after ``limit_ms`` is passed over: it says nothing about when it
    was written, and taking it would pin every later boundary at its offset. Feed it one partition's records in
    ascending offset order; it holds one answer per instant, however long the log.
    """

    def __init__(self, instants_ms: Sequence[int], limit_ms: int) -> None:
        self._instants_ms = np.asarray(instants_ms, dtype=np.int64)
        if np.any(np.diff(self._instants_ms) < 0):
            raise ValueError("instants must be in ascending order")
        self._limit_ms = limit_ms
        self.found: list[StampedOffset] = []

    @property
    def is_done(self) -> bool:
        return len(self.found) == len(self._instants_ms)

    def feed(self, offsets: Sequence[int], timestamps_ms: Sequence[int]) -> None:
        """Look at the next records. A record without a timestamp (-1) is passed over."""
        if self.is_done or not offsets:
            return
        stamps = np.asarray(timestamps_ms, dtype=np.int64)
        usable = np.where((stamps >= 0) & (stamps <= self._limit_ms), stamps, NEVER)
        reached = np.maximum.accumulate(usable)
        waiting = self._instants_ms[len(self.found) :]
        first = np.searchsorted(reached, waiting, side="left")
        hits = first[first < len(reached)]
        self.found.extend(StampedOffset(offsets[i], int(stamps[i])) for i in hits)
