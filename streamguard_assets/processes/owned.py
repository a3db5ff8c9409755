"""A child process that ends with its owner, whatever ends the owner."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.marker import new_marker
from streamguard_assets.processes.tree import end_marked, end_tree

START_TIMEOUT_S = 30.0
"""The guard is a Python with few imports (0.1 s); this leaves room for a machine that is busy beyond reason."""
STOP_MARGIN_S = 15.0
"""How much longer than its grace period a guard may need before it counts as stuck."""


class ProcessError(Exception):
    """A child could not be started, or does not do what it must; the text names it and its log file."""


class OwnedProcess:
    """``command`` run under a guard (see ``processes.guard``) until ``stop`` or the end of this process.

    The output of guard and child is appended to ``log_file``. Every process of the child's tree carries ``marker``
    in ``SG_OWNER``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self.command = tuple(command)
        self.name = name
        self.log_file = log_file
        self.marker = new_marker()
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._grace_s = grace_s
        self._guard: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None

    def start(self) -> ProcessIdentity:
        """Start the child and return who it is; ``ProcessError`` if the command cannot be run."""
        if self._guard is not None:
            raise ProcessError(f"{self.name} was started already")
        self._guard, self._identity = launch_guard(
            # The pid as well: a process forked from this one would keep the pipe open after this one's end.
            ["--owner-pipe", "--owner-pid", str(os.getpid()), "--grace-s", str(self._grace_s)],
            self.command,
            name=self.name,
            marker=self.marker,
            log_file=self.log_file,
            env=self._env,
            cwd=self._cwd,
            stdin=subprocess.PIPE,
        )
        return self._identity

    @property
    def identity(self) -> ProcessIdentity:
        """The child itself, not its guard; ``ProcessError`` before ``start``."""
        if self._identity is None:
            raise ProcessError(f"{self.name} was not started")
        return self._identity

    @property
    def guard_pid(self) -> int:
        return self._started().pid

    def poll(self) -> int | None:
        """The exit code once the child has ended (128 + signal if a signal ended it), else None."""
        return self._started().poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the child to end by itself; ``subprocess.TimeoutExpired`` if it does not in time."""
        return self._started().wait(timeout_s)

    def stop(self) -> None:
        """End the child and everything below it: SIGTERM, the grace period, SIGKILL. Stopping twice is fine."""
        guard = self._guard
        if guard is None:
            return
        if guard.stdin is not None:
            guard.stdin.close()
        try:
            guard.wait(self._grace_s + STOP_MARGIN_S)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        # A guard that was killed could not do its work; what it left is found by the tree and by the marker.
        if guard.returncode < 0:
            if self._identity is not None and self._identity.is_alive():
                end_tree(self._identity.pid, self._grace_s)
            end_marked(self.marker, self._grace_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._guard is None:
            raise ProcessError(f"{self.name} was not started")
        return self._guard


def launch_guard(
    options: Sequence[str],
    command: Sequence[str],
    *,
    name: str,
    marker: str,
    log_file: Path,
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: int,
) -> tuple[subprocess.Popen[bytes], ProcessIdentity]:
    """Start a guard with ``options`` for ``command``; returns once the guard has told the child's identity."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    read_end, write_end = os.pipe()
    try:
        with log_file.open("ab") as log:
            guard = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "streamguard_assets.processes.guard"),
                    *("--marker", marker, "--status-fd", str(write_end), *options, "--", *command),
                ],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                pass_fds=[write_end],
                # Its own session: Ctrl-C in a terminal reaches the owner alone, who ends its children in order.
                start_new_session=True,
            )
        os.close(write_end)
        write_end = -1
        report = _read_report(read_end)
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if "pid" not in report:
        guard.kill()
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()
        reason = report.get("error", "its guard said nothing")
        raise ProcessError(f"{name} did not start: {reason}; see {log_file}")
    return guard, ProcessIdentity(report["pid"], report["create_time"])


def _read_report(descriptor: int) -> dict:
    """The one line of the guard as a dict; empty when the guard ended or stayed silent."""
    ready, _, _ = select.select([descriptor], [], [], START_TIMEOUT_S)
    line = os.read(descriptor, 65536) if ready else b""
    return json.loads(line) if line.endswith(b"\n") else {}
