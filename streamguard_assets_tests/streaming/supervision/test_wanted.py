"""The wanted state of a stream outlives processes, and the newest word counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.streaming.supervision.wanted import COMPACT_FROM_FILES, NEVER_ASKED, WantedState, WantedTable

AT = datetime(2026, 1, 31, 14, 0, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> LakeLocation:
    return LakeLocation(str(tmp_path / "lake"))


def table(lake: LakeLocation) -> WantedTable:
    """As another process opens it."""
    return WantedTable(lake, "security")


def test_a_stream_that_nobody_asked_for_is_stopped(lake: LakeLocation) -> None:
    assert table(lake).current() == NEVER_ASKED
    assert NEVER_ASKED.state is WantedState.STOPPED


def test_another_process_sees_who_wanted_what_why_and_when(lake: LakeLocation) -> None:
    watching = table(lake)
    assert watching.current() == NEVER_ASKED
    asked = table(lake).change(WantedState.PAUSED, by="ada@host", reason="the disk is full", now=AT)
    assert watching.current() == asked
    assert (asked.state, asked.by, asked.reason, asked.at) == (
        WantedState.PAUSED,
        "ada@host",
        "the disk is full",
        AT,
    )


def test_the_newest_word_counts_whatever_the_clocks_say(lake: LakeLocation) -> None:
    watching = table(lake)
    table(lake).change(WantedState.RUNNING, by="ada", reason="", now=AT)
    last = table(lake).change(WantedState.STOPPED, by="ben", reason="his clock is behind", now=AT - timedelta(days=1))
    assert watching.current() == last
    assert table(lake).current() == last


def test_asking_for_the_same_again_is_a_new_word(lake: LakeLocation) -> None:
    watching = table(lake)
    watching.change(WantedState.RUNNING, by="ada", reason="", now=AT)
    watching.change(WantedState.RUNNING, by="ada", reason="it was given up", now=AT + timedelta(hours=1))
    assert watching.current().at == AT + timedelta(hours=1)


def test_a_look_after_nothing_changed_reads_no_rows(lake: LakeLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = table(lake)
    watching.change(WantedState.RUNNING, by="ada", reason="", now=AT)
    known = watching.current()
    monkeypatch.setattr(pl.LazyFrame, "collect", lambda *_, **__: pytest.fail("rows were read"))
    assert watching.current() == known


def test_a_lake_made_anew_is_seen(lake: LakeLocation, tmp_path: Path) -> None:
    watching = table(lake)
    watching.change(WantedState.RUNNING, by="ada", reason="", now=AT)
    assert watching.current().state is WantedState.RUNNING
    (tmp_path / "lake").rename(tmp_path / "old")
    assert watching.current() == NEVER_ASKED
    table(lake).change(WantedState.PAUSED, by="ben", reason="", now=AT)
    assert watching.current().state is WantedState.PAUSED


def test_two_that_ask_at_once_are_both_heard_and_one_comes_last(lake: LakeLocation) -> None:
    states = [WantedState.RUNNING, WantedState.STOPPED] * 4

    def ask(number: int) -> None:
        table(lake).change(states[number], by=str(number), reason="", now=AT)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(len(states))))
    rows = pl.read_delta(table(lake).uri).sort("sequence")
    assert rows["sequence"].to_list() == list(range(1, len(states) + 1))
    assert table(lake).current().by == rows["wanted_by"][-1]


def test_many_changes_stay_few_files_and_lose_none(lake: LakeLocation) -> None:
    asking = table(lake)
    for number in range(COMPACT_FROM_FILES + 1):
        asking.change(WantedState.RUNNING, by=str(number), reason="", now=AT)
    rows = pl.scan_delta(asking.uri).select(pl.len()).collect().item()
    assert rows == COMPACT_FROM_FILES + 1
    assert table(lake).current().by == str(COMPACT_FROM_FILES)
    assert len(list(Path(asking.uri).glob("*.parquet"))) > COMPACT_FROM_FILES  # old ones stay for readers of then
    assert len(pl.read_delta(asking.uri)) == rows
