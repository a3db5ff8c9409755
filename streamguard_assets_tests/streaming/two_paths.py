"""A stream of transactions whose windows and live rows are written straight into the lake, from the same records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from deltalake import DeltaTable

from streamguard_assets.contracts.offsets import Boundary, OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.staging import DataFile, content_of_files, rows_of
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.live_tables import live_events, live_quarantine
from streamguard_assets.windows.stream import Stream, open_stream
from streamguard_assets_tests.contracts.transaction_records import transaction

START = datetime(2026, 1, 30, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPIC_ID = "topic-1"
PER_WINDOW = {0: 20, 1: 10}
"""Offsets of a window in each of the two partitions."""
REJECTED_EVERY = 7

Ranges = Mapping[int, tuple[int, int]]


def window_of(index: int) -> str:
    """The window that begins ``index`` hours after the first."""
    return window_key(START + index * HOUR)


def offsets_of(index: int) -> dict[int, tuple[int, int]]:
    """The offsets of that window."""
    return {p: (index * count, (index + 1) * count) for p, count in PER_WINDOW.items()}


def is_rejected(offset: int) -> bool:
    return offset % REJECTED_EVERY == 3


def instant_of(partition: int, offset: int) -> datetime:
    """The event time of a record: spread over its window, whatever the partition."""
    return START + HOUR * (offset / PER_WINDOW[partition])


def parsed(stream: Stream, ranges: Ranges, processed_at: datetime) -> list[ParsedChunk]:
    """The records of ``ranges`` as both paths judge them; every seventh is none."""
    return [
        parse_records(
            stream.contract,
            stream.topic,
            partition,
            range(begin, end),
            [0] * (end - begin),
            None,
            [record(partition, offset) for offset in range(begin, end)],
            processed_at=processed_at,
        )
        for partition, (begin, end) in ranges.items()
        if begin < end
    ]


def record(partition: int, offset: int) -> bytes:
    if is_rejected(offset):
        return b"{"
    when = instant_of(partition, offset)
    return transaction(transaction_id=f"t-{partition}-{offset}", event_timestamp=when.isoformat())


def places(rows: pl.LazyFrame | pl.DataFrame) -> list[tuple[int, int]]:
    """Partition and offset of each row, sorted; an offset that is there twice is listed twice."""
    return sorted(rows.lazy().select("kafka_partition", "kafka_offset").collect().iter_rows())


def expected(ranges: Iterable[Ranges], *, rejected: bool = False) -> list[tuple[int, int]]:
    """The places of accepted (or rejected) records in ``ranges``."""
    return sorted(
        (partition, offset)
        for part in ranges
        for partition, (begin, end) in part.items()
        for offset in range(begin, end)
        if is_rejected(offset) == rejected
    )


@dataclass
class TwoPaths:
    """``stream`` is one process' view of it; the others are how tests write what windows and the stream would."""

    settings: Settings
    stream: Stream

    @classmethod
    def of(cls, settings: Settings) -> TwoPaths:
        return cls(settings, open_stream(settings, "transactions", LakeLocation(settings.lake_uri)))

    @property
    def events(self) -> LiveTable:
        return live_events(self.stream)

    @property
    def quarantine(self) -> LiveTable:
        return live_quarantine(self.stream)

    def raw(self, asset: str) -> DeltaTable:
        """A table as any other tool sees it."""
        return DeltaTable(self.stream.location.table(self.stream.name, asset))

    def close(self, windows: int, topic_id: str = TOPIC_ID) -> None:
        """Decide the boundaries of so many windows."""
        boundaries = [
            Boundary(START + i * HOUR, {p: i * count for p, count in PER_WINDOW.items()}, topic_id)
            for i in range(windows + 1)
        ]
        self.stream.ledger.insert_many(boundaries, START + (windows + 1) * HOUR)

    def build(
        self,
        *indices: int,
        attempt: str = "run",
        complete: bool = True,
        lost: Sequence[tuple[int, int, int]] = (),
        change: pl.Expr | None = None,
    ) -> None:
        """Commit windows: rejected records first, then events. ``lost`` are gaps ``(partition, start, end)``."""
        table = self.stream.table("events")
        for index in indices:
            window, named = window_of(index), f"{attempt}-{index}"
            chunks = parsed(self.stream, offsets_of(index), START + (index + 2) * HOUR)
            stager = self.stream.quarantine.stager(window, named)
            stager.add(_not_lost(pl.concat([chunk.rejected for chunk in chunks]), lost))
            refused = stager.finish()
            self.stream.quarantine.append(refused, named)
            rows = _not_lost(pl.concat([chunk.accepted for chunk in chunks]), lost)
            rows = rows if change is None else rows.with_columns(change)
            details = self._details(index, lost, refused)
            table.write(
                rows.with_columns(window=pl.lit(window)), WindowCommit(window, named, complete, details=details)
            )

    def _details(self, index: int, lost: Sequence[tuple[int, int, int]], refused: Sequence[DataFile]) -> dict[str, Any]:
        ranges = offsets_of(index)
        covered = OffsetRange(
            self.stream.topic, {p: a for p, (a, _) in ranges.items()}, {p: b for p, (_, b) in ranges.items()}
        )
        away = {p: sum(end - start for q, start, end in lost if q == p) for p in ranges}
        receipt = ReadReceipt(
            self.stream.topic, tuple(PartitionReceipt(p, a, b, b - a - away[p], b) for p, (a, b) in ranges.items())
        )
        return {
            "range": covered.to_json(),
            "receipt": receipt.to_json(),
            "gaps": [list(gap) for gap in lost],
            "definition_hash": self.stream.contract.hash,
            "delivered": receipt.delivered,
            "rejected": rows_of(refused),
            "rejected_content": content_of_files(refused),
            "soft_rule_hits": {},
        }

    def begin(self, starts: Mapping[int, int] | None = None, topic_id: str = TOPIC_ID) -> int:
        """The stream takes its live tables over; the epoch."""
        begins = {0: 0, 1: 0} if starts is None else dict(starts)
        self.quarantine.take_over("test", self.stream.topic, topic_id, begins)
        return self.events.take_over("test", self.stream.topic, topic_id, begins).epoch

    def append(self, epoch: int, ends: Mapping[int, int], table: LiveTable | None = None) -> None:
        """A micro-batch that reaches to ``ends``: rejected rows first, then events."""
        events = table or self.events
        state = events.state()
        assert state is not None
        ranges = {p: (state.positions[p], end) for p, end in ends.items()}
        chunks = parsed(self.stream, ranges, START + 30 * HOUR)
        if not chunks:
            return
        rejected = pl.concat([chunk.rejected for chunk in chunks])
        if rejected.height:
            quarantined = self.quarantine.state()
            assert quarantined is not None
            land(self.quarantine, quarantined.epoch, rejected, ends)
        land(events, epoch, pl.concat([chunk.accepted for chunk in chunks]), ends)

    def stream_windows(self, first: int, end: int) -> int:
        """The stream writes the records of windows ``first`` to ``end``, a batch per window; the epoch."""
        epoch = self.begin({p: a for p, (a, _) in offsets_of(first).items()})
        for index in range(first, end):
            self.append(epoch, {p: b for p, (_, b) in offsets_of(index).items()})
        return epoch


def land(table: LiveTable, epoch: int, rows: pl.DataFrame, ends: Mapping[int, int]) -> LiveSnapshot:
    """Commit ``rows`` to a live table, which then has come to ``ends``."""

    def change(state: LiveState) -> LiveState:
        return state.followed_by("append", positions={**state.positions, **ends})

    with table.stager(date(2026, 1, 31), "test") as stager:
        stager.add(rows)
        files = stager.finish()
    return table.commit(epoch, files, change)


def _not_lost(rows: pl.DataFrame, lost: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
    for partition, start, end in lost:
        gone = (pl.col("kafka_partition") == partition) & pl.col("kafka_offset").is_between(start, end - 1)
        rows = rows.filter(~gone)
    return rows
