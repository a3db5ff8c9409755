"""The suites run, small: that they can, not how fast they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from streamguard_assets.bench.harness import Figure, Limit, Result, measure
from streamguard_assets.bench.room import Bench, DagsterActions, bench_room
from streamguard_assets.bench.suites import SUITES
from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.settings import Settings


@contextmanager
def nothing_of_dagster(settings: Settings) -> Iterator[Callable[[], object]]:
    yield lambda: None


@pytest.fixture
def room(brokerless_settings: Callable[..., Settings]) -> Iterator[Bench]:
    dagster = DagsterActions(tick=nothing_of_dagster, window_run=nothing_of_dagster)
    with bench_room(brokerless_settings(), dagster, scale=0.002) as opened:
        yield opened


@pytest.fixture
def room_with_broker(room: Bench, broker: BrokerInfo) -> Bench:
    room.running_broker = broker.bootstrap_servers
    return room


def results(room: Bench, suite: str) -> dict[str, Result]:
    with SUITES[suite](room) as cases:
        return {case.name: measure(case) for case in cases}


@pytest.mark.spark
def test_analyses_are_measured_against_their_limit_and_against_spark(
    room: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Queries that run once: compiling them well costs more than running them badly.
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    with SUITES["analyses"](room) as (against_limit, against_spark):
        # Once: a round of Spark takes long on a busy machine.
        assert isinstance(against_limit.reference, Limit)
        assert isinstance(against_spark.reference, Figure)
        assert against_limit.subject.run() > 0
        assert against_spark.reference.run() > 0


def test_features_are_measured_against_their_limit(room: Bench) -> None:
    measured = results(room, "features")["features"]

    assert measured.reference.median == 1.0
    assert measured.subject.min > 0


def test_the_memory_of_features_is_that_of_a_fresh_process(room: Bench) -> None:
    measured = results(room, "features_memory")["features_memory"]

    assert 50e6 < measured.subject.median < 1.5e9


@pytest.mark.broker
def test_ingest_is_measured_against_a_bare_consumer(room_with_broker: Bench) -> None:
    measured = results(room_with_broker, "ingest")["ingest"]

    assert measured.ratios.samples == tuple(
        ours / bare for ours, bare in zip(measured.subject.samples, measured.reference.samples, strict=True)
    )
    assert set(measured.beside) == {"ingest, starting its worker processes"}


@pytest.mark.broker
def test_a_sample_is_measured_with_dagsters_share_beside_it(room_with_broker: Bench) -> None:
    measured = results(room_with_broker, "sample")

    assert measured["sample_read"].subject.max < measured["sample_pipeline"].subject.max
    assert len(measured["sample_pipeline"].beside) == 2


def test_the_seeder_is_measured_by_the_pace_that_it_tells(room: Bench) -> None:
    measured = results(room, "seeder")["seeder"]

    assert measured.reference.median == 100_000
    assert measured.subject.min > 0


@pytest.mark.broker
def test_the_generator_is_measured_into_a_topic_with_a_file_beside_it(room_with_broker: Bench) -> None:
    measured = results(room_with_broker, "generator")["generator"]

    assert measured.reference.median == 50_000
    assert measured.subject.min > 0
    assert set(measured.beside) == {"the same into a file"}


@pytest.mark.broker
def test_a_batch_is_measured_from_its_first_line_with_its_wait_beside_it(room_with_broker: Bench) -> None:
    with SUITES["batch"](room_with_broker) as (case,):
        # Once: each turn waits for the daemon to start a process.
        assert isinstance(case.reference, Limit)
        assert case.reference.value == 12.0
        assert case.subject.run() > 0
        (wait,) = case.beside
        assert wait.run() > 0


def test_nothing_is_left_behind(brokerless_settings: Callable[..., Settings]) -> None:
    settings = brokerless_settings()
    dagster = DagsterActions(tick=nothing_of_dagster, window_run=nothing_of_dagster)

    with bench_room(settings, dagster) as room:
        (room.folder / "figures").write_text("1")

    assert list((settings.state / "bench").iterdir()) == []
