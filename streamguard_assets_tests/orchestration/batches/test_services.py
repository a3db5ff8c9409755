"""Batches by the path of production: a queue, a daemon, run processes of their own, and one of them killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance

from streamguard_assets.batches.record import BatchStatus
from streamguard_assets.batches.request import Batch
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.orchestration.batches.daemon import queue_is_served
from streamguard_assets.orchestration.dead_runs import PROCESS_TAG
from streamguard_assets.orchestration.instance import dagster_home
from streamguard_assets.orchestration.services import DagsterServices
from streamguard_assets.settings import environment_variable
from streamguard_assets.windows.production import send_lines
from streamguard_assets_tests.batches.rig import STREAM, BatchRig, batch_settings
from streamguard_assets_tests.conftest import SettingsFactory, TopicFactory
from streamguard_assets_tests.contracts.transaction_records import transaction
from streamguard_assets_tests.orchestration.batches.site import BatchSite
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(900)]

HOURS, PER_HOUR = 3, 400
TIMEOUT_S = 240.0


@pytest.fixture
def site(
    settings: SettingsFactory, fresh_topic: TopicFactory, monkeypatch: pytest.MonkeyPatch, machine: dict[str, str]
) -> Iterator[tuple[BatchSite, DagsterServices]]:
    """Closed hours of transactions, and what will run them; its processes read settings from the environment."""
    topic = fresh_topic(2)
    ingest = {"chunk_records": 1, "workers": 1}  # slow enough to be killed in the middle of a batch
    made = settings(streams=batch_settings(topic), ingest=ingest)
    values = {
        "kafka.bootstrap_servers": str(made.kafka.bootstrap_servers),
        f"streams.{STREAM}.topic": topic,
        f"streams.{STREAM}.batch_topics": "[]",
        **{f"ingest.{key}": str(value) for key, value in ingest.items()},
        **{f"jvm.{key}": value for key, value in machine.items()},
    }
    for key, value in values.items():
        monkeypatch.setenv(environment_variable(key), value)
    monkeypatch.setenv(environment_variable("state_dir"), str(made.state))
    send_lines(BatchRig(made).stream, [line for hour in range(HOURS) for line in _lines(hour)], by_event_time=True)
    with ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.from_config(str(dagster_home(made))))
        services = stack.enter_context(DagsterServices(made))
        yield BatchSite(BatchRig(made), instance), services


def test_batches_run_beside_windows_and_a_killed_one_fails_alone(site: tuple[BatchSite, DagsterServices]) -> None:
    here, services = site
    waiting = here.submitted("full_report")
    assert not queue_is_served(here.instance, here.clock())
    services.start()
    assert wait_until(lambda: queue_is_served(here.instance, datetime.now(UTC)), TIMEOUT_S, 0.2)
    batches = [waiting, here.submitted("full_report"), here.submitted("revenue_by_category")]
    _all_over(here, batches)
    records = [here.record(batch) for batch in batches]
    assert [record.status for record in records] == [BatchStatus.COMPLETED] * 3, [record.error for record in records]
    assert [record.row_count for record in records] == [HOURS * PER_HOUR] * 3
    results = [here.rig.result(batch, "revenue_by_category") for batch in batches]
    assert results[0].equals(results[1])
    assert results[0].equals(results[2])
    windows = {_begin(hour) for hour in range(HOURS)}
    assert wait_until(lambda: windows <= set(here.rig.again().table("events").commits()), TIMEOUT_S, 0.5)

    here.rig.produce([transaction(transaction_id=f"more-{n}") for n in range(60_000)])
    killed = here.submitted("none")
    assert wait_until(lambda: _process_of(here, killed) is not None, TIMEOUT_S, 0.1)
    pid = _process_of(here, killed)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _all_over(here, [killed])
    record = here.record(killed)
    assert record.status is BatchStatus.FAILED
    assert record.error
    assert record.error != "cancelled"
    assert not list((here.rig.settings.state / "lake").glob(f"*/batches/{killed.batch_id}/raw/_delta_log/*.json"))


def _begin(hour: int) -> str:
    return window_key(_hour(hour))


def _hour(hour: int) -> datetime:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - timedelta(hours=HOURS + 2 - hour)


def _lines(hour: int) -> list[bytes]:
    return [
        transaction(
            transaction_id=f"t-{hour}-{number}",
            event_timestamp=(_hour(hour) + timedelta(seconds=number)).isoformat(),
            category=("books", "toys")[number % 2],
        )
        for number in range(PER_HOUR)
    ]


def _all_over(here: BatchSite, batches: list[Batch]) -> None:
    def over() -> bool:
        return all(here.record(batch).status.is_over for batch in batches)

    assert wait_until(over, TIMEOUT_S, 0.3), [here.record(batch) for batch in batches]


def _process_of(here: BatchSite, batch: Batch) -> int | None:
    run = here.registry.unfinished_run(batch.batch_id)
    if run is None or PROCESS_TAG not in run.dagster_run.tags:
        return None
    return json.loads(run.dagster_run.tags[PROCESS_TAG])["pid"]
