"""Ending a process with everything below it: ask (SIGTERM), wait a bounded time, then kill."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

from streamguard_assets.processes.marker import processes_marked

KILL_WAIT_S = 5.0
"""A killed process is gone in milliseconds, unless the kernel holds it in a disk wait."""
_WAIT_TURN_S = 0.05


class ProcessesRemainError(Exception):
    """Processes are still there after SIGKILL; the text names them."""


def end_tree(pid: int, grace_s: float, *, root_first: bool = False) -> None:
    """End ``pid`` and all its descendants, asked all at once.

    ``root_first``: only ``pid`` is asked, so that it can end its own children in its own order; what is left of
    the tree when it has ended, or after ``grace_s``, is ended then.

    The descendants are collected before the first signal: once a parent is gone, its children belong to init
    and nothing links them to it. Those that appear during ``grace_s`` are collected before the kill.

    Raises ``ProcessesRemainError`` when one survives SIGKILL; a pid that is already gone is fine.
    """
    try:
        root = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    family = _with_descendants([root])
    if root_first:
        _terminate(root)
        _wait_until_over([root], grace_s)
    end_processes(family, grace_s)


def end_marked(marker: str, grace_s: float) -> None:
    """End every process that carries ``marker`` (see ``processes.marker``), with its descendants."""
    if strays := processes_marked(marker):
        end_processes(strays, grace_s)


def end_processes(roots: Iterable[psutil.Process], grace_s: float) -> None:
    """End ``roots`` and their descendants, all within one grace period; see ``end_tree``."""
    family = _with_descendants(roots)
    if grace_s > 0:
        for process in family:
            _terminate(process)
        _wait_until_over(family, grace_s)
    family = [process for process in _with_descendants(family) if _is_running(process)]
    for process in family:
        _kill(process)
    if remaining := _wait_until_over(family, KILL_WAIT_S):
        names = ", ".join(str(process.pid) for process in remaining)
        raise ProcessesRemainError(f"processes {names} are still there {KILL_WAIT_S:g} s after SIGKILL")


def _with_descendants(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The roots and everything below them, parents first, each once."""
    family: dict[psutil.Process, None] = {}
    for root in roots:
        family[root] = None
        try:
            family.update(dict.fromkeys(root.children(recursive=True)))
        except psutil.NoSuchProcess:
            continue
    return list(family)


def _wait_until_over(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until each has ended; returns those that have not.

    ``wait_procs`` alone waits for zombies too, and an init that clears them away late (a container's often does)
    would cost the whole timeout each time. So it is asked in short turns, and zombies are taken out between them.
    """
    deadline = time.monotonic() + timeout_s
    running = [process for process in processes if _is_running(process)]
    while running and (left_s := deadline - time.monotonic()) > 0:
        _, running = psutil.wait_procs(running, timeout=min(_WAIT_TURN_S, left_s))
        running = [process for process in running if _is_running(process)]
    return running


def _is_running(process: psutil.Process) -> bool:
    """False for zombies too: they are over, and only their parent can clear them away."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _terminate(process: psutil.Process) -> None:
    try:
        process.terminate()
    except psutil.NoSuchProcess:
        return


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
