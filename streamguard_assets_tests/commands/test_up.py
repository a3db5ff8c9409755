"""``streamguard up`` and ``down`` as a person, a script and a crash use them: real processes, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from streamguard_assets.commands.exit_codes import ExitCode
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import environment_variable
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(420)]

EVENTS = Path(__file__).parent.parent / "data" / "secrepo_auth.ndjson"
READY_S = 150.0
GONE_S = 60.0
"""Guards give a broker 20 s and a Dagster process 15 s before they kill; a loaded machine needs some more."""

Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The state folder of the test; what still runs on it afterwards is killed, and the test has failed before."""
    folder = tmp_path / "state"
    yield folder
    for process in running_on(folder):
        process.kill()


@pytest.fixture
def streamguard(state: Path, machine: dict[str, str], tmp_path: Path) -> Iterator[Command]:
    """``streamguard("up", "--json")``: the command as a process of its own."""
    started: list[subprocess.Popen[str]] = []
    environment = {
        **os.environ,
        environment_variable("state_dir"): str(state),
        **{environment_variable(f"jvm.{key}"): value for key, value in machine.items()},
    }

    def start(*arguments: str, through_shell: bool = False) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streamguard_assets.cli", *arguments]
        if through_shell:  # a shell without job control ignores SIGINT in what it puts into the background
            command = ["/bin/sh", "-c", '"$@" & echo $! >"$PID_FILE"; wait $!', "sh", *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**environment, "PID_FILE": str(tmp_path / "pid")},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def running_on(state: Path) -> list[psutil.Process]:
    """Every process that has the state folder in its command line or environment, but for this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            texts = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(state) in text for text in texts):
            found.append(process)
    return found


def finished(process: subprocess.Popen[str], timeout_s: float = READY_S + 30) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=timeout_s)
    return process.returncode, out, error


def is_ready(state: Path) -> bool:
    return (state / "up.json").exists()


def described(state: Path) -> list[str]:
    lines = []
    for process in running_on(state):
        try:
            lines.append(" ".join(process.cmdline())[:300])
        except psutil.NoSuchProcess:
            continue
    return lines


def nothing_left(state: Path) -> None:
    assert wait_until(lambda: not running_on(state), GONE_S), described(state)


def instigators(url: str) -> dict[str, str]:
    """Sensors and schedules with their status, as the UI shows them."""
    query = """{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {
        ... on RepositoryLocation {repositories {sensors {name sensorState {status}}
        schedules {name scheduleState {status}}}} ... on PythonError {message}}}}}}"""
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    (entry,) = answer["data"]["workspaceOrError"]["locationEntries"]
    (repository,) = entry["locationOrLoadError"]["repositories"]
    found: dict[str, Any] = {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    return found | {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}


def test_up_detached_runs_everything_and_down_leaves_nothing(streamguard: Command, state: Path) -> None:
    status, out, error = finished(streamguard("up", "--detach", "--json"))
    assert status == 0, error + (state / "logs" / "up.log").read_text()
    told = json.loads(out)
    assert psutil.pid_exists(told["pid"])
    found = instigators(told["dagster_url"])
    assert {name for name, status in found.items() if status != "RUNNING"} == {
        "security_schedule",
        "transactions_schedule",
    }
    sensors = {"security_sensor", "transactions_sensor", "transactions_rollups_sensor", "security_supervisor"}
    assert sensors | {"lake_compact_schedule"} <= set(found)
    assert told["bootstrap_servers"].startswith("127.0.0.1:")

    status, _, error = finished(streamguard("up"))
    assert status == ExitCode.FAILED
    assert f"process {told['pid']} runs" in error
    status, _, error = finished(streamguard("up", "--detach"))
    assert status == ExitCode.FAILED
    assert f"process {told['pid']}" in error

    status, out, error = finished(streamguard("down", "--json"))
    assert (status, json.loads(out)) == (0, {"stopped": True}), error
    nothing_left(state)
    assert not (state / "up.json").exists()
    assert json.loads(finished(streamguard("down", "--json"))[1]) == {"stopped": False}


def test_after_a_kill_nothing_lives_on_not_even_a_run_and_up_starts_again(streamguard: Command, state: Path) -> None:
    status, out, error = finished(streamguard("up", "--detach", "--json"))
    assert status == 0, error
    first = json.loads(out)
    assert finished(streamguard("produce", str(EVENTS), "--stream", "security"))[0] == 0
    # The sensor, which is on, asks for the open window.
    assert wait_until(lambda: any("spawn_main" in line for line in described(state)), READY_S), described(state)
    os.kill(first["pid"], signal.SIGKILL)
    nothing_left(state)

    status, out, error = finished(streamguard("up", "--detach", "--json"))
    assert status == 0, error
    second = json.loads(out)
    assert second["pid"] != first["pid"]
    assert instigators(second["dagster_url"])["security_sensor"] == "RUNNING"
    assert finished(streamguard("down"))[0] == 0
    nothing_left(state)


@pytest.mark.parametrize(
    ("number", "through_shell"),
    [(signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
    ids=["Ctrl-C", "SIGTERM, from a script", "SIGINT, from a script"],
)
def test_up_in_the_foreground_ends_when_asked(
    streamguard: Command, state: Path, tmp_path: Path, number: signal.Signals, through_shell: bool
) -> None:
    process = streamguard("up", "--json", through_shell=through_shell)
    assert wait_until(lambda: is_ready(state) or process.poll() is not None, READY_S)
    assert process.poll() is None, process.communicate()
    pid = int((tmp_path / "pid").read_text()) if through_shell else process.pid
    os.kill(pid, number)
    status, out, error = finished(process, GONE_S)
    assert status == 0, error
    assert json.loads(out)["pid"] == pid
    nothing_left(state)


def test_a_signal_while_it_starts_ends_it_at_once(streamguard: Command, state: Path) -> None:
    process = streamguard("up")
    assert wait_until(lambda: len(running_on(state)) > 1 or process.poll() is not None, READY_S)
    process.send_signal(signal.SIGTERM)
    status, _, error = finished(process, GONE_S)
    assert status != 0
    assert "Traceback" not in error
    nothing_left(state)


def the_process(state: Path, *words: str) -> psutil.Process | None:
    """The one process on ``state`` with all ``words`` in its command line, not its guard; None while there is none."""
    found = []
    for process in running_on(state):
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if all(word in line for word in words) and "--" not in line:
            found.append(process)
    return found[0] if found else None


def test_a_part_that_is_killed_is_started_again_and_its_log_is_named(streamguard: Command, state: Path) -> None:
    process = streamguard("up")
    assert wait_until(lambda: is_ready(state) or process.poll() is not None, READY_S)
    killed = the_process(state, "dagster._daemon")
    assert killed is not None
    killed.kill()

    def is_back() -> bool:
        found = the_process(state, "dagster._daemon")
        return found is not None and found.pid != killed.pid

    assert wait_until(is_back, READY_S), described(state)
    process.send_signal(signal.SIGINT)
    status, _, error = finished(process, GONE_S)
    assert status == 0, error
    assert "daemon ended by itself" in " ".join(error.split())
    assert "daemon.log" in "".join(error.split())
    assert "daemon is started again" in " ".join(error.split())
    nothing_left(state)


def test_a_stream_is_back_by_itself_after_the_code_server_and_its_run_are_killed_at_once(
    streamguard: Command, state: Path
) -> None:
    status, _, error = finished(streamguard("up", "--detach"))
    assert status == 0, error + (state / "logs" / "up.log").read_text()
    assert finished(streamguard("stream", "start", "security", "--no-wait"))[0] == 0
    assert finished(streamguard("produce", str(EVENTS), "--stream", "security"))[0] == 0
    events = len(EVENTS.read_bytes().splitlines())
    assert wait_until(lambda: reached(state) == events, READY_S, 0.2), described(state)
    first = heartbeat_of(state)
    server, loader = the_process(state, "code-server"), the_process(state, "api", "grpc")
    assert server is not None
    assert loader is not None
    for process in (server, loader, psutil.Process(first.host.process.pid)):
        process.kill()

    def is_back() -> bool:
        now = heartbeat_of(state)
        return now.host.run_id != first.host.run_id and now.snapshot.phase in ("running", "idle")

    assert wait_until(is_back, READY_S, 0.2), described(state)
    assert reached(state) == events
    assert finished(streamguard("produce", str(EVENTS), "--stream", "security"))[0] == 0
    assert wait_until(lambda: reached(state) == 2 * events, READY_S, 0.2), heartbeat_of(state)

    assert finished(streamguard("down"))[0] == 0
    nothing_left(state)
    last = heartbeat_of(state)
    assert (last.snapshot.phase, last.snapshot.reason) == ("stopped", "interrupted by SIGINT")
    rows = pl.read_delta(str(state / "lake" / "security" / "live" / "events"))
    assert rows.select("kafka_partition", "kafka_offset").n_unique() == rows.height == 2 * events
    assert WantedTable(LakeLocation(str(state / "lake")), "security").current().state is WantedState.RUNNING


def heartbeat_of(state: Path) -> Heartbeat:
    found = HeartbeatFile(LakeLocation(str(state / "lake")), "security").read()
    assert found is not None
    return found


def reached(state: Path) -> int:
    """How many offsets the stream says that it has committed."""
    found = HeartbeatFile(LakeLocation(str(state / "lake")), "security").read()
    return 0 if found is None else sum(found.snapshot.positions.values())
