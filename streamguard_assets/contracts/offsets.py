"""The identity of an event, said in offsets: boundaries, ranges and receipts of what a read delivered.

Every offset here is a *position*: ``start`` is the first offset covered, ``end`` is one past the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Offsets = Mapping[int, int]
"""Partition number to offset."""


@dataclass(frozen=True)
class Boundary:
    """One offset per partition at an instant; decided once, stored once, never changed.

    ``topic_id`` is Kafka's UUID of the topic, so that a topic deleted and created again is noticed.
    """

    instant: datetime
    offsets: Offsets
    topic_id: str


@dataclass(frozen=True)
class OffsetRange:
    """Offsets to cover in every partition of a topic: ``[starts[p], ends[p])``. Not a count of records."""

    topic: str
    starts: Offsets
    ends: Offsets

    def __post_init__(self) -> None:
        if set(self.starts) != set(self.ends):
            raise ValueError(f"starts and ends name different partitions: {self.starts} and {self.ends}")
        for partition, start in self.starts.items():
            if not 0 <= start <= self.ends[partition]:
                raise ValueError(f"partition {partition}: range [{start}, {self.ends[partition]}) is not ordered")

    @property
    def partitions(self) -> list[int]:
        return sorted(self.starts)

    @property
    def span(self) -> int:
        """Offsets covered; an upper bound of the records inside, since logs have holes."""
        return sum(self.ends[p] - self.starts[p] for p in self.starts)

    @property
    def is_empty(self) -> bool:
        return self.span == 0

    def covers(self, partition: int, offset: int) -> bool:
        return partition in self.starts and self.starts[partition] <= offset < self.ends[partition]

    def without_empty(self) -> OffsetRange:
        """The same range with only the partitions that hold offsets."""
        kept = [p for p in self.partitions if self.ends[p] > self.starts[p]]
        return OffsetRange(self.topic, {p: self.starts[p] for p in kept}, {p: self.ends[p] for p in kept})

    def split(self, parts: int) -> list[OffsetRange]:
        """At most ``parts`` non-empty ranges of balanced span that together are this range.

        Balanced by offsets and not by partition: a skewed topic would leave one worker with most of the work.
        """
        if parts < 1:
            raise ValueError(f"parts must be at least 1, not {parts}")
        target = -(-self.span // parts) if self.span else 0
        pieces: list[OffsetRange] = []
        starts: dict[int, int] = {}
        ends: dict[int, int] = {}
        room = target
        for partition in self.partitions:
            position, end = self.starts[partition], self.ends[partition]
            while position < end:
                taken = min(room, end - position)
                starts[partition], ends[partition] = position, position + taken
                position += taken
                room -= taken
                if room == 0:
                    pieces.append(OffsetRange(self.topic, starts, ends))
                    starts, ends, room = {}, {}, target
        if starts:
            pieces.append(OffsetRange(self.topic, starts, ends))
        return pieces

    def to_json(self) -> dict[str, Any]:
        """``{"topic": …, "offsets": {"0": [start, end], …}}``, the form kept in commits and metadata."""
        return {"topic": self.topic, "offsets": {str(p): [self.starts[p], self.ends[p]] for p in self.partitions}}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> OffsetRange:
        offsets = {int(p): (int(a), int(b)) for p, (a, b) in document["offsets"].items()}
        return cls(document["topic"], {p: a for p, (a, _) in offsets.items()}, {p: b for p, (_, b) in offsets.items()})

    def __str__(self) -> str:
        return f"{self.topic} " + json.dumps({p: [self.starts[p], self.ends[p]] for p in self.partitions})


def range_between(topic: str, lower: Boundary, upper: Boundary, log_starts: Offsets | None = None) -> OffsetRange:
    """The offsets of the window between two neighbouring boundaries.

    A partition that the lower boundary does not know was added inside the window: it begins at its log start
    (``log_starts``), or at 0, which is the log start of a partition that was just created.
    """
    starts = {p: lower.offsets.get(p, (log_starts or {}).get(p, 0)) for p in upper.offsets}
    return OffsetRange(topic, starts, dict(upper.offsets))


@dataclass(frozen=True)
class PartitionReceipt:
    """What a bounded read was given for one partition; holes are observed, never computed by subtraction.

    ``delivered`` counts records; ``holes`` are offset ranges that the log skipped (control records, compacted or
    aborted records); ``position`` is where the consumer stood when the read ended, at or past ``end``.
    """

    partition: int
    start: int
    end: int
    delivered: int
    position: int
    holes: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> list[Any]:
        return [self.partition, self.start, self.end, self.delivered, self.position, [list(h) for h in self.holes]]

    @classmethod
    def from_json(cls, document: Sequence[Any]) -> PartitionReceipt:
        partition, start, end, delivered, position, holes = document
        return cls(partition, start, end, delivered, position, tuple((a, b) for a, b in holes))


@dataclass(frozen=True)
class ReadReceipt:
    """The receipts of every partition of one read."""

    topic: str
    partitions: tuple[PartitionReceipt, ...] = field(default_factory=tuple)

    @property
    def delivered(self) -> int:
        return sum(p.delivered for p in self.partitions)

    def __iter__(self) -> Iterator[PartitionReceipt]:
        return iter(self.partitions)

    def to_json(self) -> dict[str, Any]:
        return {"topic": self.topic, "partitions": [p.to_json() for p in self.partitions]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReadReceipt:
        return cls(document["topic"], tuple(PartitionReceipt.from_json(p) for p in document["partitions"]))
