"""``streamguard stream`` as a person and a script use it: what is wanted, how it is, and a stream in a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from streamguard_assets.commands import stream as commands
from streamguard_assets.commands.exit_codes import ExitCode
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.settings import ENV_PREFIX
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, HeartbeatFile, Host
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets_tests.commands.conftest import Answer, Site, events_of
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("stream-command")]

TIMEOUT_S = 90.0
NOBODY = ProcessIdentity(2**22 + 1, 0.0)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "START_TIMEOUT_S", 0.5)
    monkeypatch.setattr(commands, "STOP_TIMEOUT_S", 0.5)


def lake(site: Site) -> LakeLocation:
    return LakeLocation(str(site.state / "lake"))


def wanted(site: Site) -> WantedState:
    return WantedTable(lake(site), "security").current().state


def beat(site: Site, phase: Phase = Phase.RUNNING, process: ProcessIdentity | None = None, age_s: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    snapshot = StreamSnapshot(
        "security", "ada in a terminal", at, at, phase=phase, reason="oh", lag_events=7, events_per_s=2.34, turn_at=at
    )
    host = Host.current("0a1b")
    heartbeat = Heartbeat(snapshot, replace(host, process=process or host.process, restarts=2, last_error="before"))
    HeartbeatFile(lake(site), "security").write(heartbeat)


def told(answer: Answer) -> dict:
    assert answer.status == 0, answer.stderr
    (record,) = answer.document
    return record


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("start", WantedState.RUNNING),
        ("resume", WantedState.RUNNING),
        ("pause", WantedState.PAUSED),
        ("stop", WantedState.STOPPED),
    ],
)
def test_what_is_wanted_is_kept_with_who_and_why(site: Site, command: str, state: WantedState) -> None:
    record = told(site.run("stream", command, "security", "--no-wait", "--reason", "the disk is full", "--json"))
    assert wanted(site) is state
    assert (record["wanted"], record["wanted_reason"], record["phase"]) == (
        state.value,
        "the disk is full",
        "never started",
    )
    assert record["wanted_by"]


def test_a_stream_that_is_not_configured_is_refused_and_nothing_is_kept(site: Site) -> None:
    answer = site.run("stream", "start", "nonsense")
    assert answer.status == ExitCode.SETTINGS
    assert "security" in answer.stderr
    assert not (site.state / "lake").exists()


def test_a_start_that_nobody_can_follow_says_what_is_missing(site: Site) -> None:
    answer = site.run("stream", "start", "security")
    assert answer.status == ExitCode.FAILED
    assert "streamguard up" in answer.stderr
    assert "streamguard stream run security" in answer.stderr
    assert "'never started'" in answer.stderr
    assert wanted(site) is WantedState.RUNNING  # the next daemon follows


def test_stopping_and_pausing_what_does_not_run_is_done_at_once(site: Site) -> None:
    assert told(site.run("stream", "pause", "security", "--json"))["wanted"] == "paused"
    assert told(site.run("stream", "stop", "security", "--json"))["wanted"] == "stopped"


@pytest.mark.parametrize(
    ("phase", "process", "age_s", "shown", "is_live"),
    [
        (Phase.IDLE, None, 0, "idle", True),
        (Phase.STOPPED, None, 900, "stopped", False),
        (Phase.FAILED, None, 900, "failed", False),
        (Phase.RUNNING, NOBODY, 1, "gone", False),
        (Phase.RUNNING, None, 61, "silent", False),
    ],
)
def test_the_status_tells_how_it_is_without_any_daemon(
    site: Site, phase: Phase, process: ProcessIdentity | None, age_s: float, shown: str, is_live: bool
) -> None:
    beat(site, phase, process, age_s)
    record = told(site.run("stream", "status", "security", "--json"))
    assert (record["phase"], record["is_live"], record["lag_events"], record["restarts"]) == (shown, is_live, 7, 2)
    assert record["last_error"] == ("oh" if phase is Phase.FAILED else "before")
    assert record["owner"] == "ada in a terminal"
    assert (record["events_per_s"] > 0) is is_live  # nobody lands anything any more
    text = site.run("stream", "status").stdout
    assert "transactions" in text
    assert shown in text


def test_watching_is_for_people(site: Site) -> None:
    assert site.run("stream", "status", "--watch", "--json").status == ExitCode.USAGE


class TestInATerminal:
    """A real stream in a process of its own, without Dagster."""

    @pytest.fixture
    def terminal(self, site: Site) -> Iterator[subprocess.Popen[str]]:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        site.produce(events_of(hour - timedelta(hours=1), 40))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        process = subprocess.Popen(
            [sys.executable, "-m", "streamguard_assets.cli", "stream", "run", "security"],
            env={**environment, **site.variables, f"{ENV_PREFIX}STREAMING__START": "earliest"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        yield process
        if process.poll() is None:
            process.kill()
        process.communicate()

    @staticmethod
    def landed(site: Site) -> int:
        heartbeat = HeartbeatFile(lake(site), "security").read()
        return 0 if heartbeat is None else heartbeat.snapshot.events

    def begun(self, site: Site, process: subprocess.Popen[str]) -> None:
        assert wait_until(lambda: process.poll() is not None or self.landed(site) == 40, TIMEOUT_S)
        assert process.poll() is None, process.communicate()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_lands_events_until_it_is_interrupted(
        self, site: Site, terminal: subprocess.Popen[str], number: signal.Signals
    ) -> None:
        self.begun(site, terminal)
        assert wanted(site) is WantedState.RUNNING
        second = site.run("stream", "run", "security")
        assert second.status == ExitCode.FAILED
        assert f"process {terminal.pid} on" in second.stderr
        terminal.send_signal(number)
        _, error = terminal.communicate(timeout=TIMEOUT_S)
        assert terminal.returncode == 0, error
        assert "Traceback" not in error
        assert wanted(site) is WantedState.STOPPED
        assert told(site.run("stream", "status", "security", "--json"))["phase"] == "stopped"
        rows = pl.read_delta(str(site.state / "lake" / "security" / "live" / "events"))
        assert rows["event_id"].n_unique() == rows.height == 40

    def test_stopping_it_from_elsewhere_ends_it(
        self, site: Site, terminal: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commands, "STOP_TIMEOUT_S", TIMEOUT_S)
        self.begun(site, terminal)
        assert told(site.run("stream", "pause", "security", "--json"))["phase"] == "paused"
        assert told(site.run("stream", "stop", "security", "--json"))["phase"] == "stopped"
        assert terminal.wait(TIMEOUT_S) == 0
