from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.kafka.watch import topic_facts
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.dashboard.live import LiveDashboard
from streamguard_assets.streaming.embedded.backlog import Backlog, slices
from streamguard_assets.streaming.embedded.landing import Tenure
from streamguard_assets.streaming.embedded.opening import open_stream_tables
from streamguard_assets.streaming.embedded.patience import LAKE, Patience
from streamguard_assets.streaming.embedded.writer import BatchWriter
from streamguard_assets.streaming.live_tables import live_dashboard, live_events
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.steps import Step, nothing
from streamguard_assets_tests.streaming.embedded.conftest import LiveRig
from streamguard_assets_tests.streaming.embedded.running import Running, away, live_rejects, live_rows, utc_now
from streamguard_assets_tests.windows.rig import Rig, event

OFFSETS = st.integers(0, 10**6)


@given(st.dictionaries(st.integers(0, 20), st.tuples(OFFSETS, OFFSETS), min_size=1), st.integers(1, 50))
def test_slices_follow_each_other_from_the_positions_to_the_ends(spans: dict[int, tuple[int, int]], parts: int) -> None:
    positions = {p: min(span) for p, span in spans.items()}
    ends = {p: max(span) for p, span in spans.items()}
    size = max(1, sum(ends[p] - positions[p] for p in spans) // parts)
    reached = dict(positions)
    for piece in slices("topic", positions, ends, size):
        assert all(reached[p] == piece.starts[p] for p in piece.partitions)
        assert piece.span <= size + len(spans)
        reached |= piece.ends

    assert reached == ends


class Draining:
    """The backlog of a rig as a stream that begins would drain it, in small slices."""

    def __init__(self, rig: Rig, control: Control | None = None) -> None:
        stream, self.control = rig.stream, control or Control()
        self.passed: list[Step] = []
        self.facts = topic_facts(stream.connection, stream.topic)
        self.progress = Progress(stream.name, "the test", utc_now)
        landing = open_stream_tables(stream, "the test", self.facts, nothing, Tenure()).landing
        dashboard = LiveDashboard.open(stream, landing.events, "the test", self.facts.topic_id, epoch=landing.epoch)
        handles = (self.control, self.progress)
        self.writer = BatchWriter(
            stream, landing, dashboard, *handles, owner="the test", now=utc_now, on_step=self._pass
        )
        store = Patience(LAKE, *handles, patience_s=60, seed="the test")
        self.backlog = Backlog(
            stream, self.writer, store, *handles, now=utc_now, on_step=self._pass, slice_offsets=10, least_offsets=10
        )

    def drain(self) -> None:
        self.backlog.drain(self.facts)
        self.writer.catch_up_dashboard()

    def _pass(self, step: Step) -> None:
        self.passed.append(step)


def state_of(rig: Rig) -> LiveState:
    state = live_events(rig.stream).state()
    assert state is not None
    return state


@pytest.mark.broker
def test_every_record_of_a_backlog_lands_once_rejected_ones_and_holes_too(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce([event(number) for number in range(30)])
    rig.writer.transaction(rig.topic, range(5), commit=False, partition=1)
    rig.produce([b"bad", *(event(number) for number in range(30, 39))], partition=1)
    draining = Draining(rig)

    draining.drain()

    assert live_rows(rig) == [(0, n) for n in range(30)] + [(1, 6 + n) for n in range(1, 10)]
    assert live_rejects(rig) == [(1, 6)]
    assert state_of(rig).positions == {0: 30, 1: 16}
    assert (draining.progress.snapshot().events, draining.progress.snapshot().rejected) == (39, 1)
    assert draining.passed.count(Step.AFTER_COMMIT) == 5, "forty-six offsets in slices of ten"
    dashboard = live_dashboard(rig.stream)
    assert dashboard is not None
    told = dashboard.state()
    assert told is not None
    assert told.positions == state_of(rig).positions


@pytest.mark.broker
def test_a_stop_ends_it_after_the_slice_in_hand_and_the_rest_is_read_later(live_rig: LiveRig) -> None:
    rig = live_rig(partitions=1)
    rig.produce([event(number) for number in range(40)])
    control = Control()
    draining = Draining(rig, control)
    control.stop("enough")

    draining.drain()
    assert live_rows(rig) == [(0, n) for n in range(10)]

    with Running(rig) as running:
        running.until_committed(p0=40)
    assert live_rows(rig) == [(0, n) for n in range(40)]


@pytest.mark.broker
def test_a_short_backlog_is_left_to_the_tail(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce([event(number) for number in range(9)])
    draining = Draining(rig)

    draining.drain()

    assert (live_rows(rig), draining.passed) == ([], [])


def test_a_lake_that_takes_no_slice_is_waited_for(live_rig: LiveRig) -> None:
    rig = live_rig(partitions=1)
    rig.produce([event(number) for number in range(25)])
    draining = Draining(rig)
    is_waiting = Event()
    draining.progress.turn = lambda phase, reason="": is_waiting.set() if phase is Phase.WAITING_FOR_LAKE else None
    with ThreadPoolExecutor(1) as beside:
        with away(Path(live_events(rig.stream).uri)):
            drained = beside.submit(draining.drain)
            assert is_waiting.wait(60)
            assert not drained.done()
        drained.result(60)

    assert live_rows(rig) == [(0, offset) for offset in range(25)]
