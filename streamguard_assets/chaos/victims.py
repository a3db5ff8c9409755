"""The stream as a process that may be killed, frozen or asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from streamguard_assets.chaos.findings import Finding, Promise, PromiseBroken
from streamguard_assets.chaos.orders import LOST, order
from streamguard_assets.chaos.room import STREAM, Room
from streamguard_assets.chaos.rounds import Round

LOG_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True)
class Program:
    """What is run as the stream: a module that takes the arguments of ``chaos.victim``, and more of its own."""

    module: str = "streamguard_assets.chaos.victim"
    arguments: tuple[str, ...] = ()


class Victim:
    """One life of the stream. It ends with this process, however this process ends."""

    def __init__(self, room: Room, program: Program, owner: str, blow: Round | None = None) -> None:
        self.owner = owner
        self._log = room.logs / f"{owner}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        told = order(owner, STREAM) if blow is None else order(owner, STREAM, blow.step, blow.passes)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                room.python(program.module, *program.arguments, *told),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=room.environment(),
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, and not the stream itself."""
        return self._process.poll() == -signal.SIGKILL

    @property
    def has_lost(self) -> bool:
        """Whether it left since another writer has the stream."""
        return self._process.poll() == LOST

    @property
    def has_stopped(self) -> bool:
        """Whether it ended well, as asked."""
        return self._process.poll() == 0

    @property
    def said(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    def ends_within(self, seconds: float) -> bool:
        """Wait so long, or until it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """kill -9; returns when it is dead."""
        self._process.kill()
        self._process.wait()

    def ask_to_end(self) -> None:
        self._process.terminate()

    def freeze(self) -> None:
        """SIGSTOP; returns when it stands still, or has ended before."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def unexpected_end(self, when: str) -> PromiseBroken:
        """What to raise when it ended although nobody touched it."""
        code = self._process.poll()
        text = f"{self.owner} ended with {code} {when}; it said:\n{self.said.strip() or '(nothing)'}"
        return PromiseBroken([Finding(Promise.PROGRESS, text)])


def end_all(victims: Sequence[Victim]) -> None:
    """Leave none behind."""
    for victim in victims:
        if not victim.has_ended:
            victim.kill()
