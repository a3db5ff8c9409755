"""Processes that outlive their starter and are found again by their pid file: services, and those of another owner."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamguard_assets.processes.identity import ProcessIdentity, read_pid_file
from streamguard_assets.processes.marker import new_marker
from streamguard_assets.processes.owned import START_TIMEOUT_S, ProcessError, launch_guard
from streamguard_assets.processes.tree import end_tree


def start_detached(
    command: Sequence[str],
    *,
    name: str,
    log_file: Path,
    pid_file: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    marker: str | None = None,
    owner_pid: int | None = None,
    grace_s: float = 10.0,
) -> ProcessIdentity:
    """Start ``command``, output appended to ``log_file``, identity written to ``pid_file``; it is no child of ours.

    Without ``owner_pid`` it runs until ``stop_detached``. With it, its tree is ended when that process is gone
    (SIGTERM, ``grace_s``, SIGKILL). ``marker``: the value that its tree carries in ``SG_OWNER`` (a new one when
    absent). ``ProcessError`` if the command cannot be run, or if the process named by ``pid_file`` is alive.
    """
    running = read_pid_file(pid_file)
    if running is not None and running.is_alive():
        raise ProcessError(f"{name} runs already as process {running.pid} (pid file {pid_file})")
    owner = [] if owner_pid is None else ["--owner-pid", str(owner_pid), "--grace-s", str(grace_s)]
    launcher, identity = launch_guard(
        ["--detached", "--pid-file", str(pid_file), *owner],
        command,
        name=name,
        marker=marker or new_marker(),
        log_file=log_file,
        env=os.environ if env is None else env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )
    launcher.wait(START_TIMEOUT_S)
    return identity


def stop_detached(pid_file: Path, grace_s: float = 10.0) -> bool:
    """End the process of ``pid_file``; False if it was not running. The file is removed.

    The process is asked first and ends its own children; what is left of its tree is ended after it.
    """
    identity = read_pid_file(pid_file)
    alive = identity is not None and identity.is_alive()
    if identity is not None and alive:
        end_tree(identity.pid, grace_s, root_first=grace_s > 0)
    pid_file.unlink(missing_ok=True)
    return alive
