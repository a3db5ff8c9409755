"""A tree of processes ends as a whole: politely where it listens, by force where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import pytest

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.tree import end_tree
from streamguard_assets_tests.processes.conftest import Program

pytestmark = pytest.mark.fault

FAMILY = """
import subprocess, sys, time
child = "import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
p = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, start_new_session=True)
print(p.pid, p.stdout.readline().strip(), flush=True)
time.sleep(600)
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""

ORDERLY = """
import signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])

def stop(number, frame):
    time.sleep(0.3)
    print("child was", "alive" if child.poll() is None else "gone", flush=True)
    child.kill()
    child.wait()
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
print(child.pid, flush=True)
time.sleep(600)
"""


def _line(process: object) -> str:
    stdout = getattr(process, "stdout", None)
    assert stdout is not None
    return stdout.readline().strip()


def test_descendants_in_other_sessions_end_with_the_root(
    program: Program, watched: Callable[[int], ProcessIdentity]
) -> None:
    root = program(FAMILY)
    family = [watched(root.pid), *(watched(int(pid)) for pid in _line(root).split())]
    end_tree(root.pid, grace_s=5)
    assert not any(member.is_alive() for member in family)


def test_who_ignores_the_request_is_killed_after_the_grace_period(program: Program) -> None:
    root = program(STUBBORN)
    _line(root)
    before = time.monotonic()
    end_tree(root.pid, grace_s=0.5)
    assert 0.5 <= time.monotonic() - before < 5
    assert not psutil.pid_exists(root.pid) or not ProcessIdentity.of(root.pid).is_alive()


def test_without_grace_nobody_is_asked(program: Program) -> None:
    root = program(STUBBORN)
    _line(root)
    before = time.monotonic()
    end_tree(root.pid, grace_s=0)
    assert time.monotonic() - before < 2


def test_the_root_may_end_its_children_in_its_own_order(
    program: Program, watched: Callable[[int], ProcessIdentity]
) -> None:
    root = program(ORDERLY)
    child = watched(int(_line(root)))
    end_tree(root.pid, grace_s=5, root_first=True)
    assert _line(root) == "child was alive"
    assert not child.is_alive()


def test_what_a_root_leaves_behind_is_ended_after_it(
    program: Program, watched: Callable[[int], ProcessIdentity]
) -> None:
    root = program(FAMILY)  # its default answer to SIGTERM is to die and leave its children to init
    children = [watched(int(pid)) for pid in _line(root).split()]
    end_tree(root.pid, grace_s=5, root_first=True)
    assert not any(child.is_alive() for child in children)


def test_a_pid_that_is_gone_is_fine(program: Program) -> None:
    over = program("pass")
    over.wait()
    end_tree(over.pid, grace_s=1)
