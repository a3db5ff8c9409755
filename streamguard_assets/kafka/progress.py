"""How far a bounded read of one partition has come, and the holes that it saw on the way. Pure: no Kafka here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from streamguard_assets.contracts.offsets import PartitionReceipt


class PartitionProgress:
    """One partition's way from ``start`` to ``end``, told only by what the log showed.

    A hole is written down when the log itself skips: between two records, or between the last record and a later
    position that the log proves (a record past the range, or the end of the log). It is never "what is missing".
    ``quota`` ends the way earlier, right after that many records.
    """

    __slots__ = ("_end", "_holes", "_left", "_quota", "delivered", "partition", "position", "start")

    def __init__(self, partition: int, start: int, end: int, quota: int | None = None) -> None:
        self.partition = partition
        self.start = start
        self.position = start
        self.delivered = 0
        self._end = end
        self._quota = quota
        self._holes: list[tuple[int, int]] = []
        self._left = False

    @property
    def end(self) -> int:
        """Where the way ends: the range's end, or the position at which the quota was full or the read was left."""
        return self.position if self._left or self._is_full else self._end

    @property
    def is_done(self) -> bool:
        return self._left or self._is_full or self.position >= self._end

    @property
    def remaining_span(self) -> int:
        """Offsets yet to be covered, at most the records that the quota still allows."""
        if self.is_done:
            return 0
        span = self._end - self.position
        return span if self._quota is None else min(span, self._quota - self.delivered)

    @property
    def _is_full(self) -> bool:
        return self._quota is not None and self.delivered >= self._quota

    def take(self, offsets: Sequence[int]) -> int:
        """How many of the next records (ascending, not empty) belong to the read; the others are past its end."""
        if self.is_done:
            return 0
        count = len(offsets) if offsets[-1] < self._end else bisect_left(offsets, self._end)
        if self._quota is not None:
            count = min(count, self._quota - self.delivered)
        if count:
            if offsets[count - 1] - self.position >= count:  # else dense: the usual case, not worth a look at each
                self._note_holes(offsets[:count])
            self.position = offsets[count - 1] + 1
            self.delivered += count
        if count < len(offsets) and not self._is_full:
            self.reach(offsets[count])
        return count

    def reach(self, position: int) -> None:
        """The log has shown that nothing visible stands between here and ``position``."""
        if self.is_done or position <= self.position:
            return
        self._holes.append((self.position, min(position, self._end)))
        self.position = position

    def leave(self) -> None:
        """End the way here: the reader has what it came for."""
        self._left = True

    def receipt(self) -> PartitionReceipt:
        """What was delivered and seen so far."""
        return PartitionReceipt(self.partition, self.start, self.end, self.delivered, self.position, tuple(self._holes))

    def _note_holes(self, offsets: Sequence[int]) -> None:
        expected = self.position
        for offset in offsets:
            if offset != expected:
                self._holes.append((expected, offset))
            expected = offset + 1
