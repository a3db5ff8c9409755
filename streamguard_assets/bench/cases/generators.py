"""Generators as a person calls them: the command in a fresh process, by the pace that it tells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from streamguard_assets.bench.commands import told
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench

ROWS, LEAST_ROWS_PER_S = 1_000_000, 100_000
EVENTS, LEAST_EVENTS_PER_S = 1_000_000, 50_000
UNTIL = date(2026, 2, 1)
"""Fixed, so that every run seeds the same rows."""


@contextmanager
def seeder_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    rows = bench.records(ROWS)
    seed = ("seed", "transactions", "--rows", str(rows), "--until", f"{UNTIL}")
    yield [
        Case(
            "seeder",
            f"{rows:,} transactions of 90 days into a Delta table of daily partitions, drawn, written, committed and "
            "summarized; without the start of the process",
            Figure("seed transactions", "rows/s", lambda: told(bench, *seed)["rows_per_s"]),
            Limit(f"{LEAST_ROWS_PER_S:,} rows/s", LEAST_ROWS_PER_S),
            "at_least",
            1.0,
        )
    ]


@contextmanager
def generator_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    events = bench.records(EVENTS)
    topics = (f"generated-{number}" for number in itertools.count())
    generate = ("generate", "transactions", "--unthrottled", "--count", str(events))
    file = str(bench.folder / "generated.ndjson")
    to_file = ("generate", "transactions", "--count", str(events), "--output", file)
    yield [
        Case(
            "generator",
            f"{events:,} transactions into a topic of the local broker, unthrottled, until the last is delivered; "
            "without the start of the process",
            Figure(
                "generate transactions --unthrottled",
                "events/s",
                lambda: told(bench, *generate, "--topic", next(topics), servers=bench.servers)["events_per_s"],
            ),
            Limit(f"{LEAST_EVENTS_PER_S:,} events/s", LEAST_EVENTS_PER_S),
            "at_least",
            1.0,
            beside=(Figure("the same into a file", "events/s", lambda: told(bench, *to_file)["events_per_s"]),),
        )
    ]
