"""Asking the streams of a code server to end before its other runs are ended. Needs no Dagster."""

from __future__ import annotations

import os
import signal

import psutil

from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.processes.marker import processes_marked
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.supervision.heartbeat import HeartbeatFile

LEAVE_S = 10.0
"""A stream on a healthy store leaves within five seconds."""


def end_streams(settings: Settings, marker: str, timeout_s: float = LEAVE_S) -> None:
    """Interrupt the processes that run streams and carry ``marker``, and wait until they have left.

    Nobody has asked Dagster to terminate these runs, so they count as interrupted, and the streams stay wanted. What
    is left after ``timeout_s`` is ended with the rest of its family; streams of others are left alone.
    """
    ours = {process.pid for process in processes_marked(marker)}
    found: list[psutil.Process] = []
    for name in sorted(settings.streams):
        process = _process_of(settings, name)
        if process is not None and process.pid in ours:
            os.kill(process.pid, signal.SIGINT)
            found.append(process)
    psutil.wait_procs(found, timeout=timeout_s)


def _process_of(settings: Settings, name: str) -> psutil.Process | None:
    try:
        heartbeat = HeartbeatFile(lake_location(settings), name).read()
    except (OSError, ValueError):
        return None  # the lake is away: the stream is ended with the rest of its family, which is graceful too
    if heartbeat is None or heartbeat.is_over or not heartbeat.host.is_here:
        return None
    return heartbeat.host.process.process()
