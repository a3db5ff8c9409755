"""The stream: draining a backlog against a bare consumer, latency seen from outside, memory, idleness, old logs."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import psutil

from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.live_log import LiveLog, latencies_s
from streamguard_assets.bench.peers import bare_consumer
from streamguard_assets.bench.room import Bench
from streamguard_assets.bench.shared import Once, Shared
from streamguard_assets.bench.streams import (
    PARTITIONS,
    PATIENCE_S,
    ends_within,
    live_events,
    next_commits,
    stamped_topic,
    steady_events,
    stream_process,
    stream_settings,
    stream_until,
)
from streamguard_assets.bench.timing import seconds
from streamguard_assets.streaming.steps import Step

BACKLOG, LEAST_SHARE = 1_000_000, 0.35
RATE_PER_S = 5_000
LATENCY_S, LATENCY_LIMITS_S = 30.0, {1_000: 1.2, 250: 0.4}
MEMORY_S, MOST_GROWTH = 600.0, 1.10
LOOKS, TENTHS = 200, 10
"""A run is judged by the medians of its tenths: compaction takes memory for seconds and gives it back."""
IDLE_S, MOST_IDLE_SHARE = 60.0, 0.03
OLD_COMMITS, EARLY_COMMITS, BLOCK, MOST_SLOWDOWN = 5_000, 100, 100, 1.5
COMMIT_RATE_PER_S = 60
"""Slow enough that each commit holds an event or a few, fast enough that no trigger waits for one."""


@contextmanager
def stream_drain(bench: Bench) -> Iterator[Sequence[Case]]:
    records = bench.records(BACKLOG)
    covered = bench.filled_topic("drain", records, PARTITIONS)
    connection = bench.stream("drain").connection
    lakes = itertools.count()

    def drain() -> float:
        settings = stream_settings(bench, "drain", f"drain-{next(lakes)}")
        return records / seconds(lambda: stream_until(settings, lambda positions: positions == covered.ends))

    yield [
        Case(
            "stream_drain",
            f"a backlog of {records:,} events of {PARTITIONS} partitions into the live tables, from the start of the "
            "stream to its end after the last commit: read, strict verdicts, commits, dashboard",
            Figure("stream", "events/s", drain),
            Figure(
                "bare tuned confluent-kafka consumer keeping value, offset, partition, timestamp",
                "events/s",
                lambda: records / seconds(lambda: bare_consumer(connection, covered)),
            ),
            "at_least",
            LEAST_SHARE,
        )
    ]


@contextmanager
def stream_latency(bench: Bench) -> Iterator[Sequence[Case]]:
    yield [_latency_case(bench, trigger_ms, limit_s) for trigger_ms, limit_s in LATENCY_LIMITS_S.items()]


@contextmanager
def stream_memory(bench: Bench) -> Iterator[Sequence[Case]]:
    watched_s = max(5.0, MEMORY_S * bench.scale)
    sizes = Once(lambda: _resident_bytes(bench, watched_s))
    yield [
        Case(
            "stream_memory",
            f"resident size of the stream at {RATE_PER_S:,} events/s over {watched_s:.0f} s: the median of its largest "
            "tenth ÷ that of its first; one run, whose figure is told each time",
            Figure("largest tenth ÷ first", "×", lambda: _growth(sizes.value)),
            Limit("as large as at first", 1.0),
            "at_most",
            MOST_GROWTH,
            beside=(Figure("highest of the run", "bytes", lambda: max(sizes.value)),),
            warm_up=0,
        )
    ]


@contextmanager
def stream_idle(bench: Bench) -> Iterator[Sequence[Case]]:
    watched_s = max(1.0, IDLE_S * bench.scale)
    stamped_topic(bench, "idle")
    with stream_process(bench, "idle", 1_000, "idle") as process, steady_events(bench, "idle", 1_000, 1.0) as producer:
        producer.wait(PATIENCE_S)
        next_commits(LiveLog(live_events(bench, "idle")), rows=1_000)
        yield [
            Case(
                "stream_idle",
                f"processor time of a stream whose topic is idle, over {watched_s:.0f} s, as a share of one core",
                Figure("idle stream", "of a core", lambda: _cpu_share(process.pid, watched_s)),
                Limit("3 %", MOST_IDLE_SHARE),
                "at_most",
                1.0,
            )
        ]


@contextmanager
def stream_commits(bench: Bench) -> Iterator[Sequence[Case]]:
    last = max(EARLY_COMMITS // 2, int(OLD_COMMITS * bench.scale))
    block = min(BLOCK, last // 10)
    first = min(EARLY_COMMITS, last // 10)
    commits_ms = Once(lambda: _commit_times_ms(bench, last))
    early, late = itertools.count(), itertools.count()

    def median_of_block(numbers: Iterator[int], begin: int) -> float:
        at = begin + next(numbers) % 5 * block
        return statistics.median(commits_ms.value[at : at + block])

    yield [
        Case(
            "stream_commits",
            f"time from staged files to the commit of live/events after {last:,} commits, beside that after {first}: "
            f"medians of blocks of {block} commits of one run; checkpoints and compaction included",
            Figure(f"before commit {last:,}", "ms", lambda: median_of_block(late, last - 5 * block)),
            Figure(f"after commit {first}", "ms", lambda: median_of_block(early, first)),
            "at_most",
            MOST_SLOWDOWN,
            warm_up=0,
        )
    ]


def _latency_case(bench: Bench, trigger_ms: int, limit_s: float) -> Case:
    watched_s = max(2.0, LATENCY_S * bench.scale)
    turns = itertools.count()
    shared = Shared(lambda: _latency(bench, f"latency-{trigger_ms}-{next(turns)}", trigger_ms, watched_s))
    return Case(
        f"stream_latency_{trigger_ms}ms",
        f"{RATE_PER_S:,} events/s for {watched_s:.0f} s, trigger {trigger_ms} ms: from the broker's stamp on a record "
        "to the sight of its commit in the log of live/events by another process",
        Figure("p99", "s", lambda: shared.take("p99")),
        Limit(f"{limit_s:g} s", limit_s),
        "at_most",
        1.0,
        beside=(Figure("p50", "s", lambda: shared.take("p50")),),
        warm_up=0,
    )


def _latency(bench: Bench, name: str, trigger_ms: int, watched_s: float) -> dict[str, float]:
    """The start of both processes is left out: a stream that has just begun has a backlog."""
    stamped_topic(bench, name)
    log = LiveLog(live_events(bench, name))
    with stream_process(bench, name, trigger_ms, name):
        with steady_events(bench, name, RATE_PER_S, 1.0) as warm_up:
            warm_up.wait(PATIENCE_S)
            next_commits(log, rows=RATE_PER_S)
        with steady_events(bench, name, RATE_PER_S, watched_s):
            waits_s = latencies_s(next_commits(log, rows=int(RATE_PER_S * watched_s)))
    return {"p50": float(np.percentile(waits_s, 50)), "p99": float(np.percentile(waits_s, 99))}


def _resident_bytes(bench: Bench, watched_s: float) -> list[int]:
    """Looks at the stream while it takes events, from its first commit on."""
    stamped_topic(bench, "memory")
    log = LiveLog(live_events(bench, "memory"))
    sizes: list[int] = []
    with (
        stream_process(bench, "memory", 1_000, "memory") as process,
        steady_events(bench, "memory", RATE_PER_S, watched_s + PATIENCE_S) as producer,
    ):
        next_commits(log, rows=1)
        family = psutil.Process(process.pid)
        while len(sizes) < LOOKS and not ends_within(producer, watched_s / LOOKS):
            sizes.append(family.memory_info().rss)
    return sizes


def _growth(sizes: Sequence[int]) -> float:
    bounds = [round(len(sizes) * tenth / TENTHS) for tenth in range(TENTHS + 1)]
    first, *others = (statistics.median(sizes[low:high]) for low, high in itertools.pairwise(bounds))
    return max(others) / first


def _cpu_share(pid: int, watched_s: float) -> float:
    """User and system time of the process over ``watched_s``."""
    process = psutil.Process(pid)
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    time.sleep(watched_s)
    return (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)


def _commit_times_ms(bench: Bench, commits: int) -> list[float]:
    """Of one run with tiny batches, in the order of the commits."""
    stamped_topic(bench, "commits")
    settings = stream_settings(bench, "commits", "commits", trigger_ms=50)
    times_ms: list[float] = []
    staged_at = 0.0

    def on_step(step: Step) -> None:
        nonlocal staged_at
        if step is Step.AFTER_WRITE:
            staged_at = time.perf_counter()
        elif step is Step.AFTER_COMMIT:
            times_ms.append((time.perf_counter() - staged_at) * 1_000)

    with steady_events(bench, "commits", COMMIT_RATE_PER_S, 10 * commits / COMMIT_RATE_PER_S + PATIENCE_S) as producer:
        stream_until(settings, lambda _: len(times_ms) >= commits, on_step)
        producer.kill()
    return times_ms
