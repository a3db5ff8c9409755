"""A batch that runs is ended at once, wherever it runs, and leaves nothing that anybody could read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance

from streamguard_assets.batches.record import CANCELLED, INTERRUPTED, BatchRecord, BatchStatus
from streamguard_assets.batches.removal import delete_tables
from streamguard_assets.orchestration.batches.cancelling import cancel_run
from streamguard_assets.orchestration.instance import dagster_home
from streamguard_assets.settings import CONFIG_VARIABLE, environment_variable
from streamguard_assets_tests.batches.rig import BatchRig, RigFactory, transactions
from streamguard_assets_tests.orchestration.batches.site import BatchSite
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.fault]

RECORDS = 60_000
INGEST = {"chunk_records": 1, "workers": 2, "parallel_from_records": 10}
"""A chunk of each record: some ten seconds of work for each of two workers."""

Running = tuple[BatchSite, subprocess.Popen[bytes], BatchRecord]


@pytest.fixture
def running(make_rig: RigFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """A command that runs a batch in its own process, while its workers write."""
    rig = make_rig(ingest=INGEST)
    rig.produce(transactions(RECORDS))
    values = {
        "state_dir": str(rig.settings.state),
        "kafka.bootstrap_servers": str(rig.settings.kafka.bootstrap_servers),
        "streams.transactions.topic": rig.topic,
        **{f"ingest.{key}": str(value) for key, value in INGEST.items()},
    }
    nothing = tmp_path / "no-settings.toml"
    nothing.touch()
    environment = {**os.environ, CONFIG_VARIABLE: str(nothing)}
    environment |= {environment_variable(key): value for key, value in values.items()}
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    command = [sys.executable, "-m", "streamguard_assets.cli", "batch", "run", "--topic", rig.topic, "--here"]
    with DagsterInstance.from_config(str(dagster_home(rig.settings))) as instance:
        site = BatchSite(rig, instance)
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            assert wait_until(lambda: _two_workers(process.pid) and bool(site.registry.records()), 90, 0.1)
            (record,) = site.registry.records()
            try:
                yield site, process, record
            finally:
                process.kill()


def test_cancelling_ends_the_run_and_its_workers(running: Running) -> None:
    site, process, record = running
    batch_id = record.batch.batch_id
    workers = psutil.Process(process.pid).children(recursive=True)
    run = site.registry.unfinished_run(batch_id)
    assert run is not None
    assert cancel_run(site.instance, run.dagster_run)
    assert process.wait(60) == 1
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    ended = site.registry.record(batch_id)
    assert (ended.status, ended.error) == (BatchStatus.FAILED, CANCELLED)
    assert _logs(site.rig, batch_id) == []
    delete_tables(site.rig.stream, batch_id)
    assert not list(Path(site.rig.settings.lake_uri).rglob("*.parquet"))


def test_ctrl_c_ends_it_with_the_status_of_an_interrupt(running: Running) -> None:
    site, process, record = running
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    ended = site.registry.record(record.batch.batch_id)
    assert (ended.status, ended.error) == (BatchStatus.FAILED, INTERRUPTED)
    assert _logs(site.rig, record.batch.batch_id) == []


def test_a_killed_command_is_a_failed_batch_for_the_next_that_asks(running: Running) -> None:
    site, process, record = running
    process.kill()
    process.wait(30)
    ended = site.registry.record(record.batch.batch_id)
    assert ended.status is BatchStatus.FAILED
    assert "its process is gone" in (ended.error or "")
    assert _logs(site.rig, record.batch.batch_id) == []


def _two_workers(pid: int) -> bool:
    children = psutil.Process(pid).children()
    return sum("spawn_main" in " ".join(child.cmdline()) for child in children) == 2


def _logs(rig: BatchRig, batch_id: str) -> list[Path]:
    """Commits of tables of the batch: what a reader could see."""
    return list(Path(rig.settings.lake_uri).glob(f"*/batches/{batch_id}/**/_delta_log/*.json"))
