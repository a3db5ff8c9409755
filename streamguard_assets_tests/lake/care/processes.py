"""What the tests run in processes of their own: a writer, a reader, two who care, and one that is killed."""

from __future__ import annotations

import threading
from multiprocessing.synchronize import Barrier, Event

from deltalake import DeltaTable

from streamguard_assets.lake.care.checkpoints import checkpoint
from streamguard_assets.lake.care.compaction import compact, parts_of
from streamguard_assets.lake.care.rewrite import Rewriter
from streamguard_assets.lake.care.vacuum import vacuum
from streamguard_assets.lake.care.zorder import zorder
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake.care.scattered import NOW
from streamguard_assets_tests.lake.samples import commit_of, counts, events, hour, rows

ROWS = 12


def write(location: LakeLocation, turns: int, windows: int, start: Barrier, done: Event) -> None:
    """Write each window anew, in small files, turn after turn: the same rows under another attempt."""
    table = events(location, file_rows=4)
    start.wait(60)
    for turn in range(turns):
        for index in range(windows):
            table.write(rows(ROWS, index * 100), commit_of(hour(index), f"turn{turn}"))
    done.set()


def read(location: LakeLocation, start: Barrier, done: Event) -> None:
    """Scan until the writer is done; every window that is there is whole, at every moment."""
    table = events(location)
    start.wait(60)
    while not done.is_set():
        assert set(counts(table).values()) == {ROWS}
        pinned = table.version()
        assert table.scan(version=pinned).collect().height == table.scan(version=pinned).collect().height


def care(location: LakeLocation, start: Barrier, done: Event) -> None:
    """Every kind of care in turn until the writer is done, and at least once."""
    uri = events(location).uri
    start.wait(60)
    while True:
        is_last = done.is_set()
        for report in (
            compact(uri, {}),
            zorder(uri, {}, ["user", "kafka_offset"], min_rows=1),
            vacuum(uri, {}),
            checkpoint(uri, {}, NOW),
        ):
            assert not report.damaged, report
        if is_last:
            return


def compact_and_wait(location: LakeLocation, staged: Event) -> None:
    """Stage everything that a turn of compaction stages, tell so, and wait for the kill that comes for the commit."""
    table = DeltaTable(events(location).uri)
    rewriter = Rewriter(events(location).uri, {}, "compact", 10**9)
    for part in parts_of(table):
        rewriter.stage(table, part, rewriter.declared(table))
    staged.set()
    threading.Event().wait()


def vacuum_with(location: LakeLocation, start: Barrier) -> None:
    start.wait(60)
    vacuum(events(location).uri, {})
