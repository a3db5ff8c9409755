"""A service outlives its starter, and only the process that its pid file means is ever ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from streamguard_assets.processes.detached import start_detached, stop_detached
from streamguard_assets.processes.identity import ProcessIdentity, read_pid_file, write_pid_file
from streamguard_assets.processes.owned import ProcessError
from streamguard_assets_tests.processes.conftest import Program
from streamguard_assets_tests.waiting import wait_until

pytestmark = pytest.mark.fault

Watch = Callable[[int], ProcessIdentity]


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "service.pid"


def _start(pid_file: Path, owner_pid: int | None = None) -> ProcessIdentity:
    return start_detached(
        ["sh", "-c", "sleep 600 & wait"],
        name="service",
        log_file=pid_file.with_suffix(".log"),
        pid_file=pid_file,
        owner_pid=owner_pid,
        grace_s=1,
    )


def test_a_service_survives_its_starter_and_ends_when_it_is_stopped(
    pid_file: Path, program: Program, watched: Watch
) -> None:
    starter = program(
        """
import sys
from pathlib import Path
from streamguard_assets.processes.detached import start_detached

pid_file = Path(sys.argv[1])
start_detached(["sleep", "600"], name="service", log_file=pid_file.with_suffix(".log"), pid_file=pid_file)
""",
        str(pid_file),
    )
    assert starter.wait(30) == 0
    noted = read_pid_file(pid_file)
    assert noted is not None
    service = watched(noted.pid)
    time.sleep(0.2)
    assert service.is_alive()
    assert stop_detached(pid_file, grace_s=5)
    assert not service.is_alive()
    assert not pid_file.exists()
    assert not stop_detached(pid_file, grace_s=5)


def test_a_service_is_no_child_of_its_starter(pid_file: Path, watched: Watch) -> None:
    service = watched(_start(pid_file).pid)
    assert service.pid not in [child.pid for child in psutil.Process().children(recursive=True)]
    stop_detached(pid_file, grace_s=1)


def test_a_second_start_is_refused_while_the_first_runs(pid_file: Path, watched: Watch) -> None:
    service = watched(_start(pid_file).pid)
    with pytest.raises(ProcessError, match=f"service runs already as process {service.pid}"):
        _start(pid_file)
    stop_detached(pid_file, grace_s=1)
    assert watched(_start(pid_file).pid) != service
    stop_detached(pid_file, grace_s=1)


def test_the_whole_tree_of_a_service_ends(pid_file: Path, watched: Watch) -> None:
    process = psutil.Process(_start(pid_file).pid)
    assert wait_until(lambda: len(process.children()) == 1)
    family = [watched(process.pid), watched(process.children()[0].pid)]
    stop_detached(pid_file, grace_s=1)
    assert not any(member.is_alive() for member in family)


def test_a_process_that_got_the_same_pid_later_is_left_alone(pid_file: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        now = ProcessIdentity.of(stranger.pid)
        write_pid_file(pid_file, ProcessIdentity(now.pid, now.create_time - 3600))
        assert not stop_detached(pid_file, grace_s=1)
        assert now.is_alive()
    assert not pid_file.exists()


def test_with_an_owner_it_ends_when_that_process_is_killed(pid_file: Path, program: Program, watched: Watch) -> None:
    owner = program("import time; time.sleep(600)")
    process = psutil.Process(_start(pid_file, owner_pid=owner.pid).pid)
    assert wait_until(lambda: len(process.children()) == 1)
    family = [watched(process.pid), watched(process.children()[0].pid)]
    time.sleep(0.2)
    assert all(member.is_alive() for member in family)
    owner.kill()
    assert wait_until(lambda: not any(member.is_alive() for member in family))


def test_with_an_owner_it_ends_when_its_guard_is_killed(pid_file: Path, program: Program, watched: Watch) -> None:
    owner = program("import time; time.sleep(600)")
    process = psutil.Process(_start(pid_file, owner_pid=owner.pid).pid)
    assert wait_until(lambda: len(process.children()) == 1)
    service, _ = watched(process.pid), watched(process.children()[0].pid)  # the kernel ends the first of them only
    guard = process.parent()
    assert guard is not None
    assert "streamguard_assets.processes.guard" in guard.cmdline()
    guard.kill()
    assert wait_until(lambda: not service.is_alive())


def test_with_an_owner_that_is_gone_it_does_not_stay(pid_file: Path, program: Program) -> None:
    owner = program("pass")
    owner.wait()
    service = _start(pid_file, owner_pid=owner.pid)
    assert wait_until(lambda: not service.is_alive())


def test_a_guard_leaves_when_the_service_was_stopped(pid_file: Path, program: Program, watched: Watch) -> None:
    owner = program("import time; time.sleep(600)")
    parent = psutil.Process(_start(pid_file, owner_pid=owner.pid).pid).parent()
    assert parent is not None
    guard = watched(parent.pid)
    assert stop_detached(pid_file, grace_s=1)
    assert wait_until(lambda: not guard.is_alive())


def test_a_command_that_is_not_there_leaves_no_pid_file(pid_file: Path) -> None:
    with pytest.raises(ProcessError, match="cannot start /no/such/program"):
        start_detached(["/no/such/program"], name="service", log_file=pid_file.with_suffix(".log"), pid_file=pid_file)
    assert not pid_file.exists()
