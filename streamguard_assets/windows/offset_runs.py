"""Sets of offsets as runs: ``[start, end)`` pairs of int64, ascending, disjoint and not touching.

A window of millions of consecutive offsets is one run, so accounts stay small whatever a window holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
"""Offsets of one partition, shape ``(n,)``."""

Runs = npt.NDArray[np.int64]
"""Runs of offsets of one partition, shape ``(n, 2)``."""

NO_RUNS: Runs = np.empty((0, 2), dtype=np.int64)


def runs_of(offsets: Offsets) -> Runs:
    """The runs of strictly ascending offsets.

    Raises:
        ValueError: two neighbours do not ascend; the text names them.
    """
    if offsets.size == 0:
        return NO_RUNS
    steps = np.diff(offsets)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ValueError(f"offset {offsets[at + 1]} follows offset {offsets[at]}; offsets of a partition must ascend")
    cuts = np.flatnonzero(steps != 1)
    starts = offsets[np.concatenate(([0], cuts + 1))]
    ends = offsets[np.concatenate((cuts, [offsets.size - 1]))] + 1
    return np.column_stack((starts, ends))


def as_runs(pairs: Iterable[Sequence[int]]) -> Runs:
    """Pairs ``(start, end)`` in any order as an array of runs; they are not merged, so that overlaps stay visible."""
    array = np.array([(start, end) for start, end in pairs if end > start], dtype=np.int64).reshape(-1, 2)
    return array[np.argsort(array[:, 0], kind="stable")]


def clip(runs: Runs, start: int, end: int) -> Runs:
    """The parts of ``runs`` inside ``[start, end)``."""
    clipped = np.clip(runs, start, end)
    return clipped[clipped[:, 1] > clipped[:, 0]]


def join(parts: Sequence[Runs]) -> Runs:
    """One set from disjoint parts: sorted, touching runs made one."""
    if not parts:
        return NO_RUNS
    runs = np.concatenate(parts)
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    if len(runs) < 2:
        return runs
    begins = np.concatenate(([True], runs[1:, 0] != runs[:-1, 1]))
    last = np.concatenate((np.flatnonzero(begins)[1:] - 1, [len(runs) - 1]))
    return np.column_stack((runs[begins, 0], runs[last, 1]))


@dataclass(frozen=True)
class Coverage:
    """How often sets of runs cover a range: the parts covered by none, and the parts covered more than once."""

    missing: Runs
    repeated: Runs


def coverage(start: int, end: int, *sets: Runs) -> Coverage:
    """Sweep over the edges of ``sets`` inside ``[start, end)``; what lies outside is not looked at."""
    runs = np.concatenate([clip(part, start, end) for part in (NO_RUNS, *sets)])
    edges = np.concatenate((runs[:, 0], runs[:, 1], [start, end]))
    changes = np.concatenate((np.ones(len(runs)), -np.ones(len(runs)), [0, 0])).astype(np.int64)
    order = np.argsort(edges, kind="stable")
    edges = edges[order]
    depth = np.cumsum(changes[order])[:-1]
    spans = np.column_stack((edges[:-1], edges[1:]))
    solid = spans[:, 1] > spans[:, 0]
    return Coverage(join([spans[solid & (depth == 0)]]), join([spans[solid & (depth > 1)]]))


def size(runs: Runs) -> int:
    """How many offsets ``runs`` hold."""
    return int((runs[:, 1] - runs[:, 0]).sum())


def describe(runs: Runs, most: int = 5) -> str:
    """The first runs in words: ``17, 40-59 and 3 more``; both ends of a run are offsets in it."""
    shown = [str(a) if b - a == 1 else f"{a}-{b - 1}" for a, b in runs[:most].tolist()]
    more = len(runs) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
