"""The suites of the stream run, small: that they can, not how fast they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench, DagsterActions, bench_room
from streamguard_assets.bench.shared import Once, Shared
from streamguard_assets.bench.suites import SUITES
from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.settings import Settings
from streamguard_assets_tests.bench.test_suites import nothing_of_dagster


@pytest.fixture
def room(brokerless_settings: Callable[..., Settings], broker: BrokerInfo) -> Iterator[Bench]:
    dagster = DagsterActions(tick=nothing_of_dagster, window_run=nothing_of_dagster)
    with bench_room(brokerless_settings(), dagster, scale=0.002) as opened:
        opened.running_broker = broker.bootstrap_servers
        yield opened


def once(case: Case) -> float:
    """One figure: repetitions start processes, and take long on a busy machine."""
    return case.subject.run()


@pytest.mark.broker
def test_a_drain_is_measured_against_a_bare_consumer(room: Bench) -> None:
    with SUITES["stream_drain"](room) as (case,):
        assert isinstance(case.reference, Figure)
        assert once(case) > 0
        assert case.reference.run() > 0
        assert case.subject.run() > 0  # again, into a lake of its own


@pytest.mark.broker
def test_latency_is_seen_from_outside_at_both_triggers(room: Bench) -> None:
    with SUITES["stream_latency"](room) as cases:
        for case in cases:
            (median,) = case.beside
            assert 0 < median.run() <= once(case)
    assert [isinstance(case.reference, Limit) and case.reference.value for case in cases] == [1.2, 0.4]


@pytest.mark.broker
def test_memory_is_that_of_a_stream_under_load(room: Bench) -> None:
    with SUITES["stream_memory"](room) as (case,):
        assert once(case) > 0
        assert case.subject.run() == case.subject.run()


@pytest.mark.broker
def test_an_idle_stream_is_measured_by_its_processor_time(room: Bench) -> None:
    with SUITES["stream_idle"](room) as (case,):
        assert once(case) >= 0


@pytest.mark.broker
def test_commits_of_an_old_log_are_measured_against_early_ones(room: Bench) -> None:
    with SUITES["stream_commits"](room) as (case,):
        assert isinstance(case.reference, Figure)
        assert once(case) > 0
        assert case.reference.run() > 0


def test_what_is_measured_once_is_told_again() -> None:
    values = iter([1, 2])
    measured = Once(lambda: next(values))

    assert (measured.value, measured.value) == (1, 1)


def test_figures_of_one_measurement_are_of_the_same_turn() -> None:
    turns = iter([{"p50": 1.0, "p99": 2.0}, {"p50": 3.0, "p99": 4.0}])
    shared = Shared(lambda: next(turns))

    taken = [shared.take(name) for name in ("p99", "p50", "p50", "p99")]

    assert taken == [2.0, 1.0, 3.0, 4.0]
