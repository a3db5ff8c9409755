"""A long backlog, read by several processes at once, slice by slice, before the tail of the log is followed.

One process parses as fast as one interpreter can; a stream that was stopped over night would be behind for that much
longer. A slice is staged as windows are, proven offset by offset, and committed as one micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from itertools import pairwise

from streamguard_assets.contracts.offsets import OffsetRange, Offsets
from streamguard_assets.kafka.errors import KafkaUnavailable, OffsetOutOfRange, RetentionGap
from streamguard_assets.kafka.watch import TopicFacts, topic_facts
from streamguard_assets.lake.live.state import LiveBatch
from streamguard_assets.lake.live.table import utc_day
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.landing import ATTEMPT
from streamguard_assets.streaming.embedded.landing import Staged as StagedBatch
from streamguard_assets.streaming.embedded.micro_batch import BatchBuilder, MicroBatch
from streamguard_assets.streaming.embedded.patience import Patience, first_of
from streamguard_assets.streaming.embedded.writer import BatchWriter
from streamguard_assets.streaming.errors import Reopen
from streamguard_assets.streaming.live_place import LivePlace
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.steps import OnStep, Step
from streamguard_assets.windows.reading import Share, Staged
from streamguard_assets.windows.sharing import Workers
from streamguard_assets.windows.stream import Stream

SLICE_OFFSETS = 400_000
"""Offsets of one slice: about a second's work, which a stop waits for."""

LEAST_OFFSETS = 400_000
"""From so many on worker processes, which take a second to start, are worth it."""


class Backlog:
    """What a stream is behind by when it begins. ``drain`` brings it to where the tail can be followed."""

    def __init__(
        self,
        stream: Stream,
        writer: BatchWriter,
        store: Patience,
        control: Control,
        progress: Progress,
        *,
        now: Callable[[], datetime],
        on_step: OnStep,
        slice_offsets: int = SLICE_OFFSETS,
        least_offsets: int = LEAST_OFFSETS,
    ) -> None:
        self._stream = stream
        self._writer = writer
        self._store = store
        self._control = control
        self._progress = progress
        self._now = now
        self._on_step = on_step
        self._slice_offsets = slice_offsets
        self._least_offsets = least_offsets

    def drain(self, facts: TopicFacts) -> None:
        """Commit slices until less than a slice is left, or until a stop or a pause; nothing when less is.

        The dashboard is not told of them: ``BatchWriter.catch_up_dashboard`` comes after.

        Raises:
            Reopen: the topic changed, a worker died, or the cluster went away; what was committed stays.
            ConservationError: a slice is not exactly its offsets; nothing of it was committed.
            StreamLost, StoreFault: as ``BatchWriter.write``.
        """
        planned = list(
            slices(self._stream.topic, self._writer.landing.positions, facts.end_offsets, self._slice_offsets)
        )
        if sum(piece.span for piece in planned) < self._least_offsets:
            return
        try:
            with Workers(self._stream.settings.ingest) as workers, ThreadPoolExecutor(1) as ahead:
                self._commit_all(planned, lambda piece: ahead.submit(self._stage, workers, piece))
        except (KafkaUnavailable, RetentionGap, OffsetOutOfRange, BrokenProcessPool) as reason:
            raise Reopen(f"the backlog could not be read to its end: {reason}") from reason

    def _commit_all(
        self, planned: list[OffsetRange], stage: Callable[[OffsetRange], Future[tuple[Staged, datetime]]]
    ) -> None:
        """Commit one slice while the next one is read. One that the lake does not take is read again."""
        staged = stage(planned[0])
        for place, piece in enumerate(planned):
            self._on_step(Step.BEFORE_READ)
            self._progress.turn(Phase.RUNNING, f"slice {place + 1} of {len(planned)} of the backlog")
            read, read_at = self._store.until_done(first_of(staged.result, lambda piece=piece: stage(piece).result()))
            if place + 1 < len(planned):
                staged = stage(planned[place + 1])
            self._commit(piece, read, read_at)
            if self._control.stopping or self._control.paused:
                staged.cancel()
                return

    def _stage(self, workers: Workers, piece: OffsetRange) -> tuple[Staged, datetime]:
        stream, moment = self._stream, self._now()
        share = Share(
            connection=stream.connection,
            landing=LivePlace(stream.location, stream.name, utc_day(moment)),
            contract_name=stream.contract.name,
            attempt=ATTEMPT,
            processed_at=moment,
            range=piece,
            chunk_records=stream.settings.ingest.chunk_records,
            file_rows=stream.settings.ingest.file_rows,
            count_soft_rules=False,
        )
        return workers.stage(share)[0], moment

    def _commit(self, piece: OffsetRange, read: Staged, read_at: datetime) -> None:
        read.account.verify(piece, read.receipt)
        self._on_step(Step.AFTER_READ)
        facts = topic_facts(self._stream.connection, self._stream.topic)
        self._writer.refuse_other_topic(facts)
        self._progress.note(end_offsets=dict(facts.end_offsets))
        self._writer.land(StagedBatch(self._batch(piece, read, read_at), read.files, read.rejected_files))

    def _batch(self, piece: OffsetRange, read: Staged, read_at: datetime) -> MicroBatch:
        """The slice as a micro-batch whose rows are in files already."""
        empty = BatchBuilder(self._stream.contract, self._stream.topic, {}, read_at).finish()
        holes: dict[int, list[tuple[int, int]]] = {}
        for part in read.receipt:
            holes.setdefault(part.partition, []).extend(part.holes)
        account = LiveBatch(
            ranges={p: (piece.starts[p], piece.ends[p]) for p in piece.partitions if piece.starts[p] < piece.ends[p]},
            rows=sum(file.rows for file in read.files),
            rejected=read.rejected,
            holes={p: tuple(sorted(found)) for p, found in holes.items() if found},
        )
        return MicroBatch(empty.accepted, empty.rejected, account, read.value_bytes, None)


def slices(topic: str, positions: Offsets, ends: Offsets, slice_offsets: int) -> Iterator[OffsetRange]:
    """What lies between ``positions`` and ``ends`` in ranges of about ``slice_offsets``, one after the other.

    Each takes the same part of what every partition has, so that times advance alike in all of them.
    """
    starts = {p: position for p, position in positions.items() if position < ends.get(p, 0)}
    span = sum(ends[p] - start for p, start in starts.items())
    parts = max(1, -(-span // slice_offsets))
    cuts = [{p: start + (ends[p] - start) * part // parts for p, start in starts.items()} for part in range(parts + 1)]
    for low, high in pairwise(cuts):
        yield OffsetRange(topic, low, high)
