"""Reading exactly N records of a topic, spread over its partitions, and touching no others.

Offsets are not records: a span of N offsets may hold fewer. So a sample is read in rounds, each sharing out what is
still missing, until N records are there or the logs are exhausted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.kafka.allotment import allot
from streamguard_assets.kafka.chunks import RawChunk
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import OffsetOutOfRange, RetentionGap, UnknownPartition
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.progress import PartitionProgress
from streamguard_assets.kafka.reader import RangeRead
from streamguard_assets.kafka.topics import topic_identity

SampleStart = Literal["earliest", "latest"] | Mapping[int, int]
"""Where a sample begins: the oldest records, the newest ones, or at given offsets of given partitions."""

Holes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SamplePlan:
    """``count`` records wanted of ``[starts, ends)``, taken from the front, or from the back when ``newest``.

    ``ends`` are last stable offsets at the time of planning: records that arrive later are not touched.
    """

    topic: str
    count: int
    starts: Mapping[int, int]
    ends: Mapping[int, int]
    newest: bool

    @property
    def expected_range(self) -> OffsetRange:
        """The offsets that the sample covers if the log has no holes; ``SampleRead.offset_range`` is what it did."""
        shares = allot(self.count, {p: self.ends[p] - self.starts[p] for p in self.starts})
        if self.newest:
            return OffsetRange(
                self.topic, {p: self.ends[p] - n for p, n in shares.items()}, {p: self.ends[p] for p in shares}
            )
        return OffsetRange(
            self.topic, {p: self.starts[p] for p in shares}, {p: self.starts[p] + n for p, n in shares.items()}
        )


def plan_sample(connection: KafkaConnection, topic: str, count: int, start: SampleStart = "earliest") -> SamplePlan:
    """Where ``count`` records can be taken from.

    Given offsets limit the sample to their partitions; one that retention has deleted raises ``RetentionGap``, one
    past the last stable offset ``OffsetOutOfRange``, a partition that is not there ``UnknownPartition``.
    """
    if count < 1:
        raise ValueError(f"a sample needs at least one record, not {count}")
    known = topic_identity(connection, topic).partitions
    partitions = known if isinstance(start, str) else sorted(start)
    if missing := [p for p in partitions if p not in known]:
        raise UnknownPartition(topic, missing, len(known))
    ends = last_stable_offsets(connection, topic, partitions)
    log_starts = log_start_offsets(connection, topic, partitions)
    starts = {p: min(log_starts[p], ends[p]) for p in partitions}
    if not isinstance(start, str):
        _refuse_outside(topic, start, log_starts, ends)
        starts = dict(start)
    return SamplePlan(topic, count, starts, ends, newest=start == "latest")


def read_sample(
    connection: KafkaConnection, plan: SamplePlan, *, chunk_records: int = 2_000, with_keys: bool = False
) -> SampleRead:
    """Read what ``plan`` says, in chunks of at most ``chunk_records``; raises like ``read_range``."""
    return SampleRead(connection, plan, chunk_records=chunk_records, with_keys=with_keys)


class SampleRead(Iterator[RawChunk]):
    """One sample. Offsets ascend within a chunk; with ``newest``, a later chunk may hold older records."""

    def __init__(self, connection: KafkaConnection, plan: SamplePlan, *, chunk_records: int, with_keys: bool) -> None:
        self._connection = connection
        self._plan = plan
        self._chunk_records = chunk_records
        self._with_keys = with_keys
        self._receipts: dict[int, PartitionReceipt] = {}
        self._is_done = False
        self._chunks = self._read_back() if plan.newest else self._read_on()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RawChunk:
        return next(self._chunks)

    @property
    def receipt(self) -> ReadReceipt:
        """What was delivered, and the holes seen; ``RuntimeError`` until the sample is complete."""
        if not self._is_done:
            raise RuntimeError(
                f"the sample of topic {self._plan.topic!r} is not finished: its receipt would be a guess"
            )
        return ReadReceipt(self._plan.topic, tuple(self._receipts[p] for p in sorted(self._receipts)))

    @property
    def offset_range(self) -> OffsetRange:
        """The offsets that the sample covers; known when it is complete."""
        receipts = list(self.receipt)
        return OffsetRange(
            self._plan.topic, {r.partition: r.start for r in receipts}, {r.partition: r.end for r in receipts}
        )

    def _read_on(self) -> Iterator[RawChunk]:
        plan = self._plan
        positions, wanted = dict(plan.starts), plan.count
        while shares := allot(wanted, {p: plan.ends[p] - positions[p] for p in positions}):
            ways = [PartitionProgress(p, positions[p], plan.ends[p], quota=n) for p, n in shares.items()]
            read = self._read(ways)
            yield from read
            for receipt in read.receipt:
                positions[receipt.partition] = receipt.end
                wanted -= receipt.delivered
                self._note(receipt)
        self._is_done = True

    def _read_back(self) -> Iterator[RawChunk]:
        plan = self._plan
        tops, wanted, stride = dict(plan.ends), plan.count, 1
        while shares := allot(wanted, {p: tops[p] - plan.starts[p] for p in tops}):
            bottoms = {p: max(plan.starts[p], tops[p] - n * stride) for p, n in shares.items()}
            read = self._read([PartitionProgress(p, bottoms[p], tops[p]) for p in shares])
            if stride == 1:  # a span as long as its share cannot hold too many records
                yield from read
                receipts = list(read.receipt)
            else:
                newest = {p: _NewestRecords(n) for p, n in shares.items()}
                for chunk in read:
                    newest[chunk.partition].add(chunk)
                receipts = [newest[receipt.partition].trim(receipt) for receipt in read.receipt]
                for kept in newest.values():
                    yield from kept.chunks
            for receipt in receipts:
                tops[receipt.partition] = receipt.start
                wanted -= receipt.delivered
                self._note(receipt)
            stride *= 2  # in a log full of holes, steps of one length could need a round per hole
        self._is_done = True

    def _read(self, ways: list[PartitionProgress]) -> RangeRead:
        return RangeRead(
            self._connection, self._plan.topic, ways, chunk_records=self._chunk_records, with_keys=self._with_keys
        )

    def _note(self, receipt: PartitionReceipt) -> None:
        known = self._receipts.get(receipt.partition)
        self._receipts[receipt.partition] = receipt if known is None else _joined(known, receipt)


class _NewestRecords:
    """Keeps the last ``count`` records of one partition out of chunks that come oldest first."""

    def __init__(self, count: int) -> None:
        self.chunks: deque[RawChunk] = deque()
        self._count = count
        self._held = 0

    def add(self, chunk: RawChunk) -> None:
        self.chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self.chunks[0]) >= self._count:
            self._held -= len(self.chunks.popleft())

    def trim(self, receipt: PartitionReceipt) -> PartitionReceipt:
        """Drop what is too much, and say what is left: ``receipt`` from the first kept record on."""
        if receipt.delivered <= self._count:
            return receipt
        self.chunks[0] = self.chunks[0].since(self._held - self._count)
        first = self.chunks[0].offsets[0]
        holes = tuple(hole for hole in receipt.holes if hole[0] > first)
        return replace(receipt, start=first, delivered=self._count, holes=holes)


def _joined(one: PartitionReceipt, other: PartitionReceipt) -> PartitionReceipt:
    """The receipt of two neighbouring spans of a partition, in either order."""
    lower, upper = sorted((one, other), key=lambda receipt: receipt.start)
    return PartitionReceipt(
        partition=one.partition,
        start=lower.start,
        end=upper.end,
        delivered=lower.delivered + upper.delivered,
        position=upper.position,
        holes=_joined_holes(lower.holes, upper.holes),
    )


def _joined_holes(lower: Holes, upper: Holes) -> Holes:
    """Both lists of holes; one that was cut in two between the spans is one again."""
    if lower and upper and lower[-1][1] == upper[0][0]:
        return (*lower[:-1], (lower[-1][0], upper[0][1]), *upper[1:])
    return lower + upper


def _refuse_outside(
    topic: str, starts: Mapping[int, int], log_starts: Mapping[int, int], ends: Mapping[int, int]
) -> None:
    for partition, start in starts.items():
        if start < log_starts[partition]:
            raise RetentionGap(topic, partition, start, log_starts[partition])
        if start > ends[partition]:
            raise OffsetOutOfRange(topic, partition, start, ends[partition])
