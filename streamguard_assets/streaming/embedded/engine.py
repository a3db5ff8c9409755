"""The embedded engine: sessions of one stream, one after the other, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime

from streamguard_assets.kafka.watch import topic_facts
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.dashboard.live import LiveDashboard
from streamguard_assets.streaming.embedded.backlog import Backlog
from streamguard_assets.streaming.embedded.landing import Tenure
from streamguard_assets.streaming.embedded.opening import open_stream_tables
from streamguard_assets.streaming.embedded.patience import CLUSTER, LAKE, Patience
from streamguard_assets.streaming.embedded.session import Session
from streamguard_assets.streaming.embedded.writer import BatchWriter
from streamguard_assets.streaming.errors import Reopen
from streamguard_assets.streaming.gaps import record_gaps
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.steps import OnStep, nothing
from streamguard_assets.windows.stream import Stream

MAX_REOPENINGS = 5
"""Sessions in a row that end without a commit; then something is wrong that looking anew does not mend."""


def run_stream(
    stream: Stream,
    owner: str,
    control: Control,
    progress: Progress,
    *,
    now: Callable[[], datetime],
    on_step: OnStep = nothing,
) -> None:
    """Keep the live tables of ``stream`` up with its topic, exactly once, until ``control`` says stop.

    ``owner`` names this writer to people, and to the one who takes the stream over from it. Returns after a stop; the
    batch in hand is committed then. A cluster or a lake that is away is waited for (``streaming.patience_s``).

    Raises:
        StreamLost: another writer has taken the stream over.
        RetentionGap, LiveTopicRecreated, PartitionAdded: the topic is not what it was, and a person has to decide.
        OffsetOutOfRange: the log has lost its tail.
        StoreFault: the lake took no commit for too long, or until the stop.
        KafkaFailure: the cluster was away for too long, or says no.
    """
    try:
        _sessions(stream, owner, control, progress, now, on_step)
    except StreamLost as lost:
        progress.turn(Phase.LOST, str(lost))
        raise
    except Exception as failure:
        progress.turn(Phase.FAILED, f"{type(failure).__name__}: {failure}")
        raise
    progress.turn(Phase.STOPPED, control.reason)


def _sessions(
    stream: Stream,
    owner: str,
    control: Control,
    progress: Progress,
    now: Callable[[], datetime],
    on_step: OnStep,
) -> None:
    fruitless = 0
    tenure = Tenure()
    while not control.stopping:
        commits = progress.snapshot().commits
        try:
            _session(stream, owner, control, progress, tenure, now, on_step)
        except Reopen as reason:
            fruitless = fruitless + 1 if progress.snapshot().commits == commits else 0
            if fruitless >= MAX_REOPENINGS:
                raise
            progress.turn(Phase.STARTING, str(reason))


def _session(
    stream: Stream,
    owner: str,
    control: Control,
    progress: Progress,
    tenure: Tenure,
    now: Callable[[], datetime],
    on_step: OnStep,
) -> None:
    patience_s = stream.settings.streaming.patience_s
    cluster = Patience(CLUSTER, control, progress, patience_s, owner)
    try:
        facts = cluster.until_done(lambda: topic_facts(stream.connection, stream.topic))
    except CLUSTER.faults:
        if control.stopping:  # told to stop while nobody answered: that is no failure
            return
        raise
    store = Patience(LAKE, control, progress, patience_s, owner)
    opening = store.until_done(lambda: open_stream_tables(stream, owner, facts, on_step, tenure))
    with closing(opening.landing):
        progress.note(epoch=opening.landing.epoch, positions=dict(opening.landing.positions))
        if opening.gaps:
            store.until_done(lambda: record_gaps(stream, opening.gaps, now()))
        events, epoch = opening.landing.events, opening.landing.epoch
        dashboard = store.until_done(lambda: LiveDashboard.open(stream, events, owner, facts.topic_id, epoch=epoch))
        writer = BatchWriter(
            stream, opening.landing, dashboard, control, progress, owner=owner, now=now, on_step=on_step
        )
        if not opening.gaps:  # offsets that are passed over go into the first batch of the session
            Backlog(stream, writer, store, control, progress, now=now, on_step=on_step).drain(facts)
        writer.catch_up_dashboard()
        Session(stream, opening, facts, control, progress, writer, now=now, on_step=on_step).run()
