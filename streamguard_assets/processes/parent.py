"""A process that the kernel ends when its parent goes, however the parent went.

Used between fork and exec by the guard, which every child waits for: imports are few.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def death_signal() -> Callable[[], None] | None:
    """A call that has the kernel kill the caller when its parent dies; None on systems without such a request.

    The library is loaded here and not in the call, which may run between fork and exec. The call raises ``OSError``
    when the kernel refuses.
    """
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def request() -> None:
        if library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")

    return request


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when the thread of ``parent_pid`` that made it ends; elsewhere nothing is asked.

    A worker of a process pool waits on a queue that it keeps open itself: when its parent is killed, nothing else
    would ever tell it.
    """
    request = death_signal()
    if request is None:
        return
    request()
    if os.getppid() != parent_pid:  # it went before we asked
        os._exit(1)
