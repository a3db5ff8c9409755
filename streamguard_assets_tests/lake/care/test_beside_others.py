"""Care beside a writer that never rests, a reader, a second carer and a kill: nobody fails and nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.content import content_of
from streamguard_assets_tests.lake.care import processes
from streamguard_assets_tests.lake.care.scattered import assert_same, everything, files_of, scattered
from streamguard_assets_tests.lake.care.test_vacuum import WEEK_S, orphan
from streamguard_assets_tests.lake.samples import counts, events, hour

SPAWN = multiprocessing.get_context("spawn")
pytestmark = pytest.mark.fault


def test_a_writer_a_reader_and_two_carers_for_the_same_table(location, start):
    """Two carers are two daemons on one lake. Whoever loses a turn takes it again or leaves it."""
    table, turns, windows = scattered(location, windows=6), 5, 6
    done, barrier = SPAWN.Event(), SPAWN.Barrier(4)
    everybody = [
        start(processes.write, location, turns, windows, barrier, done),
        start(processes.read, location, barrier, done),
        start(processes.care, location, barrier, done),
        start(processes.care, location, barrier, done),
    ]
    for process in everybody:
        process.join(240)
    assert [process.exitcode for process in everybody] == [0, 0, 0, 0]
    assert counts(table) == {hour(index): processes.ROWS for index in range(windows)}
    for window, commit in events(location).commits().items():
        assert commit.attempt == f"turn{turns - 1}"
        assert content_of(table.scan([window]).collect().drop("window")) == commit.content_hash
    assert files_of(table) == windows


def test_killed_before_its_commit_it_leaves_a_table_that_reads_and_can_be_cared_for(location, start):
    table = scattered(location)
    before, staged = everything(table), SPAWN.Event()
    victim = start(processes.compact_and_wait, location, staged)
    assert staged.wait(60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(30)
    assert len(list(Path(table.uri).rglob("part-compact-*"))) == 3
    assert_same(before, everything(table))
    assert compact(table.uri, {}).changed == 3
    assert_same(before, everything(table))


def test_two_vacuums_at_once_delete_the_same_files_once(location, start):
    table = scattered(location)
    before = everything(table)
    orphans = [orphan(table.uri, age_s=WEEK_S + 60 + n) for n in range(100)]
    barrier = SPAWN.Barrier(2)
    both = [start(processes.vacuum_with, location, barrier) for _ in range(2)]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert not any(path.exists() for path in orphans)
    assert_same(before, everything(table))
