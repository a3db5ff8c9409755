"""The planning sensor's tick over a topic of many partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench
from streamguard_assets.bench.timing import seconds

PARTITIONS, RECORDS, TICK_LIMIT_S = 100, 20_000, 0.3


@contextmanager
def sensor_tick(bench: Bench) -> Iterator[Sequence[Case]]:
    bench.filled_topic("sensor", RECORDS, PARTITIONS)
    with bench.dagster.tick(bench.settings("sensor")) as tick:
        yield [
            Case(
                "sensor_tick",
                f"one look of the planning sensor at a topic of {PARTITIONS} partitions, in a warm process",
                Figure("tick", "s", lambda: seconds(tick)),
                Limit(f"{TICK_LIMIT_S * 1e3:g} ms", TICK_LIMIT_S),
                "at_most",
                1.0,
            )
        ]
