"""A process that the kernel ends when its parent goes, however the parent went."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when the thread of ``parent_pid`` that made it ends; elsewhere nothing is asked.

    A worker of a process pool waits on a queue that it keeps open itself: when its parent is killed, nothing else
    would ever tell it.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it went before we asked
        os._exit(1)
