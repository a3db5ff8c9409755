"""The writer's side of a session: one batch after the other into the live tables, and the word of it to the world."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

import numpy as np

from streamguard_assets.kafka.watch import TopicFacts, topic_facts
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.live.table import LiveSnapshot
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.dashboard.live import LiveDashboard
from streamguard_assets.streaming.embedded.landing import LiveLanding, Staged
from streamguard_assets.streaming.embedded.micro_batch import MicroBatch
from streamguard_assets.streaming.embedded.patience import CLUSTER, LAKE, Patience, first_of
from streamguard_assets.streaming.errors import Reopen
from streamguard_assets.streaming.progress import Landed, Phase, Progress
from streamguard_assets.streaming.steps import OnStep, Step
from streamguard_assets.windows.stream import Stream

ANSWER_LOOK_S = 0.5
"""How often a wait for an answer looks whether it is to stop."""

LATENCIES_PER_BATCH = 64
"""Records of a batch whose latency is kept; the percentiles of a minute then come from thousands."""


class BatchWriter:
    """Writes batches in the order in which they come. Only one thread calls ``write``."""

    def __init__(
        self,
        stream: Stream,
        landing: LiveLanding,
        dashboard: LiveDashboard | None,
        control: Control,
        progress: Progress,
        *,
        owner: str,
        now: Callable[[], datetime],
        on_step: OnStep,
    ) -> None:
        self.landing = landing
        self._stream = stream
        self._dashboard = dashboard
        self._control = control
        self._progress = progress
        self._now = now
        self._on_step = on_step
        patience_s = stream.settings.streaming.patience_s
        self._store = Patience(LAKE, control, progress, patience_s, owner)
        self._cluster = Patience(CLUSTER, control, progress, patience_s, owner)
        self._oldest_s: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a store or a cluster that is away, and tells so itself."""
        return self._store.is_waiting or self._cluster.is_waiting

    def write(self, batch: MicroBatch, facts: Future[TopicFacts]) -> None:
        """Commit ``batch`` once the topic is known to be the same still.

        Raises:
            StreamLost: another owner has the stream.
            Reopen: the topic was recreated while the batch was read; nothing of it is committed.
            StoreFault, KafkaUnavailable: the lake, the cluster was away for too long, or until the stop.
        """
        self._oldest_s = batch.oldest.timestamp() if batch.oldest else None
        moment = self._now()
        began = time.perf_counter()
        staged = self._store.until_done(lambda: self.landing.stage(batch, moment))
        self._on_step(Step.AFTER_WRITE)
        self.refuse_other_topic(self._answer(facts))
        landed, commit_ms = self._commit(staged, began)
        self._oldest_s = None
        self._update_dashboard(batch)
        self._on_step(Step.AFTER_DASHBOARD)
        self._report(batch, landed, commit_ms)

    def land(self, staged: Staged) -> None:
        """Commit a batch whose files are written and whose topic is known to be the same; the dashboard comes later.

        Raises ``StreamLost`` and ``StoreFault``.
        """
        self._on_step(Step.AFTER_WRITE)
        landed, commit_ms = self._commit(staged, time.perf_counter())
        self._report(staged.batch, landed, commit_ms)

    def catch_up_dashboard(self) -> None:
        """Bring the dashboard up to ``live/events`` from its rows: of another life, and of batches not handed to it."""
        dashboard = self._dashboard
        if dashboard is None or not dashboard.behind(self.landing.positions):
            return
        snapshot = self.landing.events.snapshot()
        assert snapshot is not None, "live/events was taken over before"
        # Hours of events take minutes, and a stream that gives no sign of life for so long is taken for hung.
        self._store.until_done(
            lambda: dashboard.catch_up(
                snapshot,
                self._now(),
                on_turn=lambda: self._progress.turn(Phase.STARTING, "the dashboard catches up"),
            )
        )
        self._tell_dashboard()

    def is_behind(self) -> bool:
        """Whether the dashboard waits for a commit that no further batch may bring."""
        return self._dashboard is not None and self._dashboard.due(self._now())

    def catch_up(self) -> None:
        """Bring the dashboard up to the last batch, if it is time; for turns that have no batch."""
        self._store.until_done(lambda: self._commit_dashboard(forced=False))
        self._tell_dashboard()

    def finish(self) -> None:
        """Bring the derived tables up to the last batch."""
        if self._dashboard is not None:
            self._store.until_done(lambda: self._commit_dashboard(forced=True))

    def oldest_uncommitted_s(self, in_hand_s: float | None) -> float | None:
        """Kafka timestamp of the oldest record that is not committed, seconds since the epoch; None: there is none."""
        return self._oldest_s if self._oldest_s is not None else in_hand_s

    def refuse_other_topic(self, found: TopicFacts) -> None:
        """``Reopen`` when the topic is not the one that the tables are of; asked after the last record was read."""
        if found.topic_id != self.landing.state.topic_id:
            raise Reopen(f"topic {self._stream.topic!r} was recreated while a batch was read")

    def _commit(self, staged: Staged, began: float) -> tuple[LiveSnapshot, float]:
        """What has landed, and how many milliseconds after ``began``."""
        landed = self._store.until_done(lambda: self.landing.land(staged))
        commit_ms = (time.perf_counter() - began) * 1000
        self._on_step(Step.AFTER_COMMIT)
        return landed, commit_ms

    def _answer(self, facts: Future[TopicFacts]) -> TopicFacts:
        """The answer, asked for again while the cluster is away: nothing is committed on a guess."""
        stream = self._stream
        ask = first_of(lambda: self._first_answer(facts), lambda: topic_facts(stream.connection, stream.topic))
        return self._cluster.until_done(ask)

    def _first_answer(self, facts: Future[TopicFacts]) -> TopicFacts:
        """The answer when it comes; a stop does not wait for the time-out of a cluster that is away."""
        while True:
            try:
                return facts.result(ANSWER_LOOK_S)
            except TimeoutError:
                if facts.done():  # a time-out of the question itself, which is no error of this room
                    raise
            if self._control.stopping:
                raise self._stream.connection.unavailable("confirming the topic", "stopped while it was asked for")

    def _update_dashboard(self, batch: MicroBatch) -> None:
        if self._dashboard is None:
            return
        self._dashboard.add(batch.accepted, batch.account.ranges)
        self._store.until_done(lambda: self._commit_dashboard(forced=False))
        self._tell_dashboard()

    def _tell_dashboard(self) -> None:
        if (dashboard := self._dashboard) is not None:
            self._progress.note(
                late=dashboard.late, dashboard_rows=dashboard.state_rows, dashboard_state_bytes=dashboard.state_bytes
            )

    def _commit_dashboard(self, *, forced: bool) -> None:
        dashboard = self._dashboard
        moment = self._now()
        if dashboard is None or not (forced or dashboard.due(moment)):
            return
        try:
            dashboard.commit(moment)
        except TableMissing as gone:
            raise Reopen("live/dashboard was removed; it is made again from the live events") from gone

    def _report(self, batch: MicroBatch, landed: LiveSnapshot, commit_ms: float) -> None:
        at = self._now()
        self._progress.landed(
            Landed(
                at=at,
                records=batch.records,
                events=batch.account.rows,
                rejected=batch.account.rejected,
                bytes=batch.value_bytes,
                commit_ms=commit_ms,
                latencies_ms=_latencies_ms(batch, at),
                version=landed.version,
            ),
            landed.state.positions,
        )
        self._on_step(Step.AFTER_REPORT)


def _latencies_ms(batch: MicroBatch, at: datetime) -> tuple[float, ...]:
    """How long a sample of the records, spread over the batch, was on its way."""
    stamps = batch.accepted["kafka_timestamp"].drop_nulls()
    if not stamps.len():
        return ()
    places = np.unique(np.linspace(0, stamps.len() - 1, LATENCIES_PER_BATCH).astype(int))
    taken = stamps.gather(places.tolist()).dt.epoch("us").to_numpy()
    return tuple(float(ms) for ms in at.timestamp() * 1000 - taken / 1000)
