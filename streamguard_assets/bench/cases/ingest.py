"""Ingest: a range of a topic into a complete window, against a consumer that does nothing but read."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from streamguard_assets.bench.footprint import peak_resident_bytes
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.peers import bare_consumer
from streamguard_assets.bench.room import WINDOW, Bench
from streamguard_assets.bench.timing import seconds
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.stream import Stream
from streamguard_assets.windows.view import LedgerWindow

EVENTS, LEAST_SHARE = 500_000, 0.40
LARGE_EVENTS, MEMORY_LIMIT_BYTES = 5_000_000, 1.5e9
PARTITIONS = 3


@contextmanager
def ingest_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    records = bench.records(EVENTS)
    covered = bench.filled_topic("ingest", records, PARTITIONS)
    stream = bench.stream("ingest")
    window = LedgerWindow(WINDOW, covered, closed=True)
    attempts = itertools.count()

    def events_per_second(action: Callable[[], object]) -> float:
        return records / seconds(action)

    with Ingest(stream, "warm", window_start(WINDOW)) as running:
        yield [
            Case(
                "ingest",
                f"{records:,} events of {PARTITIONS} partitions to a complete window: read, strict verdicts, "
                "conservation check, Delta commit; worker processes as in the second window of a run",
                Figure("ingest", "events/s", lambda: events_per_second(lambda: _ingest(running, window, records))),
                Figure(
                    "bare tuned confluent-kafka consumer keeping value, offset, partition, timestamp",
                    "events/s",
                    lambda: events_per_second(lambda: bare_consumer(stream.connection, covered)),
                ),
                "at_least",
                LEAST_SHARE,
                beside=(
                    Figure(
                        "ingest, starting its worker processes",
                        "events/s",
                        lambda: events_per_second(lambda: _alone(stream, f"alone-{next(attempts)}", window, records)),
                    ),
                ),
            )
        ]


@contextmanager
def ingest_memory(bench: Bench) -> Iterator[Sequence[Case]]:
    records = bench.records(LARGE_EVENTS)
    bench.filled_topic("ingest_large", records, PARTITIONS)
    state = str(bench.settings("ingest_large").state)
    module = "streamguard_assets.bench.programs.ingest_window"
    program = [sys.executable, "-m", module, state, bench.servers, "ingest_large", WINDOW]
    yield [
        Case(
            "ingest_memory",
            f"a window of {records:,} events from Kafka to the lake, in a fresh process with its workers",
            Figure("peak resident size of the process and its children", "bytes", lambda: peak_resident_bytes(program)),
            Limit("1.5 GB", MEMORY_LIMIT_BYTES),
            "at_most",
            1.0,
            warm_up=0,
        )
    ]


def _alone(stream: Stream, attempt: str, window: LedgerWindow, records: int) -> None:
    with Ingest(stream, attempt, window_start(WINDOW)) as ingest:
        _ingest(ingest, window, records)


def _ingest(ingest: Ingest, window: LedgerWindow, records: int) -> None:
    """A figure of rows that did not arrive would be worth nothing, so they are counted."""
    commit = ingest.window(window)
    if commit is None or commit.rows != records:
        raise AssertionError(f"{records} records were produced, and the window's commit says {commit}")
