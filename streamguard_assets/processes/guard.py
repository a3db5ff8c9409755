"""The small process between an owner and its child: ``python -m streamguard_assets.processes.guard``.

It starts the child, tells the owner its pid, and ends the child's whole tree when the owner is gone, however the
owner went: the owner holds the other end of the guard's standard input, and the system closes it even after
``kill -9``. On Linux the kernel also kills the child when the guard itself is killed.

With ``--detached`` the child is not the starter's: with ``--owner-pid`` the guard leaves the starter's family and
watches that process, without it the child is a service that belongs to nobody.
It is started by ``processes.owned`` and ``processes.detached``; imports are few, since every child waits for them.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import psutil

from streamguard_assets.processes.identity import ProcessIdentity, write_pid_file
from streamguard_assets.processes.marker import marked
from streamguard_assets.processes.parent import death_signal
from streamguard_assets.processes.tree import end_marked, end_tree

_RESET_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_OWNER_CHECK_S = 1.0
"""How often the owner's pid is looked at where neither pipe nor pidfd tells (a forked sibling keeps the pipe open)."""


def main(arguments: list[str] | None = None) -> int:
    """Run one child; returns its exit code (128 + signal if a signal ended it), 0 when it was stopped for the owner."""
    options = _parse(arguments)
    if options.detached and options.owner_pid is not None and os.fork() != 0:
        os._exit(0)  # the starter waits for this one; the guard goes on as a child of init
    wake = _wake_on_signals()
    try:
        child = _start(options)
    except OSError as error:
        _report(options.status_fd, {"error": f"cannot start {options.command[0]}: {error.strerror}"})
        return 127
    try:
        identity = ProcessIdentity.of(child.pid)
        if options.pid_file is not None:
            write_pid_file(options.pid_file, identity)
        _report(options.status_fd, asdict(identity))
        if _is_service(options):
            # Not `return`: the child must be left running, and Popen would warn that it is.
            os._exit(0)
        _watch(child, wake, options)
    finally:
        if child.poll() is None:  # else its pid is free, and may be a stranger's
            end_tree(child.pid, options.grace_s)
        end_marked(options.marker, options.grace_s)
    code = child.returncode
    if code is None:
        return 0
    return code if code >= 0 else 128 - code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guard", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--owner-pid", type=int, default=None, help="end the child when this process is gone")
    parser.add_argument("--owner-pipe", action="store_true", help="end the child when standard input is closed")
    parser.add_argument("--grace-s", type=float, default=10.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--marker", required=True, help="value that the child's processes carry in SG_OWNER")
    parser.add_argument("--pid-file", type=Path, default=None, help="file for the child's pid and create time")
    parser.add_argument("--status-fd", type=int, required=True, help="descriptor that the child's pid is told on")
    parser.add_argument("--detached", action="store_true", help="keep the child out of the starter's family")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def _is_service(options: argparse.Namespace) -> bool:
    return options.detached and options.owner_pid is None


def _wake_on_signals() -> int:
    """A descriptor that becomes readable with each signal, a child's end (SIGCHLD) among them."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in (*_RESET_SIGNALS, signal.SIGCHLD):
        signal.signal(number, _noted)
    return read_end


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Nothing to do here: the wake-up descriptor carries the number to the loop."""


def _start(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    is_service = _is_service(options)
    return subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        env=marked(os.environ, options.marker),
        start_new_session=is_service,
        process_group=None if is_service else 0,
        preexec_fn=_prepare_child(dies_with_parent=not is_service),
    )


def _prepare_child(*, dies_with_parent: bool) -> Callable[[], None]:
    """What the child does between fork and exec. The guard has one thread, so this is safe here."""
    set_death_signal = death_signal() if dies_with_parent else None
    guard_pid = os.getpid()

    def prepare() -> None:
        # Under `command &` a shell ignores SIGINT, an ignored signal stays ignored over exec, and programs that
        # hang their SIGTERM on their SIGINT handler could then not be asked to stop.
        for number in _RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if set_death_signal is not None:
            set_death_signal()
            if os.getppid() != guard_pid:  # the guard was killed before the line above: nobody would send it
                os._exit(1)

    return prepare


def _report(descriptor: int, message: dict[str, object]) -> None:
    """Tell the starter; that it is gone already is no error here, the watching below sees it."""
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        return
    finally:
        os.close(descriptor)


def _watch(child: subprocess.Popen[bytes], wake: int, options: argparse.Namespace) -> None:
    """Return when the child has ended, the owner is gone, or a signal asks the guard to stop."""
    sources = [wake]
    if options.owner_pipe:
        sources.append(sys.stdin.fileno())
    owner: ProcessIdentity | None = None
    if options.owner_pid is not None:
        try:
            owner = ProcessIdentity.of(options.owner_pid)
        except psutil.NoSuchProcess:
            return
        if (descriptor := _pidfd(options.owner_pid)) is not None:
            sources.append(descriptor)
    while child.poll() is None:
        ready, _, _ = select.select(sources, [], [], _OWNER_CHECK_S)
        if wake in ready:
            ready.remove(wake)
            if any(number != signal.SIGCHLD for number in os.read(wake, 1024)):
                return
        if ready or (owner is not None and not owner.is_alive()):
            return


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when ``pid`` ends, where the system has such."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:
        return None
    try:
        return opener(pid)
    except OSError:  # an old kernel, or a sandbox that forbids the call: the check once a second is left
        return None


if __name__ == "__main__":
    sys.exit(main())
