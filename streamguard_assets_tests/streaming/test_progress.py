from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streamguard_assets.streaming.progress import Landed, Phase, Progress, StreamSnapshot

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def pass_s(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress("security", "the test", clock)


def landed(clock: Clock, events: int, latencies_ms: tuple[float, ...] = (100.0,), commit_ms: float = 10.0) -> Landed:
    return Landed(clock(), events + 1, events, 1, 50, commit_ms, latencies_ms, version=3)


def test_totals_grow_with_each_commit(progress: Progress, clock: Clock) -> None:
    progress.landed(landed(clock, 10), {0: 11})
    progress.landed(landed(clock, 5), {0: 17})

    seen = progress.snapshot()
    assert (seen.events, seen.rejected, seen.commits, seen.bytes) == (15, 2, 2, 100)
    assert (seen.positions, seen.batch_records, seen.version, seen.last_commit_at) == ({0: 17}, 6, 3, START)


def test_rates_and_percentiles_are_of_the_last_minute(progress: Progress, clock: Clock) -> None:
    progress.landed(landed(clock, 6_000, latencies_ms=(9_000.0,)), {0: 1})
    clock.pass_s(90)
    progress.landed(landed(clock, 1_200, latencies_ms=(100.0, 300.0), commit_ms=20.0), {0: 2})

    seen = progress.snapshot()
    assert seen.events_per_s == 20.0
    assert (seen.latency_ms_p50, seen.commit_ms_p50, seen.commit_ms_p99) == (200.0, 20.0, 20.0)
    assert seen.events == 7_200


def test_before_anything_came_there_is_no_percentile(progress: Progress) -> None:
    seen = progress.snapshot()
    assert (seen.events_per_s, seen.commit_ms_p50, seen.latency_ms_p99) == (0.0, None, None)


def test_the_lag_is_counted_to_the_end_of_the_log_and_aged_by_the_oldest_record(
    progress: Progress, clock: Clock
) -> None:
    progress.note(end_offsets={0: 100, 1: 50}, positions={0: 90, 1: 50})
    progress.note_lag(START.timestamp() - 7)
    assert (progress.snapshot().lag_events, progress.snapshot().lag_s) == (10, 7.0)

    progress.note_lag(START.timestamp(), records_in_hand=25)
    assert progress.snapshot().lag_events == 25

    progress.note_lag(None)
    assert progress.snapshot().lag_s == 0.0


def test_a_turn_tells_what_is_done_and_when(progress: Progress, clock: Clock) -> None:
    clock.pass_s(3)
    progress.turn(Phase.WAITING_FOR_KAFKA, "no answer")

    seen = progress.snapshot()
    assert (seen.phase, seen.reason, seen.turn_at) == (Phase.WAITING_FOR_KAFKA, "no answer", clock())


def test_a_snapshot_is_read_back_from_its_text(progress: Progress, clock: Clock) -> None:
    progress.landed(landed(clock, 10), {0: 11})
    seen = progress.snapshot()

    assert StreamSnapshot.from_json(seen.to_json()) == seen
    with pytest.raises(ValueError, match="not the snapshot of a stream"):
        StreamSnapshot.from_json("{}")
