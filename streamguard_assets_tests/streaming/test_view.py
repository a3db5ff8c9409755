"""One view of a stream: every event once, from a window where that is complete, else from live rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamguard_assets.streaming import view
from streamguard_assets.streaming.coverage import TopicsDiffer, within
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets.streaming.reconciliation.retention import remove_covered
from streamguard_assets.streaming.view import read_quarantine, read_view
from streamguard_assets_tests.conftest import SettingsFactory, make_settings
from streamguard_assets_tests.streaming.two_paths import (
    HOUR,
    PER_WINDOW,
    START,
    TwoPaths,
    expected,
    offsets_of,
    places,
    window_of,
)

LATER = START + 1_000 * HOUR


def sources(rows: pl.LazyFrame) -> dict[str, int]:
    return dict(rows.group_by("source").len().collect().sort("source").iter_rows())


def test_a_stream_that_has_nothing_yet_has_an_empty_view_with_its_columns(paths: TwoPaths) -> None:
    found = read_view(paths.stream)
    assert found.rows.collect().is_empty()
    assert found.rows.collect_schema().names()[-1] == "source"
    assert "window" not in found.rows.collect_schema()
    assert (found.events_version, found.live_version, found.covered, found.live) == (None, None, {}, {})
    assert read_quarantine(paths.stream).rows.collect().is_empty()


def test_without_live_rows_it_is_the_complete_windows(paths: TwoPaths) -> None:
    paths.close(2)
    paths.build(0, 1)
    found = read_view(paths.stream)
    assert places(found.rows) == expected([offsets_of(0), offsets_of(1)])
    assert found.covered == {0: ((0, 40),), 1: ((0, 20),)}
    assert found.live_version is None


def test_without_windows_it_is_the_live_rows(paths: TwoPaths) -> None:
    paths.stream_windows(0, 2)
    found = read_view(paths.stream)
    assert places(found.rows) == expected([offsets_of(0), offsets_of(1)])
    assert (found.events_version, found.covered) == (None, {})
    assert found.live == {0: ((0, 40),), 1: ((0, 20),)}
    assert found.reached == {0: 40, 1: 20}


def test_live_rows_fill_in_where_an_older_window_failed(paths: TwoPaths) -> None:
    paths.close(4)
    paths.build(0, 2)
    paths.build(3, complete=False)
    paths.stream_windows(0, 4)
    found = read_view(paths.stream)
    assert places(found.rows) == expected(map(offsets_of, range(4)))
    assert found.live == {0: ((20, 40), (60, 80)), 1: ((10, 20), (30, 40))}
    of_live = found.rows.filter(pl.col("source") == "live")
    assert places(of_live) == expected([offsets_of(1), offsets_of(3)])


def test_offsets_that_a_window_had_to_be_built_without_are_given_from_live_rows(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0, lost=[(0, 0, 5)])
    paths.stream_windows(0, 1)
    found = read_view(paths.stream)
    assert places(found.rows) == expected([offsets_of(0)])
    assert found.live == {0: ((0, 5),)}


def test_event_time_bounds_are_half_open_and_each_may_be_left_out(paths: TwoPaths) -> None:
    paths.close(2)
    paths.build(0)
    paths.stream_windows(0, 3)
    when = pl.col("event_timestamp")
    everything = read_view(paths.stream).rows.collect()
    since, until = START + HOUR / 2, START + 1.5 * HOUR
    between = read_view(paths.stream, since, until).rows
    assert places(between) == places(everything.filter(when >= since, when < until))
    assert between.collect()["event_timestamp"].min() == since
    assert set(between.collect()["source"]) == {"window", "live"}
    assert places(read_view(paths.stream, since=since).rows) == places(everything.filter(when >= since))
    assert places(read_view(paths.stream, until=until).rows) == places(everything.filter(when < until))


def test_a_bound_without_a_time_zone_is_refused(paths: TwoPaths) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_view(paths.stream, since=datetime(2026, 1, 30))


def test_a_view_stays_what_it_was_while_others_go_on(paths: TwoPaths) -> None:
    paths.close(3)
    paths.build(0)
    epoch = paths.stream_windows(0, 2)
    found = read_view(paths.stream)
    paths.append(epoch, {p: b for p, (_, b) in offsets_of(2).items()})
    paths.build(1)
    assert sources(found.rows) == {"live": len(expected([offsets_of(1)])), "window": len(expected([offsets_of(0)]))}


def test_of_another_topic_nothing_is_merged(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    epoch = paths.begin(topic_id="topic-2")
    paths.append(epoch, {0: 5})
    with pytest.raises(TopicsDiffer, match="topic-2"):
        read_view(paths.stream)
    with pytest.raises(TopicsDiffer, match="topic-1"):
        read_quarantine(paths.stream)


def recreated(settings: SettingsFactory) -> TwoPaths:
    """A window of a topic, and live rows of the one that came after it by leave of the operator."""
    paths = TwoPaths.of(settings(streaming={"on_topic_recreated": "skip"}))
    paths.close(1)
    paths.build(0)
    paths.append(paths.begin(topic_id="topic-2"), {0: 25, 1: 5})
    return paths


def test_by_leave_of_the_operator_rows_of_two_topics_stand_side_by_side(brokerless_settings: SettingsFactory) -> None:
    paths = recreated(brokerless_settings)
    live = {0: (0, 25), 1: (0, 5)}

    found = read_view(paths.stream)
    assert found.two_topics
    assert places(found.rows.filter(pl.col("source") == "window")) == expected([offsets_of(0)])
    assert places(found.rows.filter(pl.col("source") == "live")) == expected([live])
    assert found.reached == {0: 25, 1: 5}
    rejected = read_quarantine(paths.stream)
    assert rejected.two_topics
    assert places(rejected.rows) == sorted(expected([offsets_of(0)], rejected=True) + expected([live], rejected=True))


def test_live_rows_that_went_since_windows_of_their_own_topic_held_them_are_not_read_without_those(
    brokerless_settings: SettingsFactory,
) -> None:
    paths = recreated(brokerless_settings)
    gone = (pl.col("kafka_partition") == 0) & (pl.col("kafka_offset") < 20)
    paths.events.drop_rows(gone, lambda state: state.followed_by("remove", removed={0: 20}))

    with pytest.raises(TopicsDiffer, match="in windows that the ledger no longer knows"):
        read_view(paths.stream)


def test_windows_that_the_ledger_does_not_know_are_left_out_and_named(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0, 1)
    found = read_view(paths.stream)
    assert places(found.rows) == expected([offsets_of(0)])
    assert found.apart == (window_of(1),)


def test_rejected_records_are_those_of_windows_then_live_ones(paths: TwoPaths) -> None:
    paths.close(3)
    paths.build(0, 2)
    paths.build(2, attempt="again")
    paths.stream_windows(0, 4)
    found = read_quarantine(paths.stream)
    assert places(found.rows) == expected(map(offsets_of, range(4)), rejected=True)
    assert set(found.rows.collect_schema().names()).isdisjoint({"window", "attempt", "live_date"})
    of_live = found.rows.filter(pl.col("source") == "live")
    assert places(of_live) == expected([offsets_of(1), offsets_of(3)], rejected=True)


def test_rejected_records_past_the_position_of_the_events_do_not_count_yet(paths: TwoPaths) -> None:
    paths.stream_windows(0, 1)
    rows = read_quarantine(paths.stream).rows.collect().drop("source")
    table = paths.quarantine
    ahead = rows.with_columns(pl.col("kafka_offset") + 1_000)
    with table.stager(START.date(), "ahead") as stager:
        stager.add(ahead)
        files = stager.finish()
    state = table.state()
    assert state is not None
    table.commit(state.epoch, files, lambda state: state.followed_by("append", positions={0: 1_020, 1: 1_010}))
    assert places(read_quarantine(paths.stream).rows) == places(rows)


def test_a_window_built_anew_while_its_rejected_records_are_looked_up_is_read_again(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of the replaced attempt are collected between the look at the commits and that at the records."""
    paths.close(1)
    paths.build(0)
    others = TwoPaths.of(paths.settings)

    def rebuild() -> None:
        others.build(0, attempt="again")
        table = others.stream.table("events")
        counting = {window: commit.attempt for window, commit in table.commits().items()}
        assert others.stream.quarantine.collect(counting, table.superseded(), LATER)

    once_after(monkeypatch, "pin_windows", rebuild)
    assert places(read_quarantine(paths.stream).rows) == expected([offsets_of(0)], rejected=True)


