"""A child ends with its owner: asked to, or because the owner, or the guard between them, was killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.marker import OWNER_VARIABLE
from streamguard_assets.processes.owned import OwnedProcess, ProcessError
from streamguard_assets_tests.processes.conftest import Program
from streamguard_assets_tests.waiting import wait_until

pytestmark = pytest.mark.fault

Watch = Callable[[int], ProcessIdentity]

OWNER = """
import os, sys, time
from pathlib import Path
from streamguard_assets.processes.owned import OwnedProcess

child = OwnedProcess(["sh", "-c", "sleep 600 & wait"], name="child", log_file=Path(sys.argv[1]), grace_s=1)
identity = child.start()
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(600)  # holds a copy of the owner's end of the pipe
print(identity.pid, child.guard_pid, flush=True)
time.sleep(600)
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("on", flush=True)
time.sleep(600)
"""

SIGNALS_OF_CHILD = """
import signal
ignored = [n.name for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) == signal.SIG_IGN]
print(ignored, signal.pthread_sigmask(0, []))
"""

IGNORING_OWNER = """
import signal, sys
from pathlib import Path
from streamguard_assets.processes.owned import OwnedProcess

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
with OwnedProcess([sys.executable, "-c", sys.argv[2]], name="child", log_file=Path(sys.argv[1])) as child:
    child.wait(20)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


def _python(code: str, log: Path, grace_s: float = 10) -> OwnedProcess:
    return OwnedProcess([sys.executable, "-c", code], name="child", log_file=log, grace_s=grace_s)


def _family(pid: int, watched: Watch, size: int) -> list[ProcessIdentity]:
    process = psutil.Process(pid)
    assert wait_until(lambda: len(process.children(recursive=True)) == size - 1)
    return [watched(member.pid) for member in (process, *process.children(recursive=True))]


def test_the_child_runs_until_it_is_stopped_with_all_below_it(log: Path, watched: Watch) -> None:
    child = OwnedProcess(["sh", "-c", "sleep 600 & wait"], name="child", log_file=log)
    with child:
        family = _family(child.identity.pid, watched, size=2)
        assert child.poll() is None
    assert not any(member.is_alive() for member in family)
    child.stop()


@pytest.mark.parametrize("others", ["alone", "fork"])
def test_the_child_ends_when_its_owner_is_killed(log: Path, program: Program, watched: Watch, others: str) -> None:
    owner = program(OWNER, str(log), others)
    assert owner.stdout is not None
    child_pid, guard_pid = map(int, owner.stdout.readline().split())
    family = [*_family(child_pid, watched, size=2), watched(guard_pid)]
    strangers = [watched(p.pid) for p in psutil.Process(owner.pid).children() if p.pid != guard_pid]
    assert len(strangers) == (others == "fork")
    owner.kill()
    assert wait_until(lambda: not any(member.is_alive() for member in family))


def test_the_child_ends_when_its_guard_is_killed(log: Path, watched: Watch) -> None:
    child = OwnedProcess(["sleep", "600"], name="child", log_file=log)
    identity = watched(child.start().pid)
    os.kill(child.guard_pid, signal.SIGKILL)
    assert wait_until(lambda: not identity.is_alive())
    assert child.wait() == -signal.SIGKILL
    child.stop()


def test_what_a_killed_guard_left_behind_is_ended_by_stop(log: Path, watched: Watch) -> None:
    child = OwnedProcess(["sh", "-c", "sleep 600 & wait"], name="child", log_file=log, grace_s=1)
    family = _family(child.start().pid, watched, size=2)
    os.kill(child.guard_pid, signal.SIGKILL)
    child.stop()
    assert not any(member.is_alive() for member in family)


def test_a_stray_that_left_the_tree_is_ended_too(log: Path, watched: Watch) -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
    with _python(code, log, grace_s=1):
        assert wait_until(lambda: log.read_text().endswith("\n"))
        stray = watched(int(log.read_text()))
        assert psutil.Process(stray.pid).parent() != psutil.Process()
    assert not stray.is_alive()


def test_a_child_that_ignores_the_request_is_killed(log: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    with _python(code, log, grace_s=0.3) as child:
        assert wait_until(lambda: log.read_text() == "on\n")
    assert not child.identity.is_alive()


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 128 + 9), ("pass", 0)]
)
def test_the_exit_code_of_a_child_that_ends_by_itself_is_told(log: Path, code: str, expected: int) -> None:
    with _python(code, log) as child:
        assert child.wait(20) == expected
        assert child.poll() == expected


def test_output_of_all_starts_is_kept_in_the_log(log: Path) -> None:
    for word in ("first", "second"):
        with _python(f"import sys; print('{word}', file=sys.stderr)", log) as child:
            child.wait(20)
    assert log.read_text() == "first\nsecond\n"


def test_a_command_that_is_not_there_is_named(log: Path) -> None:
    child = OwnedProcess(["/no/such/program"], name="the program", log_file=log)
    with pytest.raises(ProcessError, match=r"the program did not start: cannot start /no/such/program: No such file"):
        child.start()


def test_signals_that_the_owner_ignores_are_default_in_the_child(log: Path, program: Program) -> None:
    owner = program(IGNORING_OWNER, str(log), SIGNALS_OF_CHILD)
    assert owner.wait(30) == 0
    assert log.read_text() == "[] set()\n"


def test_the_child_carries_the_marker_and_its_guard_does_not(log: Path) -> None:
    with OwnedProcess(["sleep", "600"], name="child", log_file=log) as child:
        assert child.marker in psutil.Process(child.identity.pid).environ()[OWNER_VARIABLE]
        assert child.marker not in psutil.Process(child.guard_pid).environ().get(OWNER_VARIABLE, "")


def test_environment_and_folder_are_those_that_were_given(log: Path, tmp_path: Path) -> None:
    code = "import os; print(os.environ['WORD'], 'HOME' in os.environ, os.getcwd())"
    child = OwnedProcess([sys.executable, "-c", code], name="child", log_file=log, env={"WORD": "given"}, cwd=tmp_path)
    with child:
        child.wait(20)
    assert log.read_text() == f"given False {tmp_path}\n"


def test_nothing_is_known_before_the_start_and_a_second_start_is_refused(log: Path) -> None:
    child = OwnedProcess(["sleep", "600"], name="child", log_file=log)
    child.stop()
    for ask in (child.poll, child.wait, lambda: child.identity):
        with pytest.raises(ProcessError, match="child was not started"):
            ask()
    with child, pytest.raises(ProcessError, match="child was started already"):
        child.start()
