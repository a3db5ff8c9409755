"""What the tests of this folder run in processes of their own: racers, and processes that are killed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.synchronize import Barrier, Event
from typing import Any
from unittest import mock

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.settings import Settings
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import keep_ledger, window_slices
from streamguard_assets_tests.windows.rig import opened


def keep_when_told(settings: Settings, now: datetime, start: Barrier, answers: Any) -> None:
    """Keep the ledger at the same moment as everybody, and hand back what it says then."""
    stream = opened(settings)
    start.wait(60)
    keep_ledger(stream, now)
    answers.put([(b.instant, dict(b.offsets)) for b in stream.ledger.boundaries()])


def ingest_when_told(settings: Settings, window: str, now: datetime, attempt: str, start: Barrier) -> None:
    """Ingest a window at the same moment as everybody."""
    stream = opened(settings)
    slices = window_slices(stream, [window], now)
    start.wait(60)
    with Ingest(stream, attempt, now) as ingest:
        ingest.window(slices[window])


def ingest_until_killed(
    settings: Settings, window: str, now: datetime, attempt: str, *, committed: bool, reached: Event
) -> None:
    """Ingest a window, stop right before or right after the commit of its events, and wait for the kill."""
    stream = opened(settings)
    commit = WindowTable.commit

    def stop_at_commit(table: WindowTable, files: Sequence[DataFile], wanted: WindowCommit) -> WindowCommit:
        if committed:
            commit(table, files, wanted)
        reached.set()
        threading.Event().wait()
        raise AssertionError("nobody came to kill this process")

    with mock.patch.object(WindowTable, "commit", stop_at_commit), Ingest(stream, attempt, now) as ingest:
        ingest.window(window_slices(stream, [window], now)[window])


def ingest_with_workers(settings: Settings, window: str, now: datetime) -> None:
    """Ingest a window; whoever started this process kills it on the way."""
    stream = opened(settings)
    with Ingest(stream, "killed", now) as ingest:
        ingest.window(window_slices(stream, [window], now)[window])
