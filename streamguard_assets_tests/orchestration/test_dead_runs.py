"""Runs whose process was killed do not keep their windows for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest
from dagster import DagsterRun, DagsterRunStatus

from streamguard_assets.orchestration.dead_runs import PROCESS_TAG, process_tag
from streamguard_assets.orchestration.runs import range_tags
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets_tests.orchestration.conftest import SiteFactory
from streamguard_assets_tests.orchestration.site import STREAM, Site

pytestmark = [pytest.mark.broker]


RUN_ID = str(uuid.uuid4())
"""Each test has an instance of its own."""


def started_run(here: Site, process: str | None) -> DagsterRun:
    tags = {**range_tags(here.windows([0])), **({PROCESS_TAG: process} if process else {})}
    job = here.definitions.resolve_job_def(f"{STREAM}_windows")
    return here.instance.create_run_for_job(
        job, run_id=RUN_ID, tags={"streamguard/stream": STREAM, **tags}, status=DagsterRunStatus.STARTED
    )


def ended_process(run_id: str = RUN_ID) -> str:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tag = process_tag(ProcessIdentity.of(process.pid), run_id)
        process.kill()
    return tag


def status(here: Site, run: DagsterRun) -> DagsterRunStatus:
    found = here.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_the_windows_of_a_killed_run_are_asked_for_again(site: SiteFactory) -> None:
    here = site(1)
    here.produce(0)
    killed = started_run(here, ended_process())
    (request,) = here.tick().run_requests or []
    assert status(here, killed) is DagsterRunStatus.FAILURE
    assert request.tags["dagster/asset_partition_range_start"] == here.window(0)


@pytest.mark.parametrize(
    "case", ["alive", "another host", "not yet at its first asset", "retried, with the tags of the run before"]
)
def test_a_run_that_may_be_alive_keeps_its_windows(site: SiteFactory, case: str) -> None:
    here = site(1)
    here.produce(0)
    process = {
        "alive": process_tag(ProcessIdentity.current(), RUN_ID),
        "another host": json.dumps({**json.loads(ended_process()), "host": "another"}),
        "retried, with the tags of the run before": ended_process(str(uuid.uuid4())),
    }.get(case)
    run = started_run(here, process)
    assert not here.tick().run_requests
    assert status(here, run) is DagsterRunStatus.STARTED


def test_a_run_notes_the_process_that_executes_it(site: SiteFactory) -> None:
    here = site(1)
    here.produce(0)
    outcome = here.run([0])
    run = here.instance.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run.tags[PROCESS_TAG] == process_tag(ProcessIdentity.current(), outcome.run_id)
