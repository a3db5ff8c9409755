"""Processes are found by their owner's marker, wherever they stand in the tree of processes."""

from __future__ import annotations

import os
import subprocess
import sys

from streamguard_assets.processes.marker import OWNER_VARIABLE, marked, new_marker, processes_marked
from streamguard_assets.settings import ENV_PREFIX


def test_the_variable_is_none_that_the_settings_would_refuse() -> None:
    assert not OWNER_VARIABLE.startswith(ENV_PREFIX)


def test_a_process_is_found_by_its_marker_and_by_no_other() -> None:
    marker = new_marker()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=marked(os.environ, marker)
    ) as child:
        assert [process.pid for process in processes_marked(marker)] == [child.pid]
        assert processes_marked(new_marker()) == []
        assert processes_marked(marker[:8]) == []


def test_an_outer_owner_still_finds_what_an_inner_owner_marked() -> None:
    outer, inner = new_marker(), new_marker()
    environment = marked(marked(os.environ, outer), inner)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment) as child:
        assert [process.pid for process in processes_marked(outer)] == [child.pid]
        assert [process.pid for process in processes_marked(inner)] == [child.pid]