def once_after(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """The first call of ``name`` in the view is followed by ``act``."""
    original, left = getattr(view, name), [act]

    def followed(*arguments: object) -> object:
        found = original(*arguments)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(view, name, followed)


def test_no_event_vanishes_when_a_window_completes_and_live_rows_go_between_the_pins(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.close(2)
    paths.build(0)
    paths.stream_windows(0, 3)
    others = TwoPaths.of(paths.settings)

    def complete_and_remove() -> None:
        others.build(1)
        removal = remove_covered(others.stream, reconcile(others.stream, LATER), LATER)
        assert removal.removed == {0: 40, 1: 20}

    once_after(monkeypatch, "pin_live", complete_and_remove)
    found = read_view(paths.stream)
    assert places(found.rows) == expected(map(offsets_of, range(3)))
    assert found.covered == {0: ((0, 40),), 1: ((0, 20),)}


def test_no_event_appears_twice_when_windows_are_rebuilt_and_the_stream_goes_on_between_the_pins(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.close(2)
    paths.build(0, 1)
    epoch = paths.stream_windows(0, 2)
    others = TwoPaths.of(paths.settings)

    def rebuild_and_go_on() -> None:
        others.build(1, attempt="again")
        others.append(epoch, {0: 60, 1: 30})

    once_after(monkeypatch, "pin_live", rebuild_and_go_on)
    assert places(read_view(paths.stream).rows) == expected(map(offsets_of, range(2)))


def test_a_window_whose_rows_cannot_match_the_times_is_not_opened(paths: TwoPaths) -> None:
    paths.close(3)
    paths.build(0, 1, 2)
    wanted = read_view(paths.stream, since=START + 2 * HOUR)
    first = paths.stream.location.path
    assert first is not None
    for file in (first / "transactions" / "events").glob("window=2026-01-30-20*/*.parquet"):
        file.write_bytes(b"not a data file")
    assert places(wanted.rows) == expected([offsets_of(2)])


@given(
    complete=st.sets(st.integers(0, 4)),
    ends=st.tuples(st.integers(0, 100), st.integers(0, 50)),
    starts=st.tuples(st.integers(0, 60), st.integers(0, 30)),
    remove=st.booleans(),
)
@hypothesis_settings(max_examples=15)
def test_any_complete_windows_and_any_live_spans_give_each_event_once(
    machine: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    complete: set[int],
    ends: tuple[int, int],
    starts: tuple[int, int],
    remove: bool,
) -> None:
    paths = TwoPaths.of(make_settings(tmp_path_factory.mktemp(uuid.uuid4().hex), machine))
    paths.close(5)
    paths.build(*sorted(complete))
    begins = dict(enumerate(starts))
    live = {p: (begins[p], max(begins[p], end)) for p, end in enumerate(ends)}
    paths.append(paths.begin(begins), {p: end for p, (_, end) in live.items()})
    if remove:
        remove_covered(paths.stream, reconcile(paths.stream, LATER), LATER)
    wanted = sorted({*expected([live]), *expected(map(offsets_of, complete))})
    found = read_view(paths.stream)
    assert places(found.rows) == wanted
    assert places(found.rows.filter(within(found.live))) == places(found.rows.filter(pl.col("source") == "live"))
    assert PER_WINDOW.keys() >= found.reached.keys()
