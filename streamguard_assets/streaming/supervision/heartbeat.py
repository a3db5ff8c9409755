"""The sign of life of a running stream: one small file in the lake that anybody can read without Kafka or Dagster."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.streaming.progress import Phase, StreamSnapshot

Warn = Callable[[str], None]

BEAT_EVERY_S = 2.0
FILE = "_heartbeat.json"
OVER = frozenset({Phase.STOPPED, Phase.FAILED, Phase.LOST})
"""Phases after which the process does nothing more for the stream."""

HUNG_FACTOR = 5.0
"""A loop may need long for one turn (a slow store, a large micro-batch); at so many times the bound for a silent
process it counts as hung."""


def plain(text: str) -> str:
    """``text`` without the colours that delta-rs and Dagster give their errors for a terminal."""
    if "\x1b" not in text:
        return text
    # Imported here: most streams have nothing to tell in colours.
    from rich.text import Text

    return Text.from_ansi(text).plain


@dataclass(frozen=True)
class Host:
    """The process that runs a stream.

    Attributes:
        host: name of its machine.
        process: the process on that machine.
        code: fingerprint of the code and settings that it runs.
        run_id: its Dagster run; None for one that a person runs in a terminal.
        metrics: address of its Prometheus metrics; None while they are not served.
        restarts: how often the stream was restarted within the hour before this process began.
        last_error: why the process before it ended; empty when it did not fail.
    """

    host: str
    process: ProcessIdentity
    code: str
    run_id: str | None = None
    metrics: str | None = None
    restarts: int = 0
    last_error: str = ""

    @classmethod
    def current(cls, code: str, run_id: str | None = None) -> Host:
        """This process."""
        return cls(socket.gethostname(), ProcessIdentity.current(), code, run_id)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, so that its process can be looked at."""
        return self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Whether the process is known to have ended; of one on another machine nobody here knows."""
        return self.is_here and not self.process.is_alive()


@dataclass(frozen=True)
class Heartbeat:
    """What a running stream last told of itself, and who told it; its texts are without colours."""

    snapshot: StreamSnapshot
    host: Host

    def __post_init__(self) -> None:
        # Here, since every text passes through: those of a running stream, and those that an older one left.
        object.__setattr__(self, "snapshot", replace(self.snapshot, reason=plain(self.snapshot.reason)))
        object.__setattr__(self, "host", replace(self.host, last_error=plain(self.host.last_error)))

    @property
    def is_over(self) -> bool:
        """Whether the process has said that it does nothing more."""
        return self.snapshot.phase in OVER

    def age(self, now: datetime) -> timedelta:
        """Time since it was written, by two clocks that may differ."""
        return now - self.snapshot.at

    def is_stale(self, now: datetime, stale_after: timedelta) -> bool:
        """Whether the process has been silent for too long, or its loop has not come round for far too long."""
        turned_at = self.snapshot.turn_at or self.snapshot.started_at
        return self.age(now) > stale_after or now - turned_at > HUNG_FACTOR * stale_after

    def is_live(self, now: datetime, stale_after: timedelta) -> bool:
        """Whether somebody runs the stream, as far as can be told from here."""
        return not (self.is_over or self.is_stale(now, stale_after) or self.host.is_gone())


class HeartbeatFile:
    """The file ``<lake>/<stream>/live/_heartbeat.json``."""

    def __init__(self, location: LakeLocation, stream: str) -> None:
        folder = location.table(stream, "live")
        self.uri = f"{folder}/{FILE}"
        self._store = FileStore(folder, location.storage_options)

    def write(self, heartbeat: Heartbeat) -> None:
        """Replace it in one step. ``OSError`` when the store does not take it."""
        self._store.replace_bytes(msgspec.json.encode(heartbeat), FILE)

    def read(self) -> Heartbeat | None:
        """The newest; None when the stream never ran.

        Raises:
            OSError: the store does not answer.
            ValueError: the file holds something else.
        """
        content = self._store.read_bytes(FILE)
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Heartbeat)
        except ValueError as error:  # msgspec's own are; and broken UTF-8 within a text is one of Python's
            raise ValueError(f"{self.uri} is not a heartbeat: {error}") from error

    def read_sound(self, warn: Warn) -> Heartbeat | None:
        """The newest; a damaged file is none, and ``warn`` is told of it. ``OSError`` when the store does not answer.

        Nothing may depend on a file that one power cut can spoil: whoever runs the stream next writes it anew.
        """
        try:
            return self.read()
        except ValueError as damage:
            warn(f"{damage}; it counts as no sign of life, and the stream's next process writes it anew")
            return None
