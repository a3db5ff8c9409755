"""Python programs run as processes of their own, ended after each test whatever it did."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.tree import end_processes

Program = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def program() -> Iterator[Program]:
    """``program("print(1)", "argument")``: starts Python code as a process whose output can be read as text."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def watched() -> Iterator[Callable[[int], ProcessIdentity]]:
    """``watched(pid)``: the identity of a process that this test must not leave behind."""
    identities: list[ProcessIdentity] = []

    def watch(pid: int) -> ProcessIdentity:
        identities.append(ProcessIdentity.of(pid))
        return identities[-1]

    yield watch
    left: list[psutil.Process] = [process for identity in identities if (process := identity.process()) is not None]
    end_processes(left, grace_s=0)
