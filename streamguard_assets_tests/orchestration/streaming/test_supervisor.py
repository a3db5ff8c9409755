"""The supervising sensor on a real instance: what it does to runs, processes and the wanted state."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from dagster import DagsterRunStatus, RunRequest

from streamguard_assets.orchestration.dead_runs import PROCESS_TAG, process_tag
from streamguard_assets.orchestration.streaming.runs import (
    CODE_TAG,
    ENDED_TAG,
    LAST_ERROR_TAG,
    RESTARTS_TAG,
    STREAMING_OF_TAG,
)
from streamguard_assets.orchestration.streaming.supervisor import Supervisor
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, Host
from streamguard_assets.streaming.supervision.wanted import WantedState
from streamguard_assets_tests.orchestration.streaming.conftest import RigFactory
from streamguard_assets_tests.orchestration.streaming.rig import STREAM, Rig
from streamguard_assets_tests.waiting import wait_until

UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@contextmanager
def a_process() -> Iterator[subprocess.Popen[bytes]]:
    """One that waits until it is ended, and has told that it waits."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def note(here: Rig, run_id: str, process: subprocess.Popen[bytes]) -> None:
    here.instance.add_run_tags(run_id, {PROCESS_TAG: process_tag(ProcessIdentity.of(process.pid), run_id)})


def beat(here: Rig, run_id: str, process: subprocess.Popen[bytes], age_s: float = 0.0) -> None:
    at = here.now() - timedelta(seconds=age_s)
    host = replace(Host.current("0a1b", run_id), process=ProcessIdentity.of(process.pid))
    here.heartbeats.write(Heartbeat(StreamSnapshot(STREAM, run_id, at, at, phase=Phase.RUNNING, turn_at=at), host))


def test_a_wanted_stream_is_launched_with_all_that_its_run_must_know(rig: RigFactory) -> None:
    here = rig()
    assert "nobody" in here.refused()
    here.want(WantedState.RUNNING)
    request = here.asked()
    assert request.tags[STREAMING_OF_TAG] == STREAM
    assert request.tags[CODE_TAG] == code_fingerprint(here.settings, STREAM)
    assert request.tags[RESTARTS_TAG] == "0"
    assert LAST_ERROR_TAG not in request.tags
    # Two daemons that look at the same moment ask under the same key, which Dagster answers once.
    assert here.asked().run_key == request.run_key


@pytest.mark.parametrize("status", UNFINISHED)
def test_two_runs_are_never_there_at_once(rig: RigFactory, status: DagsterRunStatus) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    here.create_run(status)
    assert here.refused()


def test_a_dead_run_is_marked_as_failed_and_followed_by_another_which_knows_why(rig: RigFactory) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    with a_process() as process:
        note(here, run.run_id, process)
        beat(here, run.run_id, process)
        assert "started" in here.refused()
    assert "restart 1 of this hour follows" in here.refused()
    assert here.status_of(run) is DagsterRunStatus.FAILURE
    here.ahead = timedelta(seconds=5)
    request = here.asked()
    assert request.tags[RESTARTS_TAG] == "1"
    assert "its process is gone" in request.tags[LAST_ERROR_TAG]


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_damaged_heartbeat_is_told_and_the_stream_is_started_all_the_same(rig: RigFactory, content: bytes) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    damage(here, content)
    told: list[str] = []
    request = Supervisor(here.instance, here.streams, here.stream, told.append).look_after()
    assert isinstance(request, RunRequest)
    (warning,) = told
    assert here.heartbeats.uri in warning
    assert here.asked()  # the sensor itself does not fail either


def test_a_damaged_heartbeat_does_not_hide_a_run_that_is_silent(rig: RigFactory) -> None:
    here = rig(streaming={"stale_after_s": 30, "restart_backoff_s": 0})
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    damage(here, b"")
    assert "started" in here.refused()
    here.ahead = timedelta(seconds=31)
    assert "no sign of life" in here.asked().tags[LAST_ERROR_TAG]
    assert here.status_of(run) is DagsterRunStatus.FAILURE


