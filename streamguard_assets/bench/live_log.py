"""A live table seen from outside: when each commit became visible, and which records it brought."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl

LOOK_EVERY_S = 0.005


@dataclass(frozen=True)
class SeenCommit:
    """An entry of the log, and the clock when it was first there. ``files`` are those that bring new rows."""

    seen_at_s: float
    files: tuple[Path, ...]
    rows: int


class LiveLog:
    """Follows the log of the table in ``folder`` by its files alone; the table need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = 0

    def new_commits(self) -> Iterator[SeenCommit]:
        """What has come since the last call."""
        while (entry := self._folder / "_delta_log" / f"{self._next:020d}.json").exists():
            seen_at_s = time.time()
            self._next += 1
            actions = [json.loads(line) for line in entry.read_text().splitlines()]
            added = [action["add"] for action in actions if "add" in action and action["add"]["dataChange"]]
            files = tuple(self._folder / unquote(add["path"]) for add in added)
            yield SeenCommit(seen_at_s, files, sum(json.loads(add["stats"])["numRecords"] for add in added))


def latencies_s(commits: list[SeenCommit]) -> np.ndarray:
    """Per row of ``commits``, from the broker's stamp on its record to the sight of its commit."""
    waits = [
        commit.seen_at_s - pl.read_parquet(file, columns=["kafka_timestamp"])["kafka_timestamp"].dt.epoch("us") / 1e6
        for commit in commits
        for file in commit.files
    ]
    return pl.concat(waits).to_numpy()
