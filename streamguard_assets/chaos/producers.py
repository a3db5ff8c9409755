"""The producers as a process beside the harness; see ``chaos.producing`` for what they write."""

from __future__ import annotations

import os
import subprocess
from types import TracebackType
from typing import Self

from streamguard_assets.chaos.findings import Finding, Promise, PromiseBroken
from streamguard_assets.chaos.room import PARTITIONS, TOPIC, Room

EVENTS_PER_S = 300


class Producers:
    """They write while the ``with`` block lasts, or until ``finish``."""

    def __init__(self, room: Room, seed: int) -> None:
        self._room = room
        self._seed = seed
        self._log = room.logs / "producers.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        room = self._room
        room.logs.mkdir(parents=True, exist_ok=True)
        numbers = {"--partitions": PARTITIONS, "--rate": EVENTS_PER_S, "--seed": self._seed, "--parent": os.getpid()}
        options = [text for name, number in numbers.items() for text in (name, str(number))]
        command = room.python("streamguard_assets.chaos.producing", room.servers, TOPIC, str(room.journal), *options)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def finish(self, patience_s: float) -> None:
        """Ask them to end, and wait until everything they sent has its fate."""
        process = self._process
        assert process is not None, "the producers were entered"
        process.terminate()
        try:
            code = process.wait(patience_s)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            text = f"the producers ended with {code}; they said:\n{self._log.read_text(errors='replace')}"
            raise PromiseBroken([Finding(Promise.KAFKA, text)])
