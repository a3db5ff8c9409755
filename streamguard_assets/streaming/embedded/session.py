"""One session of the embedded engine: read, give verdicts, commit, from one take-over of the stream to the next.

Two threads. This one reads and parses; the writer commits the batch before, so that neither waits for the other. While
the writer is busy the next batch grows, up to its cap; then nothing more is read, and memory stays bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.errors import KafkaUnavailable
from streamguard_assets.kafka.tail import TopicTail
from streamguard_assets.kafka.watch import TopicFacts, TopicWatch
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.micro_batch import BatchBuilder, Trigger
from streamguard_assets.streaming.embedded.opening import Opening
from streamguard_assets.streaming.embedded.patience import LAKE
from streamguard_assets.streaming.embedded.writer import BatchWriter
from streamguard_assets.streaming.errors import Reopen
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.steps import OnStep, Step
from streamguard_assets.windows.stream import Stream

POLL_S = 0.5
"""Longest wait in one call to librdkafka; a stop is seen this much later."""

LINGER_S = 0.02
"""How long a look waits to bring many records at once; each one costs about as much as a hundred records."""

LOOK_EVERY_S = 5.0
"""How often an idle stream asks for the end of the log and whether it is still the owner."""

SILENCE_S = 2 * LOOK_EVERY_S
"""A cluster that has answered nothing for so long is told to be away; the first question goes out after half of it."""

QUIET_S = 5.0
"""A stream that has taken nothing for so long is called idle."""


class Session:
    """Runs until ``control`` says stop. Raises what ends a session; what it had in hand is read again by the next."""

    def __init__(
        self,
        stream: Stream,
        opening: Opening,
        facts: TopicFacts,
        control: Control,
        progress: Progress,
        writer: BatchWriter,
        *,
        now: Callable[[], datetime],
        on_step: OnStep,
    ) -> None:
        settings = stream.settings.streaming
        self._stream = stream
        self._topic_id = facts.topic_id
        self._partitions = set(facts.log_starts)
        self._control = control
        self._progress = progress
        self._writer = writer
        self._now = now
        self._on_step = on_step
        self._patience_s = settings.patience_s
        self._trigger = Trigger(
            settings.trigger_ms / 1000, settings.max_batch_records, settings.max_batch_mb * 1024 * 1024
        )
        positions = opening.landing.positions
        self._tail = TopicTail(
            stream.connection,
            stream.topic,
            {p: opening.gaps[p][1] if p in opening.gaps else offset for p, offset in positions.items()},
            group=group_of(stream),
        )
        self._watch = TopicWatch(stream.connection, stream.topic)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream-writer")
        self._written: Future[None] | None = None
        self._asked: Future[TopicFacts] | None = None
        self._away = self._lake_away = ""
        self._asked_at = self._answered_at = self._taken_at = time.monotonic()
        self._batch = self._begin(positions, opening.gaps)
        self._apply(facts)

    def run(self) -> None:
        """Until ``control`` says stop; the batch in hand is committed."""
        try:
            self._work()
            self._progress.turn(Phase.STOPPING, self._control.reason)
            self._finish()
        except KafkaUnavailable:
            # A batch that could not be confirmed is let go at a stop: it is not committed, and is read again.
            if not self._control.stopping:
                raise
        finally:
            # The writer may be in the middle of a commit: nobody may take the stream for ended before it is.
            self._thread.shutdown(wait=True)
            self._watch.close()
            self._tail.close()

    def _work(self) -> None:
        while not self._control.stopping:
            if self._control.paused:
                self._pause()
            else:
                self._turn()

    def _turn(self) -> None:
        now_s = time.monotonic()
        self._look(now_s)
        self._raise_failure()
        if self._trigger.is_due(self._batch, now_s):
            if self._is_writer_free():
                self._hand_over()
            elif self._trigger.is_full(self._batch):
                self._wait_for_writer(POLL_S)
            else:
                self._wait_for_writer(LINGER_S)
                self._read(0.0)
        else:
            self._update_dashboard()
            self._read(self._trigger.remaining_s(self._batch, now_s))
        self._tell()

    def _update_dashboard(self) -> None:
        """A stream that falls quiet must not keep its last seconds from the dashboard until the next event comes."""
        if self._is_writer_free() and self._writer.is_behind():
            self._written = self._thread.submit(self._writer.catch_up)

    def _read(self, wait_s: float) -> None:
        """Add what has come, waiting at most ``wait_s``. A batch that has begun waits a little for many at once."""
        linger_s = 0.0 if self._batch.first_at is None else min(LINGER_S, wait_s)
        is_worth_it = self._trigger.is_worth_it(self._batch)
        taken = self._tail.take(linger_s if is_worth_it else min(POLL_S, wait_s), linger_s)
        if taken.lost:
            raise Reopen(f"topic {self._stream.topic!r} no longer has the next offset of partitions {taken.lost}")
        if not taken.is_empty:
            self._batch.add(taken)
        elif is_worth_it and self._is_writer_free():
            self._hand_over()
        if taken.records:
            self._taken_at = time.monotonic()

    def _hand_over(self) -> None:
        """Give the batch in hand to the writer, and begin the next one where it ends."""
        batch = self._batch.finish()
        self._on_step(Step.AFTER_READ)
        # Asked after everything was read: the answer then says of all of it that it is of the same topic.
        facts = self._ask()
        positions = self._batch.positions
        self._written = self._thread.submit(self._writer.write, batch, facts)
        self._batch = self._begin(positions)

    def _begin(self, positions: Offsets, gaps: Mapping[int, tuple[int, int]] | None = None) -> BatchBuilder:
        self._on_step(Step.BEFORE_READ)
        return BatchBuilder(self._stream.contract, self._stream.topic, positions, self._now(), gaps)

    def _pause(self) -> None:
        """Commit what is in hand, then wait; offsets stand still, and the stream stays ours."""
        if self._batch.has_progress:
            self._wait_for_writer()
            self._hand_over()
        self._wait_for_writer()
        while self._control.wait_while_paused(POLL_S):
            self._progress.turn(Phase.PAUSED, "paused; nothing is read")
            self._raise_failure()
            self._update_dashboard()
            self._tell_lag()
            self._look(time.monotonic())

    def _finish(self) -> None:
        self._wait_for_writer()
        if self._batch.has_progress:
            self._hand_over()
            self._wait_for_writer()
        self._writer.finish()
        self._tail.publish(self._writer.landing.positions)

    def _is_writer_free(self) -> bool:
        return self._written is None or self._written.done()

    def _wait_for_writer(self, timeout_s: float | None = None) -> None:
        if self._written is None:
            return
        try:
            self._written.result(timeout_s)
        except TimeoutError:
            if self._written.done():  # the writer's own failure, and not the end of our patience
                raise

    def _raise_failure(self) -> None:
        if self._written is not None and self._written.done():
            self._written.result()
            self._tail.publish(self._writer.landing.positions)

    def _look(self, now_s: float) -> None:
        """Ask for the topic's facts now and then, and act on what came back."""
        if self._asked is not None and self._asked.done():
            asked, self._asked = self._asked, None
            self._take_answer(asked, now_s)
        if self._asked is None and now_s - self._asked_at >= LOOK_EVERY_S:
            self._ask()
            self._refuse_other_owner()

    def _refuse_other_owner(self) -> None:
        """``StreamLost`` when there is one. A lake that does not answer is told of; the writer decides for how long."""
        events = self._writer.landing.events
        try:
            state = events.state()
        except LAKE.faults as fault:
            self._lake_away = LAKE.reason(fault)
            return
        self._lake_away = ""
        if state is not None and state.epoch != self._writer.landing.epoch:
            raise StreamLost(events.uri, state.owner, state.epoch)

    def _ask(self) -> Future[TopicFacts]:
        self._asked_at = time.monotonic()
        self._asked = self._watch.ask()
        return self._asked

    def _take_answer(self, asked: Future[TopicFacts], now_s: float) -> None:
        try:
            self._apply(asked.result())
        except KafkaUnavailable as away:
            if now_s - self._answered_at > self._patience_s:
                raise
            self._away = str(away)
            self._asked_at = now_s - LOOK_EVERY_S + 1.0  # asked again sooner: somebody waits for it
        else:
            self._answered_at, self._away = now_s, ""

    def _apply(self, facts: TopicFacts) -> None:
        if facts.topic_id != self._topic_id:
            raise Reopen(f"topic {self._stream.topic!r} was recreated")
        if added := set(facts.log_starts) - self._partitions:
            raise Reopen(f"topic {self._stream.topic!r} got partitions {sorted(added)}")
        self._progress.note(end_offsets=dict(facts.end_offsets))

    def _tell(self) -> None:
        """Phase and lag, once per turn."""
        self._tell_lag()
        now_s = time.monotonic()
        if self._writer.is_waiting:
            self._progress.note(turn_at=self._now())  # what it waits for is told, and must not be painted over
        elif self._lake_away:
            self._progress.turn(Phase.WAITING_FOR_LAKE, self._lake_away)
        elif now_s - self._answered_at > SILENCE_S:
            silence = f"no answer for {now_s - self._answered_at:.0f} s"
            self._progress.turn(Phase.WAITING_FOR_KAFKA, self._away or silence)
        else:
            self._progress.turn(Phase.IDLE if now_s - self._taken_at > QUIET_S else Phase.RUNNING)

    def _tell_lag(self) -> None:
        self._progress.note_lag(self._writer.oldest_uncommitted_s(self._batch.oldest_s), self._batch.records)


def group_of(stream: Stream) -> str:
    """The consumer group that is told where the stream is; nothing is ever read from it."""
    return f"streamguard-{stream.name}"
