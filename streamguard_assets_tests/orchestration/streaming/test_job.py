"""The op that runs a stream: what it obeys, what it tells, and how Dagster shows its end."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterRunStatus
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG
from dagster._grpc.server import DagsterApiServer
from dagster._utils import get_run_crash_explanation

from streamguard_assets.orchestration.dead_runs import PROCESS_TAG, process_tag
from streamguard_assets.orchestration.streaming.runs import (
    CODE_TAG,
    LAST_ERROR_TAG,
    RESTARTS_TAG,
    STREAMING_OF_TAG,
    SUPERVISED_TAG,
    SUPERVISOR,
    error_of,
)
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, Host
from streamguard_assets.streaming.supervision.wanted import WantedState
from streamguard_assets_tests.orchestration.streaming.conftest import RigFactory
from streamguard_assets_tests.orchestration.streaming.rig import STREAM, Engine, Rig

SUPERVISED = {SUPERVISED_TAG: SUPERVISOR, CODE_TAG: "0a1b", RESTARTS_TAG: "2", LAST_ERROR_TAG: "the disk is full"}


def stop(here: Rig) -> None:
    here.want(WantedState.STOPPED)


def test_a_run_that_a_person_launches_makes_the_stream_wanted_until_it_is_stopped(rig: RigFactory) -> None:
    here = rig()
    seen: list[WantedState] = []

    def act(run_id: str) -> None:
        seen.append(here.wanted.state)
        assert run_id in here.wanted.reason
        stop(here)

    result = here.execute(act)
    assert result.success
    assert seen == [WantedState.RUNNING]
    assert here.engine.committed
    run = here.run_of(result.run_id)
    assert run.tags[STREAMING_OF_TAG] == STREAM
    assert run.tags[CODE_TAG] == code_fingerprint(here.settings, STREAM)
    assert run.tags[PROCESS_TAG] == process_tag(ProcessIdentity.current(), run.run_id)


def test_a_run_of_the_supervisor_leaves_when_the_stream_is_not_wanted_any_more(rig: RigFactory) -> None:
    here = rig()
    assert here.execute(tags=SUPERVISED).success
    assert here.wanted.state is WantedState.STOPPED
    heartbeat = here.heartbeats.read()
    assert heartbeat is not None
    assert (heartbeat.host.restarts, heartbeat.host.last_error) == (2, "the disk is full")


def test_a_run_retried_by_a_person_counts_as_launched_by_a_person(rig: RigFactory) -> None:
    here = rig()
    before = here.failed_run(SUPERVISED)
    tags = {**SUPERVISED, "dagster/parent_run_id": before.run_id, "dagster/root_run_id": before.run_id}
    seen: list[WantedState] = []
    here.execute(lambda run_id: (seen.append(here.wanted.state), stop(here)), tags=tags)
    assert seen == [WantedState.RUNNING]


def test_a_failure_is_told_in_its_own_words(rig: RigFactory) -> None:
    here = rig(Engine(RuntimeError("the disk is full")))
    result = here.execute()
    assert here.run_of(result.run_id).status is DagsterRunStatus.FAILURE
    assert error_of(here.instance, result.run_id) == "RuntimeError: the disk is full"


def test_a_failure_is_told_without_the_colours_of_a_terminal(rig: RigFactory) -> None:
    here = rig(Engine(RuntimeError("\x1b[31mthe disk\x1b[0m is full")))
    result = here.execute()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.description == "RuntimeError: the disk is full"
    heartbeat = here.heartbeats.read()
    assert heartbeat is not None
    assert heartbeat.snapshot.reason == "RuntimeError: the disk is full"


def test_what_dagster_says_of_a_failed_run_is_told_without_colours(rig: RigFactory) -> None:
    here = rig()
    run = here.create_run(DagsterRunStatus.STARTED)
    here.instance.report_run_failed(run, "\x1b[1mthe disk\x1b[0m is full")
    assert error_of(here.instance, run.run_id) == "the disk is full"


@pytest.mark.parametrize("exit_code", [-9, 1])
def test_a_process_that_ended_without_a_word_is_told_in_ours_and_not_in_those_of_dagster(
    rig: RigFactory, exit_code: int
) -> None:
    here = rig()
    run = here.create_run(DagsterRunStatus.STARTED)
    # What Dagster's code server does when it finds the process of a run ended.
    crash = get_run_crash_explanation(prefix=f"Run execution process for {run.run_id}", exit_code=exit_code)
    here.instance.report_engine_event(crash, run, cls=DagsterApiServer)
    here.instance.report_run_failed(run)
    assert error_of(here.instance, run.run_id) == "its process was killed or ended without a word"


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_damaged_heartbeat_keeps_no_run_from_beginning(rig: RigFactory, content: bytes) -> None:
    here = rig()
    path = Path(here.heartbeats.uri)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    result = here.execute(lambda run_id: stop(here))
    assert result.success
    assert here.engine.committed
    warnings = [entry for entry in here.instance.all_logs(result.run_id) if entry.level == logging.WARNING]
    assert any(str(path) in entry.message for entry in warnings)


def test_an_interrupt_that_nobody_asked_dagster_for_is_an_interruption_and_not_a_wish(rig: RigFactory) -> None:
    here = rig()
    result = here.execute(lambda run_id: os.kill(os.getpid(), signal.SIGINT))
    run = here.run_of(result.run_id)
    assert here.engine.committed
    assert run.status is DagsterRunStatus.FAILURE
    assert run.tags[RUN_FAILURE_REASON_TAG] == "UNEXPECTED_TERMINATION"
    assert here.wanted.state is WantedState.RUNNING
    assert here.asked().tags[RESTARTS_TAG] == "0"  # at the next start of the services, without a wait


def test_a_run_terminated_in_the_ui_commits_and_is_cancelled_and_the_stream_is_wanted_stopped(rig: RigFactory) -> None:
    here = rig()

    def terminate(run_id: str) -> None:  # what the launcher and the code server do
        here.instance.report_run_canceling(here.run_of(run_id))
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    result = here.execute(terminate)
    assert here.engine.committed
    assert here.run_of(result.run_id).status is DagsterRunStatus.CANCELED
    assert "a person" in here.refused()
    assert here.wanted.state is WantedState.STOPPED
    assert result.run_id in here.wanted.reason


def test_a_second_run_leaves_the_stream_to_the_first_and_names_it(rig: RigFactory) -> None:
    here = rig()
    first = here.create_run(DagsterRunStatus.STARTED)
    result = here.execute()
    assert not result.success
    assert first.run_id in error_of(here.instance, result.run_id)
    assert not here.engine.has_run
    assert here.wanted.state is WantedState.STOPPED


@pytest.mark.parametrize("is_live", [True, False], ids=["runs", "has ended"])
def test_a_stream_in_a_terminal_is_left_alone_while_it_runs(rig: RigFactory, is_live: bool) -> None:
    here = rig()
    now = here.now()
    phase = Phase.RUNNING if is_live else Phase.STOPPED
    terminal = Heartbeat(StreamSnapshot(STREAM, "ada in a terminal", now, now, phase=phase), Host.current("0a1b"))
    here.heartbeats.write(terminal)
    result = here.execute(lambda run_id: stop(here))
    assert result.success is not is_live
    assert ("ada in a terminal" in error_of(here.instance, result.run_id)) is is_live


def test_the_live_tables_are_observed_with_what_the_stream_tells(rig: RigFactory) -> None:
    here = rig(streaming={"observation_interval_s": 60})
    here.execute(lambda run_id: stop(here))
    found = {}
    for name in ("events", "quarantine", "dashboard"):
        records = here.instance.fetch_observations(
            AssetRecordsFilter(AssetKey([STREAM, "live", name])), limit=10
        ).records
        (record,) = records  # a stream that lived shorter than the interval tells once, at its end
        assert record.asset_observation is not None
        found[name] = {key: value.value for key, value in record.asset_observation.metadata.items()}
    assert found["events"]["offsets"] == {"0": 7}
    assert found["events"]["lag_events"] == 3
    assert found["events"]["phase"] == "stopped"
    assert {"lag_s", "events_per_s", "rejected", "owner", "metrics", "code"} <= found["events"].keys()
    assert found["quarantine"] == {"rejected": 0}
    assert {"late_events", "state_rows", "state_bytes"} == found["dashboard"].keys()


def test_a_host_is_described_so_that_another_machine_can_tell(rig: RigFactory) -> None:
    here = rig()
    result = here.execute(lambda run_id: stop(here))
    heartbeat = here.heartbeats.read()
    assert heartbeat is not None
    assert heartbeat.host == replace(
        Host.current(code_fingerprint(here.settings, STREAM), result.run_id), metrics=heartbeat.host.metrics
    )
    assert result.run_id in heartbeat.snapshot.owner
