"""The embedded engine against the real broker and real Delta tables, in a thread of the test."""

from __future__ import annotations

import threading

import pytest

from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.streaming.live_tables import live_dashboard, live_events, live_quarantine
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.steps import Step
from streamguard_assets_tests.streaming.embedded.conftest import LiveRig
from streamguard_assets_tests.streaming.embedded.running import Running, live_rejects, live_rows
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.rig import Rig, event

pytestmark = pytest.mark.broker


def events(begin: int, end: int) -> list[bytes]:
    return [event(number) for number in range(begin, end)]


def state_of(table: LiveTable) -> LiveState:
    state = table.state()
    assert state is not None
    return state


def places(partition: int, begin: int, end: int) -> list[tuple[int, int]]:
    return [(partition, offset) for offset in range(begin, end)]


def test_what_is_in_the_log_and_what_comes_later_is_in_the_live_table(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        rig.produce(events(5, 8), partition=1)
        running.until_committed(p1=3)

    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 5) + places(1, 0, 3)
    assert state_of(live_events(running.stream)).positions == {0: 5, 1: 3}
    assert running.progress.snapshot().phase is Phase.STOPPED


def test_a_record_that_the_contract_rejects_is_in_the_quarantine_with_its_bytes(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce([event(0), b"{not json", event(2)])
    with Running(rig) as running:
        running.until_committed(p0=3)

    assert (live_rows(rig), live_rejects(rig)) == ([(0, 0), (0, 2)], [(0, 1)])
    rejected = live_quarantine(running.stream).scan().collect().row(0, named=True)
    assert (rejected["value"], rejected["key"]) == (b"{not json", b"k")
    assert rejected["reason"]
    assert running.progress.snapshot().rejected == 1


def test_a_stream_goes_on_where_its_commits_end_and_not_where_a_consumer_group_says(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 4))
    with Running(rig, "first") as first:
        first.until_committed(p0=4)
    rig.produce(events(4, 6))
    with Running(rig, "second") as second:
        second.until_committed(p0=6)

    assert live_rows(rig) == places(0, 0, 6)
    assert second.progress.snapshot().events == 2


def test_aborted_records_leave_holes_that_the_commit_tells(live_rig: LiveRig) -> None:
    rig = live_rig(partitions=1)
    rig.writer.transaction(rig.topic, range(3), commit=False)
    rig.produce(events(0, 2))
    with Running(rig) as running:
        running.until_committed(p0=6)

    batch = state_of(live_events(running.stream)).batch
    assert batch is not None
    assert (batch.ranges, batch.rows, batch.holes) == ({0: (0, 6)}, 2, {0: ((0, 4),)})


def test_of_two_writers_the_older_leaves_and_names_the_newer(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 2))
    with Running(rig, "the older one") as older:
        older.until_committed(p0=2)
        with Running(rig, "the newer one") as newer:
            newer.until(lambda seen: seen.epoch == 2)
            rig.produce(events(2, 5))
            newer.until_committed(p0=5)
            failure = older.until_ended()

    assert isinstance(failure, StreamLost)
    assert "the newer one has taken the stream over" in str(failure)
    assert older.progress.snapshot().phase is Phase.LOST
    assert live_rows(rig) == places(0, 0, 5)


def test_an_older_writer_that_has_nothing_to_commit_leaves_too(live_rig: LiveRig) -> None:
    rig = live_rig()
    with Running(rig, "older") as older:
        older.until(lambda seen: seen.epoch == 1)
        with Running(rig, "newer") as newer:
            newer.until(lambda seen: seen.epoch == 2)
            assert isinstance(older.until_ended(), StreamLost)


def test_while_it_is_paused_nothing_is_read_and_afterwards_nothing_is_missing(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 2))
    with Running(rig) as running:
        running.until_committed(p0=2)
        running.control.pause()
        running.until(lambda seen: seen.phase is Phase.PAUSED)
        rig.produce(events(2, 5))
        version = live_events(running.stream).version()
        running.until(lambda seen: sum(seen.end_offsets.values()) == 5)  # it sees the lag, and reads nothing
        assert live_events(running.stream).version() == version
        running.control.resume()
        running.until_committed(p0=5)

    assert live_rows(rig) == places(0, 0, 5)


def test_a_stop_commits_what_is_in_hand(live_rig: LiveRig) -> None:
    """With a minute between commits, only the stop can have brought it."""
    rig = live_rig(trigger_ms=60_000)
    rig.produce(events(0, 3))
    with Running(rig) as running:
        running.until(lambda seen: seen.lag_s > 0)

    assert live_rows(rig) == places(0, 0, 3)


def test_a_batch_is_committed_before_its_time_when_it_is_large(live_rig: LiveRig) -> None:
    rig = live_rig(trigger_ms=60_000, max_batch_records=10)
    rig.produce(events(0, 10))
    with Running(rig) as running:
        running.until_committed(p0=10)


