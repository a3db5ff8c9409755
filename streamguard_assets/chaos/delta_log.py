"""The log of a live table as plain JSON files, for those who wait for commits and those who judge them.

Read without the lake's own readers: a mistake in those must not hide itself from the witness.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATE = "streamguard_live"
"""Where a commit carries the state of a live table."""

Range = tuple[int, int]


@dataclass(frozen=True)
class LoggedBatch:
    """What an append says of itself."""

    ranges: Mapping[int, Range]
    rows: int
    rejected: int
    holes: Mapping[int, tuple[Range, ...]]
    gaps: Mapping[int, tuple[Range, ...]]


@dataclass(frozen=True)
class LoggedCommit:
    """One entry of the log that carries a state. ``added_rows`` are those of the files it adds as new data."""

    version: int
    timestamp_ms: int
    kind: str
    epoch: int
    owner: str
    sequence: int
    topic_id: str
    starts: Mapping[int, int]
    positions: Mapping[int, int]
    removed: Mapping[int, int]
    batch: LoggedBatch | None
    added_rows: int
    details: Mapping[str, Any] = field(default_factory=dict)


class DeltaLog:
    """Follows the log of the table in ``folder``; the table need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = 0

    @property
    def version(self) -> int:
        """The newest version that was read; -1 before the first."""
        return self._next - 1

    def new_commits(self) -> Iterator[LoggedCommit]:
        """The entries since the last call, oldest first; those of other tools are passed over."""
        while (entry := self._entry(self._next)) is not None:
            commit = _commit(self._next, entry)
            self._next += 1
            if commit is not None:
                yield commit

    def _entry(self, version: int) -> list[dict[str, Any]] | None:
        try:
            text = (self.folder / "_delta_log" / f"{version:020d}.json").read_text()
        except FileNotFoundError:
            return None
        return [json.loads(line) for line in text.splitlines() if line]


def _commit(version: int, entry: list[dict[str, Any]]) -> LoggedCommit | None:
    info = next((action["commitInfo"] for action in entry if "commitInfo" in action), {})
    if STATE not in info:
        return None
    state = json.loads(info[STATE])
    added = [action["add"] for action in entry if "add" in action]
    return LoggedCommit(
        version=version,
        timestamp_ms=info.get("timestamp", 0),
        kind=state["kind"],
        epoch=state["epoch"],
        owner=state["owner"],
        sequence=state["sequence"],
        topic_id=state["topic_id"],
        starts=_offsets(state["starts"]),
        positions=_offsets(state["positions"]),
        removed=_offsets(state["removed"]),
        batch=_batch(state["batch"]) if state.get("batch") else None,
        added_rows=sum(json.loads(add["stats"])["numRecords"] for add in added if add["dataChange"]),
        details=state["details"],
    )


def _batch(document: dict[str, Any]) -> LoggedBatch:
    return LoggedBatch(
        ranges={int(p): (low, high) for p, (low, high) in document["ranges"].items()},
        rows=document["rows"],
        rejected=document["rejected"],
        holes=_spans(document["holes"]),
        gaps=_spans(document["gaps"]),
    )


def _offsets(document: dict[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in document.items()}


def _spans(document: dict[str, list[list[int]]]) -> dict[int, tuple[Range, ...]]:
    return {int(partition): tuple((low, high) for low, high in spans) for partition, spans in document.items()}
