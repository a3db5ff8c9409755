"""The live dashboard as a table: exact through steps, crashes, other owners and changes of what it is computed by."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD
from streamguard_assets.lake.errors import LakeError, StreamLost
from streamguard_assets.lake.live.table import LIVE_DATE, LiveTable
from streamguard_assets.streaming import live_tables
from streamguard_assets.streaming.dashboard import live, table
from streamguard_assets.streaming.dashboard.files import StateFiles
from streamguard_assets.streaming.dashboard.live import DashboardAhead, LiveDashboard
from streamguard_assets.streaming.dashboard.replay import dashboard_history, recomputed, told_rows
from streamguard_assets_tests.conftest import SettingsFactory, make_settings
from streamguard_assets_tests.streaming.dashboard_rig import MINUTE, NOON, NOW, DashboardRig, at
from streamguard_assets_tests.streaming.two_paths import TOPIC_ID as SALES_TOPIC_ID
from streamguard_assets_tests.streaming.two_paths import TwoPaths, offsets_of


class DeathError(RuntimeError):
    """The process ends here."""


@pytest.fixture
def rig(brokerless_settings: SettingsFactory) -> DashboardRig:
    return DashboardRig(brokerless_settings())


def dies(patch: pytest.MonkeyPatch, owner: type, method: str, *, after: bool = False) -> None:
    """``method`` is never begun, or done and never returned from."""
    real = getattr(owner, method)

    def last(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise DeathError

    patch.setattr(owner, method, last)


# Counting


def test_the_rows_are_what_the_definition_says_of_all_events(rig: DashboardRig) -> None:
    dashboard = rig.own()

    for minute in (0, 3, 20, 21, 40):
        rig.count(dashboard, at(minute), at(minute, event_type="file_access", user="bob", threat_score=None))

    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


def test_events_of_several_commits_are_one_step(rig: DashboardRig) -> None:
    dashboard = rig.own()
    versions = rig.table.version()

    rig.feed(dashboard, at(0))
    rig.feed(dashboard, at(1), partition=1)
    rig.feed(dashboard, at(2), rejected=3)
    dashboard.commit(NOW)

    assert versions is not None
    assert rig.table.version() == versions + 1
    assert rig.record.step is not None
    assert rig.record.step.ranges == {0: (0, 5), 1: (0, 1)}
    assert rig.record.step.events == 3
    rig.assert_as_recomputed()


def test_a_commit_says_where_the_dashboard_stands_and_what_came_too_late(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(60))

    rig.count(dashboard, at(0), at(61), at(500, kafka_timestamp=NOON))

    state = rig.table.state()
    assert state is not None
    assert dict(state.positions) == {0: 4, 1: 0}
    assert (rig.record.late, rig.record.ahead) == (dashboard.late, dashboard.ahead) == (1, 1)
    assert rig.record.step is not None
    assert rig.record.step.watermark_before_us is not None
    assert dashboard.watermark == NOON + 51 * MINUTE
    assert rig.record.watermark_us == rig.record.step.watermark_before_us + 60_000_000
    rig.assert_as_recomputed()


def test_offsets_without_events_are_passed(rig: DashboardRig) -> None:
    dashboard = rig.own()

    rig.feed(dashboard, rejected=4)
    dashboard.commit(NOW)

    state = rig.table.state()
    assert state is not None
    assert state.positions[0] == 4
    assert rig.rows().is_empty()


def test_nothing_is_committed_when_nothing_waits(rig: DashboardRig) -> None:
    dashboard = rig.own()
    before = rig.table.version()

    dashboard.commit(NOW)
    rig.catch_up(dashboard)

    assert rig.table.version() == before


def test_a_partition_that_is_added_is_counted_from_its_first_offset(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))

    rig.feed(dashboard, at(1), partition=7)
    dashboard.commit(NOW)

    state = rig.table.state()
    assert state is not None
    assert (state.starts[7], state.positions[7]) == (0, 1)
    rig.assert_as_recomputed()


def test_a_commit_of_events_that_was_left_out_is_noticed(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.land(at(0))
    rows, ranges = rig.land(at(1))

    with pytest.raises(ValueError, match="partition 0 goes on at 1, and the dashboard stands at 0; catch up first"):
        dashboard.add(rows, ranges)
    rig.catch_up(dashboard)

    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_only_the_columns_that_are_read_are_kept_in_memory(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = live.take_step

    def take_step(definition: Any, before: Any, rows: pl.LazyFrame, *more: Any) -> Any:
        seen.append(rows.collect_schema().names())
        return real(definition, before, rows, *more)

    monkeypatch.setattr(live, "take_step", take_step)
    rig.count(rig.own(), at(0))

    assert [set(names) for names in seen] == [{*SECURITY_DASHBOARD.inputs, "kafka_timestamp"}]


# When


def test_a_commit_is_due_when_something_waits_and_the_last_was_long_ago(rig: DashboardRig) -> None:
    interval = timedelta(seconds=rig.settings.streaming.dashboard_interval_s)
    dashboard = rig.own()
    assert not dashboard.due(NOW)

    rig.feed(dashboard, at(0))
    assert dashboard.due(NOW)
    dashboard.commit(NOW)
    assert not dashboard.due(NOW + 2 * interval)

    rig.feed(dashboard, at(1))
    assert not dashboard.due(NOW + interval / 2)
    assert dashboard.due(NOW + interval)
    assert dashboard.due(NOW - interval), "a clock that was set back"


def test_a_commit_is_due_at_once_when_much_waits(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_PENDING_ROWS", 3)
    dashboard = rig.own()
    rig.count(dashboard, at(0))

    rig.feed(dashboard, at(1), at(1))
    assert not dashboard.due(NOW)
    rig.feed(dashboard, at(1))

    assert dashboard.due(NOW)
    assert dashboard.pending_rows == 3


# Files


def test_rows_of_closed_windows_are_gathered_in_one_file_until_it_is_full(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RECENT_ROWS", 12)
    dashboard, counts = rig.own(), []

    for minute in range(0, 200, 20):  # each but the first closes five windows
        rig.count(dashboard, at(minute))
        counts.append((len(rig.record.open_files), len(rig.record.recent_files), len(rig.active_files())))

    assert counts == [
        (1, 0, 1), (1, 1, 2), (1, 1, 2), (1, 0, 2), (1, 1, 3), (1, 1, 3), (1, 0, 3), (1, 1, 4), (1, 1, 4), (1, 0, 4),
    ]  # fmt: skip
    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_rows_stay_with_the_day_on_which_their_window_closed(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))
    rig.count(dashboard, at(20))

    rig.count(dashboard, at(40), now=NOW + timedelta(days=1))
    rig.count(dashboard, at(60), now=NOW + timedelta(days=1))

    days = rig.table.scan().group_by(LIVE_DATE).len().sort(LIVE_DATE).collect()
    assert days[LIVE_DATE].to_list() == [NOW.date(), NOW.date() + timedelta(days=1)]
    assert days["len"].to_list() == [5, 15]
    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_one_state_file_is_kept(rig: DashboardRig) -> None:
    dashboard = rig.own()

    for minute in range(4):
        rig.count(dashboard, at(minute))
        assert rig.state_files() == [rig.record.state_file]


# Restarts and crashes


def test_a_restart_goes_on_where_the_last_commit_stood(rig: DashboardRig) -> None:
    first = rig.own()
    rig.count(first, at(0))
    rig.feed(first, at(1))  # in memory only

    second = rig.own("two")
    assert dict(second.positions) == {0: 1, 1: 0}
    assert second.behind({0: 2})
    rig.catch_up(second)

    assert not second.behind({0: 2})
    assert (second.late, second.state_rows) == (first.late, 12)
    assert second.state_bytes > 0
    rig.count(second, at(30))
    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


def test_the_growing_file_of_closed_windows_is_found_again(rig: DashboardRig) -> None:
    first = rig.own()
    rig.count(first, at(0))
    rig.count(first, at(20))

    second = rig.restarted("two")
    rig.count(second, at(40))

    assert len(rig.active_files()) == 2
    assert rig.rows().equals(rig.whole(), null_equal=True)


KILLS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the state file": lambda patch: dies(patch, StateFiles, "write"),
    "between state file and commit": lambda patch: dies(patch, StateFiles, "write", after=True),
    "with all files written": lambda patch: dies(patch, LiveTable, "commit"),
    "between commit and its answer": lambda patch: dies(patch, LiveTable, "commit", after=True),
    "between commit and cleanup": lambda patch: dies(patch, StateFiles, "delete"),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=list(KILLS))
def test_a_death_at_any_point_loses_and_doubles_nothing(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0), at(1))
    rig.feed(dashboard, at(20), at(2))

    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(DeathError):
            dashboard.commit(NOW)
    after = rig.restarted("two")

    assert rig.state_files() == [rig.record.state_file]
    rig.count(after, at(21))
    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


@pytest.mark.parametrize("kill", KILLS.values(), ids=list(KILLS))
def test_after_a_failed_commit_the_same_process_opens_it_anew(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))
    rig.feed(dashboard, at(20))
    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(DeathError):
            dashboard.commit(NOW)

    again = rig.open()
    rig.catch_up(again)

    assert rig.state_files() == [rig.record.state_file]
    rig.count(again, at(21))
    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_a_commit_that_did_not_land_is_made_again(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))
    rig.feed(dashboard, at(20))
    with monkeypatch.context() as patch:
        dies(patch, LiveTable, "commit")
        with pytest.raises(DeathError):
            dashboard.commit(NOW)

    rig.count(dashboard, at(40))

    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


def test_a_commit_whose_answer_was_lost_is_not_made_twice(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = rig.own()
    rig.feed(dashboard, at(20))
    with monkeypatch.context() as patch:
        dies(patch, LiveTable, "commit", after=True)
        with pytest.raises(DeathError):
            dashboard.commit(NOW)
    rig.count(dashboard, at(40))

    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_a_dashboard_that_does_not_stand_where_it_was_computed_for_is_not_committed_to(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.feed(dashboard, at(0))
    rig.table.commit(rig.epoch, [], lambda state: state.followed_by("roll_back", positions={0: 9, 1: 0}))

    with pytest.raises(LakeError, match=r"computed for .* open it anew"):
        dashboard.commit(NOW)


def test_a_state_file_that_is_gone_stops_the_dashboard(rig: DashboardRig) -> None:
    rig.count(rig.own(), at(0))
    rig.table.store.delete(rig.state_files()[0])

    with pytest.raises(LakeError, match="and with it the windows that were open"):
        rig.own("two")


# Owners


def test_a_writer_that_lost_the_stream_commits_nothing_and_takes_nothing_away(rig: DashboardRig) -> None:
    first = rig.own("one")
    rig.count(first, at(0))
    rig.feed(first, at(1))
    second = rig.restarted("two")

    with pytest.raises(StreamLost, match="two has taken the stream over"):
        first.commit(NOW)

    rig.count(second, at(2))
    assert rig.record.state_file in rig.state_files()
    rig.restarted("three")
    assert rig.state_files() == [rig.record.state_file]
    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_a_writer_whose_stream_has_a_newer_owner_cannot_open_the_dashboard(rig: DashboardRig) -> None:
    stale = DashboardRig(rig.settings)
    rig.own("one")
    stale.events.state()
    rig.table.take_over("two", rig.stream.topic, rig.topic_id, {0: 0, 1: 0})

    with pytest.raises(StreamLost, match="two has taken the stream over"):
        rig.open("one")


def test_the_dashboard_is_not_taken_with_the_epoch_of_a_newer_owner(rig: DashboardRig) -> None:
    """The newer owner has the events and comes to the dashboard only after this one."""
    rig.own("one")
    newer = rig.events.take_over("two", rig.stream.topic, rig.topic_id, {0: 0, 1: 0})

    with pytest.raises(StreamLost, match="two has taken the stream over") as lost:
        rig.open("one")

    assert (lost.value.owner, lost.value.epoch) == ("two", newer.epoch)
    rig.epoch = newer.epoch
    rig.count(rig.open("two"), at(0))
    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_the_epoch_of_another_owner_is_no_leave_to_go_on(rig: DashboardRig) -> None:
    rig.own("one")

    with pytest.raises(StreamLost, match="one has taken the stream over"):
        rig.open("two")


def test_opening_again_in_the_same_life_is_no_further_take_over(rig: DashboardRig) -> None:
    rig.own("one")
    before = rig.table.version()

    rig.open("one")

    assert rig.table.version() == before


def test_a_take_over_whose_answer_was_lost_is_the_callers(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.epoch = rig.events.take_over("one", rig.stream.topic, rig.topic_id, {0: 0, 1: 0}).epoch
    write, answers = LiveTable._write, iter([CommitFailedError("the answer was lost")])

    def write_and_lose(table: LiveTable, *arguments: Any) -> None:
        write(table, *arguments)
        if (lost := next(answers, None)) is not None:
            raise lost

    monkeypatch.setattr(LiveTable, "_write", write_and_lose)
    rig.count(rig.open("one"), at(0))

    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_events_that_nobody_took_over_for_the_topic_are_an_error(rig: DashboardRig) -> None:
    with pytest.raises(LakeError, match="was not taken over for topic topic-1"):
        LiveDashboard.open(rig.stream, rig.events, "one", "topic-1", epoch=1)


def test_a_contract_that_no_dashboard_fits_has_none(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_tables, "fitting_dashboard", lambda _: None)

    assert LiveDashboard.open(rig.stream, rig.events, "one", rig.topic_id, epoch=1) is None


# Catching up in steps


def long_absence(rig: DashboardRig) -> LiveDashboard:
    """Two partitions got 40 offsets while nobody counted; the first has three times as many as the second."""
    rig.own("one")
    for minute in range(0, 30, 3):
        rig.land(at(minute), at(minute + 1, user="bob"), rejected=1)
        rig.land(at(minute + 2), partition=1)
    return rig.own("two")


def test_catching_up_takes_steps_of_bounded_size_with_a_sign_of_life_after_each(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CATCH_UP_OFFSETS", 9)
    dashboard, snapshot = long_absence(rig), rig.events.snapshot()
    assert snapshot is not None
    before, turns = rig.table.version(), []

    dashboard.catch_up(snapshot, NOW, on_turn=lambda: turns.append(rig.table.version()))

    assert before is not None
    assert turns == [before + n for n in range(1, 6)], "each step is a commit, and then there is a sign of life"
    history = dashboard_history(rig.table)
    assert history is not None
    assert [dict(step.ranges) for step in history.steps] == [
        {0: (6 * n, 6 * n + 6), 1: (2 * n, 2 * n + 2)} for n in range(5)
    ]
    assert dashboard.late == 0
    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()
    assert rig.state_files() == [rig.record.state_file]


def test_where_no_event_is_late_many_steps_give_what_one_gives(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = long_absence(rig)

    rig.catch_up(dashboard)

    history = dashboard_history(rig.table)
    assert history is not None
    assert len(history.steps) == 1
    in_one = rig.rows()
    rig.table.store.delete_folder("")
    monkeypatch.setattr(live, "CATCH_UP_OFFSETS", 1)
    rig.restarted("three")
    assert rig.rows().equals(in_one, null_equal=True)
    rig.assert_as_recomputed()


class StopError(RuntimeError):
    """Who is told of the step has had enough."""


def test_a_catch_up_that_ends_on_its_way_is_gone_on_with_by_the_next_commit(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CATCH_UP_OFFSETS", 9)
    dashboard, snapshot = long_absence(rig), rig.events.snapshot()
    assert snapshot is not None

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        dashboard.catch_up(snapshot, NOW, on_turn=stop)
    rig.count(dashboard, at(31))

    assert dashboard.late == 0
    assert rig.rows().equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


def test_a_catch_up_that_could_not_read_loses_nothing(rig: DashboardRig, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = long_absence(rig)
    with monkeypatch.context() as patch:

        def unreadable(*_: object) -> object:
            raise OSError("the store is away")

        patch.setattr(live, "take_step", unreadable)
        with pytest.raises(OSError, match="the store is away"):
            rig.catch_up(dashboard)

    rig.count(dashboard, at(31))

    assert rig.rows().equals(rig.whole(), null_equal=True)


# Where it begins


def test_a_dashboard_beside_events_that_were_there_before_begins_with_the_first_row(rig: DashboardRig) -> None:
    rig.epoch = rig.events.take_over("one", rig.stream.topic, rig.topic_id, {0: 0, 1: 0}).epoch
    rig.land(at(0), at(1))

    rig.catch_up(rig.open())

    assert rig.rows().equals(rig.whole(), null_equal=True)


def test_events_that_retention_removed_are_read_from_the_windows_that_hold_them(
    brokerless_settings: SettingsFactory,
) -> None:
    # The records of both paths are stamped 1970.
    paths = TwoPaths.of(brokerless_settings(streams={"transactions": {"skew_s": 1e10}}))
    paths.close(2)
    paths.build(0, 1)
    epoch = paths.begin()
    events = paths.events
    first = LiveDashboard.open(paths.stream, events, "test", SALES_TOPIC_ID, epoch=epoch)
    assert first is not None
    for index in range(3):
        paths.append(epoch, {p: end for p, (_, end) in offsets_of(index).items()}, events)
    whole = events.scan().collect()
    taken = {p: end for p, (_, end) in offsets_of(1).items()}
    gone = pl.any_horizontal(
        (pl.col("kafka_partition") == p) & (pl.col("kafka_offset") < end) for p, end in taken.items()
    )
    events.drop_rows(gone, lambda state: state.followed_by("remove", removed=taken))

    snapshot = events.snapshot()
    assert snapshot is not None
    first.catch_up(snapshot, NOW)

    table, definition = live_tables.live_dashboard(paths.stream), live_tables.dashboard_definition(paths.stream)
    assert table is not None
    assert definition is not None
    history = dashboard_history(table)
    assert history is not None
    assert told_rows(definition, table, history).equals(definition(whole), null_equal=True)


def test_a_dashboard_past_the_events_is_an_error_that_says_what_to_do(rig: DashboardRig) -> None:
    rig.count(rig.own(), at(0), at(1))
    rig.events.commit(rig.epoch, [], lambda state: state.followed_by("roll_back", positions={0: 1, 1: 0}))

    with pytest.raises(DashboardAhead, match=r"partition 0 up to 2, and live/events ends at 1.*[Dd]elete the table"):
        rig.own("two")


def changed_definition(patch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(SECURITY_DASHBOARD)
    other.__dict__["definition_hash"] = "another"
    patch.setattr(live_tables, "fitting_dashboard", lambda _: other)


def test_another_definition_begins_anew_and_tells_no_window_twice(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.count(rig.own(), at(0), at(20))
    before = rig.rows()
    rig.land(at(21))  # after the last commit of the old definition: counted by nobody
    changed_definition(monkeypatch)

    dashboard = rig.restarted("two")
    assert rig.record.began_because.startswith("the definition changed: another instead of ")
    assert rig.state_files() == []
    rig.count(dashboard, at(22), at(26))

    rows = rig.rows()
    assert rows.filter(pl.col("window_end") <= NOON + 25 * MINUTE).equals(before, null_equal=True)
    after = rows.filter(pl.col("window_end") > NOON + 25 * MINUTE)
    assert after["window_start"].to_list() == [NOON + minute * MINUTE for minute in range(21, 27)]
    assert dashboard.late == 1  # the event at 22 for the windows that the old definition tells
    rig.assert_as_recomputed()
    assert rig.restarted("three").late == 1


def test_another_topic_begins_anew_at_its_first_event(rig: DashboardRig) -> None:
    rig.count(rig.own(), at(0), at(20))
    before = rig.rows()
    rig.events.drop_rows(pl.lit(True), lambda state: state.followed_by("remove"))
    rig.topic_id, rig.landed = "topic-2", []

    dashboard = rig.own("two")
    assert dict(dashboard.positions) == {0: 0, 1: 0}
    assert rig.record.began_because == "the topic was made anew: topic-2 instead of topic-1"
    rig.count(dashboard, at(40))

    assert rig.rows()[: before.height].equals(before, null_equal=True)
    assert rig.rows()[before.height :].equals(rig.whole(), null_equal=True)
    rig.assert_as_recomputed()


def test_a_death_before_the_new_beginning_is_committed_begins_anew_once_more(
    rig: DashboardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.count(rig.own(), at(0))
    changed_definition(monkeypatch)
    with monkeypatch.context() as patch:
        dies(patch, table.DashboardTable, "_begun_anew")
        with pytest.raises(DeathError):
            rig.own("two")

    rig.count(rig.restarted("three"), at(30))

    assert rig.record.began_because
    assert rig.rows().height == 10
    rig.assert_as_recomputed()


# The proof itself


def test_a_row_that_was_altered_is_found_when_the_dashboard_is_computed_again(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0), at(20))
    rig.assert_as_recomputed()

    rig.table.drop_rows(pl.col("events") == 1, lambda state: state.followed_by("remove"))

    with pytest.raises(AssertionError):
        rig.assert_as_recomputed()


def test_a_history_with_a_hole_is_refused(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))
    rig.count(dashboard, at(1))
    rig.table.pinned().create_checkpoint()
    for version in range(3):
        rig.table.store.delete(f"_delta_log/{version:020d}.json")

    with pytest.raises(LakeError, match="entries of the log before version 3 are gone"):
        dashboard_history(rig.table)


def test_a_step_that_does_not_follow_from_those_before_it_is_refused(rig: DashboardRig) -> None:
    dashboard = rig.own()
    rig.count(dashboard, at(0))
    rig.count(dashboard, at(1))
    history = dashboard_history(rig.table)
    assert history is not None

    with pytest.raises(LakeError, match="was judged by the watermark"):
        recomputed(SECURITY_DASHBOARD, dataclasses.replace(history, steps=history.steps[1:]), rig.events.scan(), 300)


def test_a_table_that_nobody_wrote_has_no_history(rig: DashboardRig) -> None:
    assert dashboard_history(rig.table) is None
    rig.own()
    assert dashboard_history(rig.table) is None


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.lists(st.integers(-30, 60), max_size=4)),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(st.just("die"), st.sampled_from(list(KILLS))),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=8)
@given(OPERATIONS)
def test_whatever_happens_the_table_is_what_its_steps_give(operations: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = DashboardRig(make_settings(Path(folder) / "state", {}))
        dashboard = rig.own()
        for what, detail in operations:
            match what:
                case "feed":
                    rig.feed(dashboard, *(at(minute, user=f"u{minute % 3}") for minute in detail), rejected=1)
                case "commit":
                    dashboard.commit(NOW)
                case "die":
                    rig.count(dashboard, at(0))
                    rig.feed(dashboard, at(40))
                    with pytest.MonkeyPatch.context() as patch:
                        KILLS[detail](patch)
                        with pytest.raises(DeathError):
                            dashboard.commit(NOW)
                    dashboard = rig.restarted()
                case _:
                    dashboard = rig.restarted()
        rig.feed(dashboard, at(0))
        dashboard.commit(NOW)
        rig.assert_as_recomputed()
        assert rig.state_files() == [rig.record.state_file]