def test_an_idle_stream_commits_nothing(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 1))
    with Running(rig) as running:
        running.until_committed(p0=1)
        version = live_events(running.stream).version()
        running.until(lambda seen: seen.phase is Phase.IDLE)
        assert live_events(running.stream).version() == version


def test_the_dashboard_has_the_last_event_also_when_none_follows(live_rig: LiveRig) -> None:
    rig = live_rig(dashboard_interval_s=1.0)
    rig.produce(events(0, 2))
    with Running(rig) as running:
        running.until_committed(p0=2)
        rig.produce(events(2, 3))
        dashboard = live_dashboard(running.stream)
        assert dashboard is not None
        assert wait_until(lambda: dashboard.exists() and state_of(dashboard).positions.get(0) == 3, 30.0)


def test_a_slow_lake_makes_batches_larger_and_never_larger_than_their_cap(live_rig: LiveRig) -> None:
    rig = live_rig(partitions=1, max_batch_records=1_000)
    rig.produce(events(0, 1))
    sizes: list[int] = []
    may_commit = threading.Event()

    def slow(step: Step) -> None:
        if step is Step.AFTER_WRITE:
            may_commit.wait(60)

    with Running(rig, on_step=slow) as running:
        rig.produce(events(1, 5_001))
        # The writer stands still in its first batch; the next one may grow to its cap, and nothing more is read.
        running.until(lambda seen: sum(seen.end_offsets.values()) == 5_001)
        may_commit.set()
        running.until_committed(p0=5_001)
        table = live_events(running.stream)
        newest = table.version()
        assert newest is not None
        states = [table.state(version) for version in range(2, newest + 1)]
        sizes = [state.batch.rows for state in states if state is not None and state.batch is not None]

    assert live_rows(rig) == places(0, 0, 5_001)
    assert max(sizes) <= 2_000, "the cap, and at most one more look at the log"


def test_steps_are_passed_in_order_for_every_batch(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce([event(0), b"bad"])
    passed: list[Step] = []
    with Running(rig, on_step=passed.append) as running:
        running.until(lambda seen: Step.AFTER_REPORT in passed)

    order = list(Step)
    first = [step for step in passed if step is not Step.BEFORE_READ][: len(order) - 1]
    assert first == order[1:]
    assert passed[0] is Step.BEFORE_READ


def test_a_stream_that_never_ran_begins_behind_the_complete_windows(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce_hours([0, 1], events=4)
    rig.keep(1.5)
    rig.ingest(0)
    with Running(rig) as running:
        running.until_committed(p0=8)

    assert live_rows(rig) == places(0, 4, 8)


@pytest.mark.parametrize(("start", "first"), [("earliest", 0), ("latest", 4)])
def test_where_it_begins_can_be_set(live_rig: LiveRig, start: str, first: int) -> None:
    rig = live_rig(start=start)
    rig.produce(events(0, 4))
    with Running(rig) as running:
        running.until(lambda seen: seen.epoch == 1)
        rig.produce(events(4, 6))
        running.until_committed(p0=6)

    assert live_rows(rig) == places(0, first, 6)


def test_rejected_rows_of_a_batch_that_never_came_to_count_are_taken_back(live_rig: LiveRig) -> None:
    """A death between the two tables: the quarantine has rows that ``live/events`` does not answer for."""
    rig = live_rig(partitions=1)
    rig.produce([b"bad", event(1)])

    class _DiedError(Exception):
        pass

    def die(step: Step) -> None:
        if step is Step.AFTER_QUARANTINE:
            raise _DiedError

    with Running(rig, on_step=die) as running:
        assert isinstance(running.until_ended(), _DiedError)
    assert (live_rows(rig), live_rejects(rig)) == ([], [(0, 0)])

    with Running(rig) as again:
        again.until_committed(p0=2)
    assert (live_rows(rig), live_rejects(rig)) == ([(0, 1)], [(0, 0)])


def test_it_can_be_stopped_while_it_is_paused(live_rig: LiveRig) -> None:
    rig = live_rig()
    with Running(rig) as running:
        running.until(lambda seen: seen.epoch == 1)
        running.control.pause()
        running.until(lambda seen: seen.phase is Phase.PAUSED)
    assert running.failure is None
    assert running.progress.snapshot().phase is Phase.STOPPED


def test_each_epoch_names_its_owner(live_rig: LiveRig) -> None:
    rig = live_rig()
    owners = []
    for owner in ("one", "two"):
        with Running(rig, owner) as running:
            running.until(lambda seen: seen.epoch is not None)
        state = state_of(live_events(running.stream))
        owners.append((state.owner, state.epoch))
    assert owners == [("one", 1), ("two", 2)]


def test_an_empty_stream_has_its_tables(live_rig: LiveRig) -> None:
    rig: Rig = live_rig()
    with Running(rig) as running:
        running.until(lambda seen: seen.epoch == 1)

    assert live_rows(rig) == []
    assert state_of(live_events(running.stream)).held == {}
