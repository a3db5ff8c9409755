"""User features: speed in this process, memory of a fresh one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streamguard_assets.analytics.user_features.extraction import user_features
from streamguard_assets.bench.events import EVENT_TYPES, event_frame
from streamguard_assets.bench.footprint import peak_resident_bytes
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import STREAM, WINDOW, Bench
from streamguard_assets.bench.timing import seconds
from streamguard_assets.contracts.registry import contract
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable

EVENTS, EVENTS_LIMIT_S = 1_000_000, 1.0
LARGE_EVENTS, MEMORY_LIMIT_BYTES = 5_000_000, 1.5e9
BLOCK_ROWS = 250_000


@contextmanager
def feature_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    rows = bench.records(EVENTS)
    events = event_frame(rows, WINDOW)
    yield [
        Case(
            "features",
            f"28 features of the users of {rows:,} events, in memory",
            Figure("user_features", "s", lambda: seconds(lambda: user_features(events, EVENT_TYPES))),
            Limit(f"{EVENTS_LIMIT_S:g} s", EVENTS_LIMIT_S),
            "at_most",
            1.0,
        )
    ]


@contextmanager
def feature_memory(bench: Bench) -> Iterator[Sequence[Case]]:
    rows = bench.records(LARGE_EVENTS)
    lake = bench.folder / "features-lake"
    table = WindowTable(LakeLocation(str(lake)), STREAM, "events", contract("security").events_schema())
    blocks = (
        event_frame(min(BLOCK_ROWS, rows - first), WINDOW, seed=first, first_offset=first)
        for first in range(0, rows, BLOCK_ROWS)
    )
    table.write(blocks, WindowCommit(WINDOW, attempt="bench", complete=True))
    program = [sys.executable, "-m", "streamguard_assets.bench.programs.features_of_window", str(lake), WINDOW]
    yield [
        Case(
            "features_memory",
            f"a window of {rows:,} events from the lake to features, in a fresh process",
            Figure("peak resident size of the process and its children", "bytes", lambda: peak_resident_bytes(program)),
            Limit("1.5 GB", MEMORY_LIMIT_BYTES),
            "at_most",
            1.0,
            warm_up=0,
        )
    ]
