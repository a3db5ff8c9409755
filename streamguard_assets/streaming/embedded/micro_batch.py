"""Records on their way from Kafka to one commit: their verdicts, and the account of every offset that they cover."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from confluent_kafka import Message

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.engines.polars.parsing import RECORDS_PER_CHUNK, parse_records
from streamguard_assets.kafka.progress import PartitionProgress
from streamguard_assets.kafka.tail import Taken
from streamguard_assets.lake.live.state import LiveBatch

ENDLESS = 2**62
"""The end of a way that has none."""


@dataclass(frozen=True)
class MicroBatch:
    """What one commit brings. ``accepted`` and ``rejected`` hold every record of ``account.ranges``, each once.

    Of a slice of a backlog they are empty: its rows are in files already, and only ``account`` tells of them.
    ``oldest`` is the Kafka timestamp of its oldest record, None when none has one.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    account: LiveBatch
    value_bytes: int
    oldest: datetime | None

    @property
    def records(self) -> int:
        return self.account.rows + self.account.rejected

    def after(self, positions: Offsets) -> dict[int, int]:
        """The positions once it has landed on ``positions``."""
        return {**positions, **{p: end for p, (_, end) in self.account.ranges.items()}}

    def follows(self, positions: Offsets) -> bool:
        """Whether it begins exactly where ``positions`` end."""
        return all(positions.get(p) == start for p, (start, _) in self.account.ranges.items())


@dataclass
class _Pending:
    """Records of one partition that wait for their verdicts."""

    messages: list[Message] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


class BatchBuilder:
    """Collects one micro-batch from ``positions`` on. Records are parsed as soon as there are enough for speed.

    ``processed_at`` is the instant that a contract with such a column keeps in its rows. ``gaps`` are offsets that
    Kafka no longer has and that the batch passes over by the operator's leave.
    """

    def __init__(
        self,
        contract: Contract,
        topic: str,
        positions: Offsets,
        processed_at: datetime,
        gaps: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self._contract = contract
        self._topic = topic
        self._processed_at = processed_at
        self._gaps = dict(gaps or {})
        self._starts = dict(positions)
        firsts = {p: self._gaps[p][1] if p in self._gaps else position for p, position in positions.items()}
        self._ways = {p: PartitionProgress(p, position, ENDLESS) for p, position in firsts.items()}
        self._pending: dict[int, _Pending] = {}
        self._accepted: list[pl.DataFrame] = []
        self._rejected: list[pl.DataFrame] = []
        self._oldest_ms: int | None = None
        self.records = 0
        self.value_bytes = 0
        self.opened_at = time.monotonic()
        self.first_at: float | None = None

    @property
    def positions(self) -> dict[int, int]:
        """Where the next batch begins."""
        return {p: way.position for p, way in self._ways.items()}

    @property
    def has_progress(self) -> bool:
        """Whether there is anything to commit, be it only holes."""
        return self.positions != self._starts

    @property
    def oldest_s(self) -> float | None:
        """Kafka timestamp of the oldest record, seconds since the epoch; None when there is none."""
        return None if self._oldest_ms is None else self._oldest_ms / 1000

    def add(self, taken: Taken) -> None:
        """Take what one look brought."""
        for partition, messages in taken.records:
            self._take(partition, messages)
        for partition, end in taken.reached.items():
            self._ways[partition].reach(end)

    def finish(self) -> MicroBatch:
        """Parse the rest, and give the batch."""
        for partition in sorted(self._pending):
            self._parse(partition, self._pending[partition])
        empty = parse_records(self._contract, self._topic, 0, [], [], [], [], processed_at=self._processed_at)
        accepted = pl.concat([*self._accepted]) if self._accepted else empty.accepted
        rejected = pl.concat([*self._rejected]) if self._rejected else empty.rejected
        oldest = None if self._oldest_ms is None else datetime.fromtimestamp(self._oldest_ms / 1000).astimezone()
        return MicroBatch(accepted, rejected, self._account(accepted.height, rejected.height), self.value_bytes, oldest)

    def _take(self, partition: int, messages: list[Message]) -> None:
        if self.first_at is None:
            self.first_at = time.monotonic()
        offsets: list[int] = list(map(Message.offset, messages))  # pyright: ignore[reportAssignmentType]
        self._ways[partition].take(offsets)
        self.records += len(messages)
        # Counted as they come and not when they are parsed: a cap on bytes that large records pass bounds nothing.
        self.value_bytes += sum(map(len, messages))
        self._note_age(messages[0])
        pending = self._pending.setdefault(partition, _Pending())
        pending.messages += messages
        pending.offsets += offsets
        if len(pending.offsets) >= RECORDS_PER_CHUNK:
            self._parse(partition, self._pending.pop(partition))

    def _note_age(self, first: Message) -> None:
        stamp_ms = first.timestamp()[1]
        if stamp_ms >= 0 and (self._oldest_ms is None or stamp_ms < self._oldest_ms):
            self._oldest_ms = stamp_ms

    def _parse(self, partition: int, pending: _Pending) -> None:
        messages = pending.messages
        values = list(map(Message.value, messages))
        parsed = parse_records(
            self._contract,
            self._topic,
            partition,
            pending.offsets,
            [stamp for _, stamp in map(Message.timestamp, messages)],
            list(map(Message.key, messages)),  # pyright: ignore[reportArgumentType]
            values,
            processed_at=self._processed_at,
            count_soft_rules=False,
        )
        self._accepted.append(parsed.accepted)
        if parsed.rejected.height:
            self._rejected.append(parsed.rejected)

    def _account(self, rows: int, rejected: int) -> LiveBatch:
        positions = self.positions
        return LiveBatch(
            ranges={p: (start, positions[p]) for p, start in self._starts.items() if positions[p] != start},
            rows=rows,
            rejected=rejected,
            holes={p: holes for p, way in self._ways.items() if (holes := way.receipt().holes)},
            gaps={p: (gap,) for p, gap in self._gaps.items()},
        )


@dataclass
class Trigger:
    """When a batch is due: by the age of its first record, by its size, or, with holes only, after a longer while."""

    trigger_s: float
    max_records: int
    max_bytes: int
    holes_s: float = field(default=5.0)

    def is_worth_it(self, batch: BatchBuilder) -> bool:
        """Whether it is large enough to be committed as soon as nothing more comes: the end of a backlog."""
        return batch.records >= max(1, self.max_records // 10)

    def is_full(self, batch: BatchBuilder) -> bool:
        """Whether nothing more may be added."""
        return batch.records >= self.max_records or batch.value_bytes >= self.max_bytes

    def is_due(self, batch: BatchBuilder, now_s: float) -> bool:
        """Whether it should be committed now."""
        if batch.first_at is not None:
            return now_s - batch.first_at >= self.trigger_s or self.is_full(batch)
        return batch.has_progress and now_s - batch.opened_at >= self.holes_s

    def remaining_s(self, batch: BatchBuilder, now_s: float) -> float:
        """How long a look may wait without coming too late for the batch."""
        return self.trigger_s if batch.first_at is None else max(0.0, batch.first_at + self.trigger_s - now_s)
