"""Live rows go when a complete window holds the same and the time is over: a prefix, and nothing that is not proven."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.streaming.coverage import TopicsDiffer
from streamguard_assets.streaming.live_tables import DASHBOARD
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets.streaming.reconciliation.retention import (
    KEPT_FILES_HOURS,
    Candidate,
    Removal,
    delete_unneeded_files,
    removal_bounds,
    remove_covered,
)
from streamguard_assets.streaming.view import read_quarantine, read_view
from streamguard_assets_tests.streaming.reconciliation.test_reconcile import DAMAGES, TAMPERINGS
from streamguard_assets_tests.streaming.two_paths import (
    HOUR,
    START,
    TwoPaths,
    expected,
    offsets_of,
    places,
    window_of,
)

DAY = timedelta(hours=24)
LATER = START + 1_000 * HOUR


def both(paths: TwoPaths, windows: int = 3) -> int:
    """Windows, and a stream that saw all of them and the next; its epoch."""
    paths.close(windows)
    paths.build(*range(windows))
    return paths.stream_windows(0, windows + 1)


def care(paths: TwoPaths, now: datetime = LATER) -> Removal:
    return remove_covered(paths.stream, reconcile(paths.stream, now), now)


def test_where_no_stream_ever_ran_there_is_nothing_to_remove(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    removal = care(paths)
    assert (removal.removed, removal.events.rows, removal.kept) == ({}, 0, ())


def test_rows_of_proven_windows_go_when_their_time_is_over_and_the_rest_stays(paths: TwoPaths) -> None:
    both(paths)
    removal = care(paths, START + 2 * HOUR + DAY)
    assert removal.removed == {0: 40, 1: 20}
    assert removal.events.rows == len(expected(map(offsets_of, range(2))))
    assert removal.rejected.rows == len(expected(map(offsets_of, range(2)), rejected=True))
    assert places(paths.events.scan()) == expected(map(offsets_of, range(2, 4)))
    assert places(paths.quarantine.scan()) == expected(map(offsets_of, range(2, 4)), rejected=True)
    assert removal.kept == tuple(
        f"partition {partition}: window {window_of(2)} is kept until 2026-01-31 23:00" for partition in (0, 1)
    )
    assert places(read_view(paths.stream).rows) == expected(map(offsets_of, range(4)))
    assert places(read_quarantine(paths.stream).rows) == expected(map(offsets_of, range(4)), rejected=True)


def test_what_no_window_holds_stays_and_the_reason_is_told(paths: TwoPaths) -> None:
    both(paths)
    removal = care(paths)
    assert removal.removed == {0: 60, 1: 30}
    assert removal.kept == (
        "partition 0: no complete window holds offset 60",
        "partition 1: no complete window holds offset 30",
    )


def test_a_second_turn_has_nothing_to_do_and_commits_nothing(paths: TwoPaths) -> None:
    both(paths)
    care(paths)
    versions = paths.events.version(), paths.quarantine.version()
    again = care(TwoPaths.of(paths.settings))
    assert (again.events.rows, again.rejected.rows, again.removed) == (0, 0, {0: 60, 1: 30})
    assert (paths.events.version(), paths.quarantine.version()) == versions


@pytest.mark.parametrize(("tamper", "text"), TAMPERINGS)
@pytest.mark.parametrize("known", [False, True])
def test_one_live_row_altered_missing_or_doubled_blocks_removal_from_its_window_on(
    paths: TwoPaths, tamper: Callable[[TwoPaths], None], text: str, known: bool
) -> None:
    both(paths)
    if known:
        reconcile(paths.stream, START)
    tamper(paths)
    removal = care(paths)
    assert removal.removed == {0: 20, 1: 10}
    assert all(f"window {window_of(1)} does not hold what live rows hold: {text}" in line for line in removal.kept)
    assert places(paths.quarantine.scan()) == expected(map(offsets_of, range(1, 4)), rejected=True)


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
@pytest.mark.parametrize("known", [False, True])
def test_of_a_window_that_another_tool_changed_no_live_row_goes(
    paths: TwoPaths, damage: Callable[[TwoPaths], None], text: str, known: bool
) -> None:
    """Its live rows are the last good copy."""
    both(paths)
    if known:
        reconcile(paths.stream, START)
    damage(paths)
    removal = care(paths)
    assert removal.removed == {0: 20, 1: 10}
    assert all(f"window {window_of(1)} does not hold what live rows hold: {text}" in line for line in removal.kept)
    assert places(paths.events.scan()) == expected(map(offsets_of, range(1, 4)))
    assert places(paths.quarantine.scan()) == expected(map(offsets_of, range(1, 4)), rejected=True)


@pytest.mark.parametrize(("damage", "_text"), DAMAGES)
def test_of_a_window_that_another_tool_changed_after_it_was_compared_no_live_row_goes(
    paths: TwoPaths, damage: Callable[[TwoPaths], None], _text: str
) -> None:
    both(paths)
    found = reconcile(paths.stream, LATER)
    damage(paths)
    removal = remove_covered(paths.stream, found, LATER)
    assert removal.removed == {0: 20, 1: 10}
    assert all(f"window {window_of(1)} was rewritten since it was compared" in line for line in removal.kept)
    assert places(paths.events.scan()) == expected(map(offsets_of, range(1, 4)))


def test_a_window_that_nobody_compared_keeps_its_rows(paths: TwoPaths) -> None:
    both(paths)
    found = reconcile(paths.stream, LATER, only=[window_of(0), window_of(2)])
    removal = remove_covered(paths.stream, found, LATER)
    assert removal.removed == {0: 20, 1: 10}
    assert removal.kept[0] == f"partition 0: window {window_of(1)} was not compared"


def test_a_window_that_failed_keeps_the_rows_behind_it_too(paths: TwoPaths) -> None:
    paths.close(3)
    paths.build(0, 2)
    paths.stream_windows(0, 3)
    removal = care(paths)
    assert removal.removed == {0: 20, 1: 10}
    assert "no complete window holds offset 20" in removal.kept[0]


def test_live_rows_that_a_window_was_built_without_stay(paths: TwoPaths) -> None:
    paths.close(2)
    paths.build(0)
    paths.build(1, lost=[(0, 20, 23)])
    paths.stream_windows(0, 2)
    assert care(paths).removed == {0: 20, 1: 10}
    assert places(read_view(paths.stream).rows) == expected(map(offsets_of, range(2)))


def test_a_window_that_was_built_again_with_other_content_is_not_removed_by_its_old_verdict(paths: TwoPaths) -> None:
    both(paths)
    reconcile(paths.stream, START)
    paths.build(0, attempt="again", change=pl.col("quantity") + 1)
    removal = care(paths)
    assert (removal.removed, removal.events.rows) == ({}, 0)


def test_what_the_dashboard_has_not_taken_in_stays(paths: TwoPaths) -> None:
    both(paths)
    dashboard = LiveTable(paths.stream.location, paths.stream.name, DASHBOARD, pa.schema([("category", pa.string())]))
    epoch = dashboard.take_over("test", paths.stream.topic, "topic-1", {0: 0, 1: 0}).epoch
    assert care(paths).removed == {}
    dashboard.commit(epoch, [], lambda state: state.followed_by("append", positions={0: 33, 1: 30}))
    removal = care(paths)
    assert removal.removed == {0: 33, 1: 30}
    assert "partition 0: the dashboard has not taken in offset 33 yet" in removal.kept
    assert places(read_view(paths.stream).rows) == expected(map(offsets_of, range(4)))


def test_a_turn_that_ended_between_the_two_tables_is_finished_by_the_next(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(paths)
    original = LiveTable.drop_rows

    def broken(table: LiveTable, *arguments: object, **options: object) -> object:
        if table.name == "quarantine":
            raise OSError("the machine went down")
        return original(table, *arguments, **options)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(LiveTable, "drop_rows", broken)
        with pytest.raises(OSError, match="went down"):
            care(paths)
    assert reconcile(paths.stream, LATER).findings == []
    assert places(read_quarantine(paths.stream).rows) == expected(map(offsets_of, range(4)), rejected=True)
    care(paths)
    assert places(paths.quarantine.scan()) == expected([offsets_of(3)], rejected=True)


def test_after_the_stream_went_over_to_another_topic_nothing_is_removed(paths: TwoPaths) -> None:
    both(paths)
    found = reconcile(paths.stream, LATER)
    before = places(paths.events.scan())
    paths.begin(topic_id="topic-2")
    with pytest.raises(TopicsDiffer, match="topic-2"):
        remove_covered(paths.stream, found, LATER)
    assert set(places(paths.events.scan())) <= set(before)
    state = paths.events.state()
    assert state is not None
    assert state.removed == {}


def test_two_removals_at_once_and_a_stream_beside_lose_nothing(paths: TwoPaths) -> None:
    epoch = both(paths)
    enough = threading.Event()
    last: list[dict[int, int]] = []

    def go_on() -> None:
        writer = TwoPaths.of(paths.settings)
        table = writer.events
        for step in range(1, 400):
            last[:] = [{0: 80 + step, 1: 40 + step}]
            writer.append(epoch, last[0], table)
            if enough.is_set():
                return

    def remove() -> None:
        care(TwoPaths.of(paths.settings))

    stream, removals = threading.Thread(target=go_on), [threading.Thread(target=remove) for _ in range(2)]
    for thread in (stream, *removals):
        thread.start()
    for thread in removals:
        thread.join()
    enough.set()
    stream.join()
    state = paths.events.state()
    assert state is not None
    assert (state.removed, state.positions, state.epoch) == ({0: 60, 1: 30}, last[0], epoch)
    assert places(paths.events.scan()) == expected([{0: (60, last[0][0]), 1: (30, last[0][1])}])
    assert places(paths.quarantine.scan()) == expected([{0: (60, last[0][0]), 1: (30, last[0][1])}], rejected=True)


def test_files_that_no_late_version_needs_go_without_a_commit_and_the_younger_stay(paths: TwoPaths) -> None:
    both(paths)
    pinned = read_view(paths.stream)
    folder = Path(paths.events.uri) / "live_date=2026-01-31"
    with paths.events.stager(date(2026, 1, 31), "on-its-way") as stager:
        stager.add(paths.events.scan().head(1).drop("live_date").collect())
        (staged,) = stager.finish()
    lost = folder / "part-lost.parquet"
    lost.write_bytes(b"12345")
    born = lost.stat().st_mtime - KEPT_FILES_HOURS * 3600 - 60
    os.utime(lost, (born, born))
    hidden = Path(paths.events.uri) / "_state" / "dashboard.parquet"
    hidden.parent.mkdir()
    hidden.write_bytes(b"1")
    os.utime(hidden, (born, born))
    removal = care(paths)
    assert (removal.files["live/events"].changed, lost.exists()) == (1, False)
    assert (Path(paths.events.uri, staged.path).exists(), hidden.exists()) == (True, True)
    version = paths.events.version()
    assert places(pinned.rows) == expected(map(offsets_of, range(4)))
    report = delete_unneeded_files(paths.stream)["live/events"]
    assert (report.changed, paths.events.version()) == (0, version)


def windows_of(ends: list[int], refused: set[int], missing: set[int]) -> Iterator[Candidate]:
    start = 0
    for index, end in enumerate(sorted(ends)):
        if index not in missing:
            yield Candidate(f"w-{index}", OffsetRange("t", {0: start}, {0: end}), "stays" if index in refused else None)
        start = end


@given(
    ends=st.lists(st.integers(0, 60), max_size=6),
    refused=st.sets(st.integers(0, 5), max_size=2),
    missing=st.sets(st.integers(0, 5), max_size=2),
    held=st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))),
    dashboard=st.none() | st.integers(0, 60),
)
def test_the_removed_prefix_is_proven_offset_by_offset_and_as_long_as_it_can_be(
    ends: list[int], refused: set[int], missing: set[int], held: tuple[int, int], dashboard: int | None
) -> None:
    windows = list(windows_of(ends, refused, missing))
    bounds = removal_bounds({0: held}, windows, None if dashboard is None else {0: dashboard})

    def may_go(offset: int) -> bool:
        return (dashboard is None or offset < dashboard) and any(
            window.range.covers(0, offset) and window.refusal is None for window in windows
        )

    first, end = held
    longest = next((offset for offset in range(first, end) if not may_go(offset)), end)
    assert bounds.below.get(0, first) == longest
    assert (0 in bounds.reasons) == (longest < end)


def test_a_partition_that_stands_still_does_not_hold_back_the_others() -> None:
    good = Candidate("a", OffsetRange("t", {0: 0, 1: 0}, {0: 10, 1: 0}), None)
    later = Candidate("b", OffsetRange("t", {0: 10, 1: 0}, {0: 20, 1: 5}), "stays")
    bounds = removal_bounds({0: (0, 15), 1: (0, 5)}, [good, later], None)
    assert (dict(bounds.below), sorted(bounds.reasons)) == ({0: 10}, [0, 1])
