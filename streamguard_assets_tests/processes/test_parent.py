"""A process that asked for it goes with its parent, however the parent went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.parent import death_signal, die_with_parent
from streamguard_assets_tests.waiting import wait_until

pytestmark = pytest.mark.fault

CHILD = """
import os, sys, time
from streamguard_assets.processes.parent import die_with_parent
die_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""

PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], str(os.getpid())])
"""


def test_it_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout as output:
        child = ProcessIdentity.of(int(output.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        assert wait_until(lambda: not child.is_alive())


def test_it_ends_at_once_when_its_parent_was_gone_before_it_asked() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(20)
    orphan = subprocess.run([sys.executable, "-c", CHILD, str(gone.pid)], capture_output=True, text=True, timeout=30)
    assert (orphan.returncode, orphan.stdout) == (1, "")


def test_there_is_no_such_request_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert death_signal() is None
    die_with_parent(os.getpid() + 1)  # neither asks nor exits
