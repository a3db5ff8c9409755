"""The proof that a window lost nothing, doubled nothing and holds nothing of another: by offsets.

Two looks at the same law. Before the commit, an ``OffsetAccount`` follows the chunks of a read and is verified
against the reader's receipt; a violation raises and nothing is materialized. Afterwards ``table_violations``
recomputes it from the rows that the tables hold.

The law, per partition: delivered = accepted ∪ rejected, disjoint, each once; and delivered offsets, the holes that the
reader saw and acknowledged gaps tile the range from its start to its end, without overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.windows.offset_runs import (
    NO_RUNS,
    Offsets,
    Runs,
    as_runs,
    clip,
    coverage,
    describe,
    join,
    runs_of,
    size,
)

OffsetsByPartition = Mapping[int, Offsets]
GapsByPartition = Mapping[int, Sequence[tuple[int, int]]]
"""Acknowledged gaps, ``[start, end)``; they may reach beyond the window."""

ViolationKind = Literal["missing", "doubled", "both", "foreign", "overlap", "receipt"]


@dataclass(frozen=True)
class Violation:
    """One breach of the law in one partition.

    ``kind``: *missing* offsets are neither row nor hole nor gap; *doubled* ones are two rows of one table; *both*
    are rows of ``events`` and of ``quarantine``; *foreign* ones lie outside the window's range (a row of another
    window); *overlap*: a row, a hole and a gap claim the same offset; *receipt*: the receipt does not fit the range
    or the count of rows. ``offsets`` are runs ``[start, end)``.
    """

    kind: ViolationKind
    topic: str
    partition: int
    offsets: tuple[tuple[int, int], ...]
    detail: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}: {self.detail}"


class ConservationError(Exception):
    """A window would lose, double or misplace offsets; nothing of it may be committed."""

    def __init__(self, window: str, violations: Sequence[Violation]) -> None:
        self.window = window
        self.violations = tuple(violations)
        told = "; ".join(map(str, self.violations))
        super().__init__(
            f"window {window} does not conserve its offsets and was not committed: {told}. "
            "Materialize it again; if this comes back, the reader or the parser is at fault."
        )

    def __reduce__(self) -> tuple[type[ConservationError], tuple[str, tuple[Violation, ...]]]:
        # Raised in a worker process it must arrive as what it is: the default would rebuild it from its text.
        return type(self), (self.window, self.violations)


class OffsetAccount:
    """Follows the offsets of one window through a read, chunk by chunk, in a few bytes per run of offsets.

    Each worker process keeps its own and ``merge`` puts them together. Chunks of a partition may come in any order.
    """

    def __init__(self, topic: str, window: str) -> None:
        self.topic = topic
        self.window = window
        self._runs: dict[int, list[Runs]] = {}
        self._rejected: dict[int, int] = {}

    def add(self, partition: int, delivered: Offsets, accepted: Offsets, rejected: Offsets) -> None:
        """Account for one chunk of one partition; all three are ascending.

        Raises:
            ConservationError: delivered offsets do not ascend, or are not exactly accepted ∪ rejected.
        """
        if accepted.size + rejected.size != delivered.size or not _is_union(delivered, accepted, rejected):
            raise ConservationError(self.window, self._verdict_violations(partition, delivered, accepted, rejected))
        try:
            runs = runs_of(delivered)
        except ValueError as error:
            ordered = Violation("doubled", self.topic, partition, (), f"the reader did not keep order: {error}")
            raise ConservationError(self.window, [ordered]) from None
        self._keep(partition, runs)
        self._rejected[partition] = self._rejected.get(partition, 0) + rejected.size

    def merge(self, other: OffsetAccount) -> None:
        """Add what another process accounted for the same window; offsets that both had are found by ``verify``."""
        if (other.topic, other.window) != (self.topic, self.window):
            raise ValueError(
                f"account of {other.topic} {other.window} cannot be merged into that of {self.topic} {self.window}"
            )
        for partition, parts in other._runs.items():
            for runs in parts:
                self._keep(partition, runs)
            self._rejected[partition] = self._rejected.get(partition, 0) + other._rejected.get(partition, 0)

    def delivered(self, partition: int) -> int:
        """How many offsets of a partition were accounted for."""
        return sum(size(runs) for runs in self._runs.get(partition, []))

    def rejected(self, partition: int) -> int:
        return self._rejected.get(partition, 0)

    def verify(self, offset_range: OffsetRange, receipt: ReadReceipt, gaps: GapsByPartition | None = None) -> None:
        """Prove the law for the window.

        Args:
            offset_range: the window's range.
            receipt: what the reader was given for exactly that range.
            gaps: acknowledged gaps of the topic.

        Raises:
            ConservationError: with every violation.
        """
        found = _receipt_violations(offset_range, receipt)
        for partition in sorted({*offset_range.partitions, *self._runs}):
            rows = self._runs.get(partition, [NO_RUNS])
            found += _Partition.of(offset_range, receipt, gaps or {}, partition).violations(*rows)
        if found:
            raise ConservationError(self.window, found)

    def _keep(self, partition: int, runs: Runs) -> None:
        parts = self._runs.setdefault(partition, [])
        if parts and len(parts[-1]) and len(runs) and parts[-1][-1, 1] == runs[0, 0]:
            # Chunks follow each other nearly always: the run goes on, and the account does not grow.
            parts[-1][-1, 1] = runs[0, 1]
            runs = runs[1:]
        if len(runs):
            parts.append(runs.copy())

    def _verdict_violations(
        self, partition: int, delivered: Offsets, accepted: Offsets, rejected: Offsets
    ) -> list[Violation]:
        # Something is wrong already, perhaps the order itself.
        delivered, accepted, rejected = np.sort(delivered), np.sort(accepted), np.sort(rejected)
        twice = _shared(accepted, rejected)
        verdicts = np.concatenate((accepted, rejected))
        found = [
            self._violation("doubled", partition, _repeated(accepted), "accepted twice"),
            self._violation("doubled", partition, _repeated(rejected), "rejected twice"),
            self._violation("doubled", partition, _repeated(delivered), "delivered twice"),
            self._violation("both", partition, twice, "accepted and rejected"),
            self._violation("missing", partition, np.setdiff1d(delivered, verdicts), "without a verdict"),
            self._violation("foreign", partition, np.setdiff1d(verdicts, delivered), "judged but never delivered"),
        ]
        told = [violation for violation in found if violation.offsets]
        return told or [Violation("receipt", self.topic, partition, (), "the offsets of a chunk are not ascending")]

    def _violation(self, kind: ViolationKind, partition: int, offsets: Offsets, what: str) -> Violation:
        return _violation(kind, self.topic, partition, runs_of(offsets), what)


def verify_conservation(
    window: str,
    offset_range: OffsetRange,
    receipt: ReadReceipt,
    accepted: OffsetsByPartition,
    rejected: OffsetsByPartition,
    gaps: GapsByPartition | None = None,
) -> None:
    """Prove the law for a window whose verdicts are at hand as a whole, in any order.

    Raises:
        ConservationError: with every violation.
    """
    if found := _violations(offset_range, receipt, accepted, rejected, gaps or {}):
        raise ConservationError(window, found)


def table_violations(
    events: pl.DataFrame,
    quarantine: pl.DataFrame,
    offset_range: OffsetRange,
    receipt: ReadReceipt,
    gaps: GapsByPartition | None = None,
) -> list[Violation]:
    """Recompute the proof from what the tables hold for one window; an empty list is the proof.

    Args:
        events, quarantine: the window's rows with columns ``kafka_partition`` and ``kafka_offset``, in any order;
            of ``quarantine`` only the rows of the attempt that the ``events`` commit names.
        offset_range, receipt: as the ``events`` commit states them.
        gaps: acknowledged gaps of the topic.
    """
    return _violations(offset_range, receipt, _offsets_of(events), _offsets_of(quarantine), gaps or {})


@dataclass(frozen=True)
class _Partition:
    """What the rows of one partition are held against."""

    topic: str
    partition: int
    start: int
    end: int
    holes: Runs
    gaps: Runs
    delivered: int

    @classmethod
    def of(cls, offset_range: OffsetRange, receipt: ReadReceipt, gaps: GapsByPartition, partition: int) -> _Partition:
        start, end = offset_range.starts.get(partition, 0), offset_range.ends.get(partition, 0)
        given = [piece for piece in receipt if piece.partition == partition]
        holes = as_runs([hole for piece in given for hole in piece.holes])
        lost = clip(as_runs(gaps.get(partition, ())), start, end)
        delivered = sum(piece.delivered for piece in given)
        return cls(offset_range.topic, partition, start, end, holes, lost, delivered)

    def violations(self, *rows: Runs) -> list[Violation]:
        """Breaches by rows whose sets may overlap one another only by mistake."""
        outside = join([part for runs in rows for part in self._outside(runs)])
        among_rows = coverage(self.start, self.end, *rows)
        held = coverage(self.start, self.end, among_rows.missing).missing
        claimed = coverage(self.start, self.end, held, self.holes, self.gaps)
        found = [
            self._violation("foreign", outside, f"outside the window's range [{self.start}, {self.end})"),
            self._violation(
                "foreign", join(self._outside(self.holes)), "reported as a hole outside the window's range"
            ),
            self._violation("doubled", among_rows.repeated, "delivered twice"),
            self._violation(
                "overlap", claimed.repeated, "claimed by more than one of rows, holes and acknowledged gaps"
            ),
            self._violation("missing", claimed.missing, "neither row, nor hole, nor acknowledged gap"),
        ]
        count = sum(size(runs) for runs in rows)
        if count != self.delivered:
            told = f"{count} rows, but the reader was given {self.delivered} records"
            found.append(Violation("receipt", self.topic, self.partition, ((self.start, self.end),), told))
        return [violation for violation in found if violation.offsets]

    def _outside(self, runs: Runs) -> list[Runs]:
        if not len(runs):
            return []
        before = clip(runs, 0, self.start)
        return [before, clip(runs, self.end, max(self.end, int(runs[:, 1].max())))]

    def _violation(self, kind: ViolationKind, offsets: Runs, what: str) -> Violation:
        return _violation(kind, self.topic, self.partition, offsets, what)


def _violations(
    offset_range: OffsetRange,
    receipt: ReadReceipt,
    accepted: OffsetsByPartition,
    rejected: OffsetsByPartition,
    gaps: GapsByPartition,
) -> list[Violation]:
    found = _receipt_violations(offset_range, receipt)
    none = np.empty(0, dtype=np.int64)
    for partition in sorted({*offset_range.partitions, *accepted, *rejected}):
        good, bad = (_ascending(rows.get(partition, none)) for rows in (accepted, rejected))
        law = _Partition.of(offset_range, receipt, gaps, partition)
        for rows, what in ((good, "accepted twice"), (bad, "rejected twice")):
            if (repeated := _repeated(rows)).size:
                found.append(_violation("doubled", offset_range.topic, partition, runs_of(repeated), what))
        if (both := _shared(good, bad)).size:
            found.append(_violation("both", offset_range.topic, partition, runs_of(both), "accepted and rejected"))
        found += law.violations(runs_of(_distinct(_together(good, bad))))
    return found


def _receipt_violations(offset_range: OffsetRange, receipt: ReadReceipt) -> list[Violation]:
    """The receipt must be of this topic and range, and the reader must have come to the end of it."""
    if receipt.topic != offset_range.topic:
        told = f"the receipt is of topic {receipt.topic}"
        return [Violation("receipt", offset_range.topic, p, (), told) for p in offset_range.partitions]
    found = []
    for partition in offset_range.without_empty().partitions:
        start, end = offset_range.starts[partition], offset_range.ends[partition]
        given = sorted((r for r in receipt if r.partition == partition), key=lambda r: r.start)
        if not (ends_meet := _tiles(given, start, end)) or any(r.position < r.end for r in given):
            reached = ", ".join(f"[{r.start}, {r.end}) up to {r.position}" for r in given) or "nothing"
            told = f"the read covers {reached}" + ("" if ends_meet else f" and not [{start}, {end})")
            found.append(Violation("receipt", offset_range.topic, partition, ((start, end),), told))
    return found


def _tiles(pieces: Sequence[PartitionReceipt], start: int, end: int) -> bool:
    position = start
    for piece in pieces:
        if piece.start != position:
            return False
        position = piece.end
    return position == end


def _offsets_of(rows: pl.DataFrame) -> dict[int, Offsets]:
    columns = rows.select(pl.col("kafka_partition").cast(pl.Int64), pl.col("kafka_offset").cast(pl.Int64))
    return {
        int(part["kafka_partition"][0]): part["kafka_offset"].sort().to_numpy()
        for part in columns.partition_by("kafka_partition")
    }


def _is_union(whole: Offsets, one: Offsets, other: Offsets) -> bool:
    return np.array_equal(whole, _together(one, other))


def _ascending(offsets: Offsets) -> Offsets:
    return offsets if (offsets[1:] >= offsets[:-1]).all() else np.sort(offsets)


def _distinct(ascending: Offsets) -> Offsets:
    """Each offset once. Not ``np.unique``: numpy 2.4 hashes integers there, seconds for 5M offsets instead of 0.05."""
    return ascending[_differs_from_before(ascending)]


def _repeated(ascending: Offsets) -> Offsets:
    """The offsets that occur more than once, each once."""
    return _distinct(ascending[~_differs_from_before(ascending)])


def _differs_from_before(ascending: Offsets) -> npt.NDArray[np.bool_]:
    differs = np.ones(ascending.size, dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=differs[1:])
    return differs


def _together(one: Offsets, other: Offsets) -> Offsets:
    """Both, ascending. A stable sort of two ascending parts is a merge."""
    if not one.size or not other.size:
        return one if one.size else other
    return np.sort(np.concatenate((one, other)), kind="stable")


def _shared(one: Offsets, other: Offsets) -> Offsets:
    """The offsets that are in both ascending sets."""
    return _repeated(_together(_distinct(one), _distinct(other))) if one.size and other.size else one[:0]


def _violation(kind: ViolationKind, topic: str, partition: int, offsets: Runs, what: str) -> Violation:
    runs = tuple((a, b) for a, b in offsets.tolist())
    count = size(offsets) if len(offsets) else 0
    noun = "offset" if count == 1 else f"{count} offsets:"
    return Violation(kind, topic, partition, runs, f"{noun} {describe(offsets)} {what}")
