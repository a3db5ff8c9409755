"""What producers know of their records: one line for each record whose fate they were told.

A record without a line was on its way when the broker died. What became of it only the log can say.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self


class Fate(StrEnum):
    """What the producer was told."""

    COMMITTED = "committed"
    """Acknowledged to the idempotent producer, or part of a committed transaction."""
    ABORTED = "aborted"
    """Part of a transaction that was aborted."""


class JournalWriter:
    """Appends lines, from several threads; each is whole in the file when the call returns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, fate: Fate, records: Sequence[tuple[str, int, int]]) -> None:
        """The records ``(event id, partition, offset)`` have met ``fate``."""
        with self._lock:
            for event_id, partition, offset in records:
                self._file.write(json.dumps([fate, event_id, partition, offset]) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@dataclass
class Journal:
    """What has been noted so far: committed ids with their place ``(partition, offset)``, and aborted ids."""

    path: Path
    committed: dict[str, tuple[int, int]] = field(default_factory=dict)
    aborted: set[str] = field(default_factory=set)
    _read_bytes: int = 0

    def catch_up(self) -> None:
        """Read the lines that are new since the last call."""
        for fate, event_id, partition, offset in self._new_lines():
            if fate == Fate.COMMITTED:
                self.committed[event_id] = (partition, offset)
            else:
                self.aborted.add(event_id)

    def _new_lines(self) -> Iterator[list]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):  # its writer is in the middle of it
                    return
                self._read_bytes += len(line)
                yield json.loads(line)
