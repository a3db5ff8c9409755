"""A service that ends by itself is started again, and not for ever."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamguard_assets.orchestration.service import FIRST_WAIT_S, MAX_RESTARTS, RESTARTS_WITHIN_S, Service
from streamguard_assets.processes.owned import OwnedProcess, ProcessError
from streamguard_assets_tests.waiting import wait_until


class Launches:
    """Starts a process that waits, and remembers each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[OwnedProcess] = []

    def __call__(self) -> OwnedProcess:
        command = [sys.executable, "-c", "import threading; threading.Event().wait()"]
        process = OwnedProcess(command, name="daemon", log_file=self.folder / "daemon.log", grace_s=5)
        process.start()
        self.started.append(process)
        return process

    def kill_newest(self) -> None:
        process = self.started[-1]
        running = process.identity.process()
        assert running is not None
        running.send_signal(signal.SIGKILL)
        process.wait(30)


@pytest.fixture
def launches(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    for process in made.started:
        process.stop()


def test_while_it_runs_nothing_is_told_or_started(launches: Launches) -> None:
    service = Service("daemon", launches)
    assert list(service.look_after(0.0)) == []
    assert len(launches.started) == 1


def test_its_end_is_told_with_its_log_and_it_is_started_again_after_a_wait(launches: Launches) -> None:
    service = Service("daemon", launches)
    launches.kill_newest()
    (told,) = service.look_after(100.0)
    assert "daemon ended by itself with code 137" in told
    assert "daemon.log" in told
    assert list(service.look_after(100.0 + FIRST_WAIT_S / 2)) == []
    assert list(service.look_after(100.0 + FIRST_WAIT_S)) == ["daemon is started again"]
    assert launches.started[-1].poll() is None
    assert service.process is launches.started[-1]
    assert len(launches.started) == 2


def test_the_wait_doubles_with_each_end_and_after_too_many_it_is_given_up(launches: Launches) -> None:
    service = Service("daemon", launches)
    now_s = 0.0
    for restart in range(MAX_RESTARTS):
        launches.kill_newest()
        assert len(list(service.look_after(now_s))) == 1
        now_s += FIRST_WAIT_S * 2**restart
        assert list(service.look_after(now_s - 0.01)) == []
        assert len(list(service.look_after(now_s))) == 1
    launches.kill_newest()
    with pytest.raises(ProcessError, match="daemon ended by itself"):
        list(service.look_after(now_s))


def test_ends_of_long_ago_do_not_count(launches: Launches) -> None:
    service = Service("daemon", launches)
    for now_s in (0.0, RESTARTS_WITHIN_S + 1):
        launches.kill_newest()
        (told,) = service.look_after(now_s)
        assert f"in {FIRST_WAIT_S:g} s" in told
        list(service.look_after(now_s + FIRST_WAIT_S))


def test_one_that_is_there_and_broken_is_ended_and_started_again(launches: Launches) -> None:
    broken: list[OwnedProcess] = []
    service = Service("code-server", launches, lambda process: process in broken)
    assert list(service.look_after(0.0)) == []
    broken.append(launches.started[0])
    (told,) = service.look_after(1.0)
    assert "lost a process" in told
    assert list(service.look_after(1.0 + FIRST_WAIT_S)) == ["code-server is started again"]
    assert launches.started[0].poll() is not None
    assert wait_until(lambda: launches.started[0].identity.process() is None)
    assert list(service.look_after(10.0)) == []
