"""A stream in a process of its own, for faults that the system deals to a whole process."""

from __future__ import annotations

import ctypes
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from streamguard_assets.settings import Settings
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.engine import run_stream
from streamguard_assets.streaming.progress import Progress, StreamSnapshot
from streamguard_assets_tests.streaming.embedded.running import TIMEOUT_S, utc_now
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.rig import opened


def stream_beside(settings: Settings, channel: Connection) -> None:
    """Run the stream until something comes over ``channel``, and tell over it what the stream tells of itself."""
    _obey_permissions()
    stream, control = opened(settings), Control()
    progress = Progress(stream.name, "beside", utc_now)
    thread = threading.Thread(
        target=run_stream, args=(stream, "beside", control, progress), kwargs={"now": utc_now}, daemon=True
    )
    thread.start()
    while not channel.poll(0.05):
        channel.send(progress.snapshot().to_json())
    channel.recv()
    control.stop("the test is over")
    thread.join(TIMEOUT_S)
    channel.send(progress.snapshot().to_json())


def _obey_permissions() -> None:
    """Let modes of files bind this process though it be root's: Linux lets root pass by a capability, given up here.

    Before any thread starts: capabilities are a thread's, and later ones inherit them.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice, for the high numbers
    if library.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for each in range(2):
        sets[each] &= ~(_CAP_DAC_OVERRIDE | _CAP_DAC_READ_SEARCH)
    if library.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2


class Beside:
    """The test's end of ``stream_beside``."""

    def __init__(self, process: SpawnProcess, channel: Connection) -> None:
        self.process = process
        self._channel = channel
        self.seen: StreamSnapshot | None = None

    def knows(self, *phases: str, positions: dict[int, int] | None = None) -> bool:
        """Whether the stream has come to one of ``phases`` (none: any) and to ``positions``, within the time."""

        def so() -> bool:
            seen = self._newest()
            if seen is None or (phases and seen.phase not in phases):
                return False
            return all(seen.positions.get(p, -1) >= offset for p, offset in (positions or {}).items())

        return wait_until(so, TIMEOUT_S)

    def stop(self) -> StreamSnapshot:
        """Ask it to stop; the last thing that it tells."""
        self._channel.send("stop")
        self.process.join(TIMEOUT_S)
        assert self.process.exitcode == 0, "the process of the stream does not end"
        seen = self._newest()
        assert seen is not None
        return seen

    def _newest(self) -> StreamSnapshot | None:
        while self._channel.poll():
            try:
                self.seen = StreamSnapshot.from_json(self._channel.recv())
            except EOFError:  # it has ended, and everything is read
                break
        return self.seen
