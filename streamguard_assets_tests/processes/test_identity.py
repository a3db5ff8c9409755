"""A process is its pid and its create time; a pid alone may be anyone's."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.processes.identity import PidFileError, ProcessIdentity, read_pid_file, write_pid_file


def test_this_process_is_alive() -> None:
    assert ProcessIdentity.current().is_alive()


def test_a_process_with_the_same_pid_but_another_create_time_is_not_meant() -> None:
    here = ProcessIdentity.current()
    predecessor = dataclasses.replace(here, create_time=here.create_time - 60)
    assert predecessor.process() is None


def test_a_shift_of_the_boot_time_by_a_second_does_not_lose_the_process() -> None:
    here = ProcessIdentity.current()
    assert dataclasses.replace(here, create_time=here.create_time + 1).is_alive()


def test_a_zombie_is_over() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity.is_alive()
        assert child.stdin is not None
        child.stdin.close()
        process = identity.process()
        while process is not None:  # it becomes a zombie, since nobody waits for it before the block ends
            process = identity.process()
        assert child.returncode is None


@given(pid=st.integers(1, 2**22), create_time=st.floats(0, 4e9))
def test_a_pid_file_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, pid: int, create_time: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "identity" / "round-trip.pid"
    identity = ProcessIdentity(pid, create_time)
    write_pid_file(path, identity)
    assert read_pid_file(path) == identity


def test_without_a_pid_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_pid_file(tmp_path / "no.pid") is None


@pytest.mark.parametrize("text", ["", "4711", "[]", "{}", '{"pid": "x", "create_time": 1}', '{"pid": 1}'])
def test_a_file_that_is_no_pid_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.pid"
    path.write_text(text)
    with pytest.raises(PidFileError, match=r"other\.pid is not a pid file"):
        read_pid_file(path)
