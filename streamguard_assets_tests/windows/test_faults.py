"""Killed in the middle, raced, cut off from Kafka: after the retry every offset is in the lake once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import psutil
import pytest

from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.errors import KafkaUnavailable
from streamguard_assets.kafka.reader import STALL_FACTOR
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.settings import Settings
from streamguard_assets.windows import reading
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.processes import ingest_until_killed, ingest_when_told, ingest_with_workers
from streamguard_assets_tests.windows.rig import Rig, at, event, key, stream_settings

pytestmark = [pytest.mark.broker, pytest.mark.fault]

SPAWN = multiprocessing.get_context("spawn")
TIMEOUT_S = 1.0


def with_rejects(rig: Rig) -> Rig:
    rig.produce_hours([0], events=20)
    rig.produce([b"bad", b"worse"], hour=0.5, partition=1)
    rig.keep(1)
    return rig


@pytest.mark.parametrize("name", ["another", "killed"], ids=["a new run", "the same run resumed"])
@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
def test_a_killed_ingest_is_repeated_without_a_trace(rig: Rig, committed: bool, name: str) -> None:
    with_rejects(rig)
    reached = SPAWN.Event()
    process = SPAWN.Process(
        target=ingest_until_killed,
        args=(rig.settings, key(0), at(2), "killed"),
        kwargs={"committed": committed, "reached": reached},
    )
    process.start()
    assert reached.wait(60)
    process.kill()
    process.join(20)

    left = rig.again()
    assert set(left.stream.table("events").commits()) == ({key(0)} if committed else set())
    assert left.violations() == []
    assert bool(left.plan(1.5).requests) is True  # features at the least: the run did not come to them
    (commit,) = left.ingest(0, attempt=name)
    assert (commit.rows, commit.details["rejected"]) == (20, 2)
    assert (left.events(0).height, left.rejected(0).height) == (20, 2)
    assert left.violations() == []


def test_two_processes_that_ingest_a_window_at_once_land_its_rows_once(rig: Rig) -> None:
    with_rejects(rig)
    start = SPAWN.Barrier(2)
    racers = [
        SPAWN.Process(target=ingest_when_told, args=(rig.settings, key(0), at(2), f"racer{n}", start)) for n in range(2)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert (rig.events(0).height, rig.rejected(0).height) == (20, 2)
    assert rig.violations() == []


@pytest.mark.parametrize("when", ["starting", "writing"])
def test_workers_end_with_an_ingest_that_is_killed(make_rig: RigFactory, when: str) -> None:
    slow = {"workers": 2, "parallel_from_records": 10, "chunk_records": 1, "file_rows": 1_000}
    rig = make_rig(ingest=slow)
    rig.produce([event(n) for n in range(3_000)])
    rig.produce([event(n) for n in range(3_000)], partition=1)
    rig.keep(1)
    process = SPAWN.Process(target=ingest_with_workers, args=(rig.settings, key(0), at(2)))
    process.start()
    assert process.pid is not None
    owner = psutil.Process(process.pid)
    folder = Path(rig.stream.location.table(rig.stream.name, "events"))

    def ready() -> bool:
        assert process.is_alive(), "the ingest was over before it could be killed"
        workers = [child for child in owner.children() if "spawn_main" in " ".join(child.cmdline())]
        return len(workers) == 2 and (when == "starting" or any(folder.rglob("*.parquet")))

    assert wait_until(ready, 60)
    family = owner.children(recursive=True)
    process.kill()
    process.join(20)
    gone, alive = psutil.wait_procs(family, timeout=15)
    for orphan in alive:
        orphan.kill()
    assert alive == []
    assert len(gone) >= 2


def test_a_worker_that_is_killed_fails_its_window_and_not_the_next(make_rig: RigFactory) -> None:
    rig = make_rig(ingest={"workers": 2, "parallel_from_records": 10})
    rig.produce_hours([0, 1], events=30)
    rig.keep(2)
    with Ingest(rig.stream, "run", at(1_000)) as ingest:
        first = ingest._workers.pool()
        first.submit(os.getpid).result(60)
        for pid in list(first._processes or {}):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            ingest.window(rig.window(0))
        commit = ingest.window(rig.window(1))
    assert commit is not None
    assert commit.details["workers"] == 2
    assert commit.rows == 30


@pytest.fixture
def own(brokerless_settings: SettingsFactory) -> Iterator[Settings]:
    """The settings of a stream on a broker of this test's own, stopped at its end. Small queues, so that a read
    cannot finish out of what was fetched before the kill."""
    options = {"queued.max.messages.kbytes": "64", "fetch.message.max.bytes": "16384"}
    settings = brokerless_settings(
        kafka={"request_timeout_ms": int(TIMEOUT_S * 1_000), "client_options": options},
        streams=stream_settings("events", {}),
        ingest={"chunk_records": 50},
    )
    yield settings
    stop_broker(settings, grace_s=0)


def test_a_broker_that_is_killed_fails_the_ingest_in_time_and_the_retry_lands_the_same(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = start_broker(own, owner_pid=os.getpid(), grace_s=0)
    rig = Rig(own)
    create_topic(rig.stream.connection, "events", TopicLayout(2, 1, FOR_EVER_MS))
    for partition in (0, 1):
        rig.produce([event(n, metadata={"file_path": "x" * 1_000}) for n in range(1_500)], partition=partition)
    rig.produce([b"bad"], hour=0.9)
    rig.keep(1)
    (expected,) = rig.ingest(0)
    Path(own.lake_uri, "security", "events").rename(Path(own.lake_uri, "elsewhere"))

    chunks = iter(range(10_000))

    def kill_at_the_third_chunk(*given: Any, **named: Any) -> ParsedChunk:
        if next(chunks) == 3:
            os.kill(broker.pid, signal.SIGKILL)
        return parse_records(*given, **named)

    fresh = rig.again()
    window = fresh.window(0)
    monkeypatch.setattr(reading, "parse_records", kill_at_the_third_chunk)
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable), Ingest(fresh.stream, "cut-off", at(1_000)) as ingest:
        ingest.window(window)
    assert time.monotonic() - began < TIMEOUT_S * STALL_FACTOR + 10
    monkeypatch.undo()
    assert fresh.stream.table("events").commits() == {}

    start_broker(own, owner_pid=os.getpid(), grace_s=0)
    retried = Rig(own)
    (commit,) = retried.ingest(0)
    assert (commit.content_hash, commit.inputs_hash) == (expected.content_hash, expected.inputs_hash)
    assert commit.rows == 3_000
    assert retried.violations() == []
