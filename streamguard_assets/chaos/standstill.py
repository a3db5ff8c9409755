"""Processes that stand still for a while: alive, silent, and not to be told from dead ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import psutil

FROZEN_S = 3.0
"""How long a broker or a service stands still: several micro-batches long, and shorter than anybody gives up."""
LOOK_EVERY_S = 0.01
"""The system tells only a parent that a process has come to a stand."""


@contextmanager
def standing_still(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """SIGSTOP: the block begins when all of them stand still. SIGCONT when it ends, however it ends.

    One that has ended, before or in the block, is passed over.
    """
    with ExitStack() as stack:
        for process in processes:
            stack.callback(_thaw, process)
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        while any(_moves(process) for process in processes):
            time.sleep(LOOK_EVERY_S)
        yield


def _thaw(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


def _moves(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
