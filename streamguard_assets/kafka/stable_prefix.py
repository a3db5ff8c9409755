"""A topic as committed readers see it at one moment, and the offsets that instants have in it.

The moment is fixed by asking for the last stable offsets once. What is below them never changes, so each answer is
a function of that prefix alone: asked together, alone, or in any order, an instant gets the same offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import OffsetOutOfRange
from streamguard_assets.kafka.forward_scan import ForwardScan
from streamguard_assets.kafka.offsets import (
    MILLISECOND,
    StampedOffset,
    epoch_ms,
    first_offsets_since,
    last_stable_offsets,
    log_start_offsets,
)
from streamguard_assets.kafka.progress import PartitionProgress
from streamguard_assets.kafka.reader import RangeRead

SCANNED_PER_INSTANT = 5_000
"""Up to so many offsets per instant, reading them all is faster than asking the broker for each instant."""

SCANNED_AT_MOST = 1_000_000
"""A log longer than this is never read whole just because many instants are asked for: about a second."""


class StablePrefix:
    """The offsets ``[floors, ends)`` of a topic, questioned about ``instants`` (ascending).

    ``below`` holds offsets under which no answer may lie, a boundary already decided; a partition that it does not
    name begins at its log start. Records stamped after ``limit`` are passed over. ``OffsetOutOfRange`` when a
    partition has become shorter than ``below`` says.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        partitions: Sequence[int],
        instants: Sequence[datetime],
        *,
        below: Offsets,
        limit: datetime,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._instants = instants
        self._instants_ms = [epoch_ms(i) for i in instants]
        self._limit_ms = (limit - EPOCH) // MILLISECOND  # rounded down: a record stamped at the limit still counts
        ends = last_stable_offsets(connection, topic, partitions)  # first, so that a later answer can only lie above
        self._log_starts = log_start_offsets(connection, topic, partitions)
        for partition, floor in below.items():
            if floor > ends.get(partition, 0):
                raise OffsetOutOfRange(topic, partition, floor, ends.get(partition, 0))
        self.floors = {p: below.get(p, self._log_starts[p]) for p in partitions}
        self.ends = {p: max(end, self.floors[p]) for p, end in ends.items()}
        self._seen: dict[tuple[int, int], StampedOffset | None] = {}
        self._ladders: dict[int, list[StampedOffset]] = {}

    def offsets_at(self, indices: Sequence[int]) -> list[dict[int, int]]:
        """For the instants with these ``indices``: one offset per partition, the end where no record is found."""
        return [
            {p: records[p].offset if p in records else end for p, end in self.ends.items()}
            for records in self.records_at(indices)
        ]

    def records_at(self, indices: Sequence[int]) -> list[dict[int, StampedOffset]]:
        """The first visible record at or after the floor that is stamped in ``[instant, limit]``, per partition.

        Partitions without one are absent.
        """
        if not self._ladders and self._is_worth_scanning:
            self._climb(self._read_starts)
        found = self._look_up(indices, [p for p in self.ends if p not in self._ladders])
        for index, records in zip(indices, found, strict=True):
            records.update({p: ladder[index] for p, ladder in self._ladders.items() if index < len(ladder)})
        return found

    @property
    def _read_starts(self) -> dict[int, int]:
        return {p: min(max(self.floors[p], self._log_starts[p]), end) for p, end in self.ends.items()}

    @property
    def _is_worth_scanning(self) -> bool:
        span = sum(self.ends[p] - start for p, start in self._read_starts.items())
        return span <= min(SCANNED_PER_INSTANT * len(self._instants), SCANNED_AT_MOST)

    def _look_up(self, indices: Sequence[int], partitions: Sequence[int]) -> list[dict[int, StampedOffset]]:
        """Ask the broker's time index, and look at the record behind each answer: it may be a transaction marker or
        an aborted record, which no reader sees, or stamped in the future, and then it hides later ones."""
        if not partitions:
            return [{} for _ in indices]
        answers = first_offsets_since(self._connection, self._topic, partitions, [self._instants[i] for i in indices])
        starts = [
            {p: max(a.offset, self._read_starts[p]) for p, a in answer.items() if a.offset < self.ends[p]}
            for answer in answers
        ]
        self._peek({(p, start) for by_partition in starts for p, start in by_partition.items()})
        found: list[dict[int, StampedOffset]] = []
        hidden: set[int] = set()
        for index, by_partition in zip(indices, starts, strict=True):
            records = {p: self._seen[p, start] for p, start in by_partition.items()}
            found.append({p: r for p, r in records.items() if r is not None and self._answers(index, r)})
            hidden.update(p for p, r in records.items() if r is not None and not self._answers(index, r))
        if hidden:
            self._climb(self._first_starts(sorted(hidden)))
        return found

    def _answers(self, index: int, record: StampedOffset) -> bool:
        return self._instants_ms[index] <= record.timestamp_ms <= self._limit_ms

    def _first_starts(self, partitions: Sequence[int]) -> dict[int, int]:
        """Where a scan for all instants may begin: nothing before the broker's answer for the first one matters."""
        (answer,) = first_offsets_since(self._connection, self._topic, partitions, self._instants[:1])
        starts = {p: max(answer[p].offset, self._read_starts[p]) if p in answer else self.ends[p] for p in partitions}
        return {p: min(start, self.ends[p]) for p, start in starts.items()}

    def _peek(self, wanted: set[tuple[int, int]]) -> None:
        """Read the first visible record from each ``(partition, start)`` on, one per partition and pass."""
        waiting = sorted(wanted - self._seen.keys())
        while waiting:
            now = dict(reversed(waiting))
            waiting = [(p, start) for p, start in waiting if now[p] != start]
            self._seen.update(dict.fromkeys(now.items()))
            ways = [PartitionProgress(p, start, self.ends[p], quota=1) for p, start in now.items()]
            with RangeRead(self._connection, self._topic, ways) as read:
                for chunk in read:
                    key = chunk.partition, now[chunk.partition]
                    self._seen[key] = StampedOffset(chunk.offsets[0], chunk.timestamps_ms[0])

    def _climb(self, starts: Mapping[int, int]) -> None:
        """Answer all instants for these partitions in one pass over their records."""
        scans = {p: ForwardScan(self._instants_ms, self._limit_ms) for p in starts}
        ways = [PartitionProgress(p, start, self.ends[p]) for p, start in starts.items()]
        with RangeRead(self._connection, self._topic, ways) as read:
            for chunk in read:
                scan = scans[chunk.partition]
                scan.feed(chunk.offsets, chunk.timestamps_ms)
                if scan.is_done:
                    read.leave(chunk.partition)
        self._ladders.update({p: scan.found for p, scan in scans.items()})