def damage(here: Rig, content: bytes) -> None:
    path = Path(here.heartbeats.uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_restarts_are_bounded_until_a_person_starts_it_or_the_hour_is_over(rig: RigFactory) -> None:
    here = rig(streaming={"restarts_per_hour": 2, "restart_backoff_s": 0})
    here.want(WantedState.RUNNING)
    for restart in ("0", "1", "2"):
        assert here.asked().tags[RESTARTS_TAG] == restart
        here.failed_run()
    reason = here.refused()
    assert "the disk is full" in reason
    assert "stream start" in reason
    here.want(WantedState.RUNNING)
    assert here.asked().tags[RESTARTS_TAG] == "0"
    for _ in range(3):
        here.failed_run()
    assert "3 times" in here.refused()
    here.ahead = timedelta(minutes=61)
    assert here.asked().tags[RESTARTS_TAG] == "0"


def test_a_silent_process_is_killed_although_it_sleeps_and_the_stream_goes_on(rig: RigFactory) -> None:
    here = rig(streaming={"stale_after_s": 30, "restart_backoff_s": 0})
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    with a_process() as process:
        note(here, run.run_id, process)
        process.send_signal(signal.SIGSTOP)
        beat(here, run.run_id, process, age_s=29)
        assert here.refused()
        assert psutil.Process(process.pid).is_running()
        beat(here, run.run_id, process, age_s=31)
        request = here.tick()
        assert process.wait(30) == -signal.SIGKILL
    assert here.status_of(run) is DagsterRunStatus.FAILURE
    if isinstance(request, str):  # the killed process was not cleared away yet when the tick looked again
        request = here.asked()
    assert "was last heard" in request.tags[LAST_ERROR_TAG]


def test_a_run_on_older_code_is_ended_gracefully_and_one_on_new_code_follows(rig: RigFactory) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED, {CODE_TAG: "an older one"})
    with a_process() as process:
        note(here, run.run_id, process)
        beat(here, run.run_id, process)
        assert here.refused()
        assert process.wait(30) != -signal.SIGKILL
    asked = here.run_of(run.run_id)
    assert asked.status is DagsterRunStatus.CANCELING
    assert asked.tags[ENDED_TAG] == run.run_id
    here.instance.report_run_canceled(asked)  # what the run itself reports when it has left
    request = here.asked()
    assert here.wanted.state is WantedState.RUNNING
    assert (request.tags[CODE_TAG], request.tags[RESTARTS_TAG]) == (code_fingerprint(here.settings, STREAM), "0")


def test_a_queued_run_is_withdrawn_when_the_stream_is_not_wanted_any_more(rig: RigFactory) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.NOT_STARTED)
    here.want(WantedState.STOPPED)
    assert "wanted stopped" in here.refused()
    assert here.status_of(run) is DagsterRunStatus.CANCELED
    here.want(WantedState.RUNNING)
    assert here.asked()


def test_a_pause_keeps_the_run_and_replaces_none(rig: RigFactory) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    here.want(WantedState.PAUSED)
    assert "started" in here.refused()
    assert here.status_of(run) is DagsterRunStatus.STARTED
    here.instance.report_run_failed(run)
    assert "wanted paused" in here.refused()


def test_a_run_that_a_person_terminates_means_stopped_and_starting_it_again_means_running(rig: RigFactory) -> None:
    here = rig()
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    here.instance.report_run_canceling(run)
    assert here.refused()
    assert (here.wanted.state, here.wanted.by) == (WantedState.STOPPED, "a person in Dagster")
    here.instance.report_run_canceled(run)
    assert "wanted stopped" in here.refused()
    here.want(WantedState.RUNNING)
    assert here.asked().tags[RESTARTS_TAG] == "0"


def test_a_process_that_outlives_its_cancelled_run_is_ended(rig: RigFactory) -> None:
    here = rig()
    run = here.create_run(DagsterRunStatus.STARTED)
    with a_process() as process:
        note(here, run.run_id, process)
        beat(here, run.run_id, process)
        process.send_signal(signal.SIGSTOP)
        here.instance.report_run_canceling(run)
        here.instance.report_run_canceled(run)
        here.want(WantedState.RUNNING)
        assert "still has the stream" in here.refused()
        here.ahead = timedelta(seconds=31)
        here.tick()
        assert process.wait(30) == -signal.SIGKILL
    assert wait_until(lambda: not isinstance(here.tick(), str))


def test_processes_of_other_machines_are_left_to_their_own(rig: RigFactory) -> None:
    here = rig(streaming={"stale_after_s": 30, "restart_backoff_s": 0})
    here.want(WantedState.RUNNING)
    run = here.create_run(DagsterRunStatus.STARTED)
    with a_process() as process:
        tag = json.loads(process_tag(ProcessIdentity.of(process.pid), run.run_id))
        here.instance.add_run_tags(run.run_id, {PROCESS_TAG: json.dumps({**tag, "host": "another"})})
        here.ahead = timedelta(seconds=31)
        assert here.asked()
        assert process.poll() is None
    assert here.status_of(run) is DagsterRunStatus.FAILURE
