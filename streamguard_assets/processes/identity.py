"""Which process a pid means: the pid together with the time the process was created, kept in memory or in a file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

CREATE_TIME_TOLERANCE_S = 2.0
"""A create time is derived from the boot time, which shifts by a second when the clock is corrected. The system
hands the same pid out again only after it went through all others, which takes longer than this."""


class PidFileError(ValueError):
    """A pid file holds something else; guessing a pid from it could end a stranger's process."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, told apart from any later process that got the same pid."""

    pid: int
    create_time: float
    """Seconds since 1970-01-01 UTC, as ``psutil.Process.create_time`` gives them."""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The process that has ``pid`` now; ``psutil.NoSuchProcess`` if there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def current(cls) -> ProcessIdentity:
        return cls.of(os.getpid())

    def process(self) -> psutil.Process | None:
        """The running process, or None when it ended, is a zombie, or its pid belongs to another process now."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.create_time) > CREATE_TIME_TOLERANCE_S:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        return self.process() is not None


def write_pid_file(path: Path, identity: ProcessIdentity) -> None:
    """Write ``path`` in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(identity)))
    draft.replace(path)


def read_pid_file(path: Path) -> ProcessIdentity | None:
    """The identity kept in ``path``, whether it is alive or not; None without a file.

    Raises ``PidFileError`` when the file holds something else.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(text)
        return ProcessIdentity(int(fields["pid"]), float(fields["create_time"]))
    except (ValueError, KeyError, TypeError):
        raise PidFileError(f"{path} is not a pid file (found {text[:80]!r}); remove it if nothing runs") from None
