"""Acknowledged gaps as a window meets them: offsets that retention took and that a person has given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.kafka.offsets import log_start_offsets
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.gaps import AcknowledgedGap
from streamguard_assets.windows.conservation import GapsByPartition
from streamguard_assets.windows.keeper import closed_windows
from streamguard_assets.windows.staleness import same_range
from streamguard_assets.windows.stream import Stream
from streamguard_assets.windows.view import LedgerWindow


def window_gaps(stream: Stream, window: LedgerWindow) -> GapsByPartition:
    """The acknowledged gaps that ``window`` may be built without, cut to it.

    For a window that is complete in the lake these are the gaps that it was built with: one acknowledged since then
    would have it replaced by less.
    """
    built = stream.table("events").commits().get(window.key)
    if built is not None and built.complete and same_range(built_range(built), window.range):
        return built_gaps(built)
    return gaps_inside(stream.gaps.gaps(), window.range)


def built_range(commit: WindowCommit) -> OffsetRange:
    """The offsets that a commit of ``events`` covers."""
    return OffsetRange.from_json(commit.details["range"])


def built_gaps(commit: WindowCommit) -> GapsByPartition:
    """The acknowledged gaps that a commit of ``events`` was built with."""
    gaps: dict[int, list[tuple[int, int]]] = {}
    for partition, start, end in commit.details["gaps"]:
        gaps.setdefault(partition, []).append((start, end))
    return gaps


def gaps_inside(acknowledged: Sequence[AcknowledgedGap], covered: OffsetRange) -> GapsByPartition:
    """``acknowledged`` as far as it lies in ``covered``, ascending and disjoint. Pure."""
    found: dict[int, list[tuple[int, int]]] = {}
    for gap in sorted(acknowledged, key=lambda gap: gap.start_offset):
        if gap.kafka_partition not in covered.starts:
            continue
        lost = found.setdefault(gap.kafka_partition, [])
        # Retention may go on after a first acknowledgement: a second one of the window begins at the same offset.
        start = max(gap.start_offset, covered.starts[gap.kafka_partition], lost[-1][1] if lost else 0)
        end = min(gap.end_offset, covered.ends[gap.kafka_partition])
        if start < end:
            lost.append((start, end))
    return {partition: lost for partition, lost in found.items() if lost}


def readable_range(covered: OffsetRange, gaps: GapsByPartition) -> OffsetRange:
    """``covered`` without the gaps at its beginning: retention deletes from the front, so that is where they are."""
    starts = dict(covered.starts)
    for partition, lost in gaps.items():
        for start, end in lost:
            if start <= starts[partition] < end:
                starts[partition] = end
    return OffsetRange(covered.topic, starts, covered.ends)


def receipt_with_gaps(receipt: ReadReceipt, covered: OffsetRange, readable: OffsetRange) -> ReadReceipt:
    """``receipt`` of ``readable`` with a piece for what lies before it: nothing was delivered there, by agreement."""
    lost = tuple(
        PartitionReceipt(p, covered.starts[p], readable.starts[p], 0, readable.starts[p])
        for p in covered.partitions
        if covered.starts[p] < readable.starts[p]
    )
    return ReadReceipt(receipt.topic, (*lost, *receipt))


def lost_offsets(stream: Stream) -> dict[str, int]:
    """How many offsets of each closed window lie in acknowledged gaps; windows without any are absent."""
    acknowledged = stream.gaps.gaps()
    if not acknowledged:
        return {}
    counts = {window.key: _size(gaps_inside(acknowledged, window.range)) for window in closed_windows(stream)}
    return {window: count for window, count in counts.items() if count}


def unreachable_windows(stream: Stream) -> dict[str, str]:
    """Windows not in the lake whose offsets Kafka no longer has, and nobody has acknowledged; with the text to show."""
    log_starts = log_start_offsets(stream.connection, stream.topic)
    commits = stream.table("events").commits()
    acknowledged = stream.gaps.gaps()
    found = {}
    for window in closed_windows(stream):
        if (commit := commits.get(window.key)) is not None and commit.complete:
            continue
        needed = readable_range(window.range, gaps_inside(acknowledged, window.range))
        for partition in needed.partitions:
            start, end = needed.starts[partition], min(log_starts.get(partition, 0), needed.ends[partition])
            if start < end:
                found[window.key] = (
                    f"retention took partition {partition} [{start}, {end}) of {stream.topic!r}; accept the loss with "
                    f"`streamguard windows {stream.name} --acknowledge-gap {window.key}`"
                )
                break
    return found


def acknowledge_gap(stream: Stream, window: str, reason: str, by: str, now: datetime) -> list[AcknowledgedGap]:
    """Give up the offsets of ``window`` that Kafka no longer has; returns what was given up.

    That is nothing when Kafka has them all, or when the window is complete in the lake: nothing is lost then.

    Raises:
        ValueError: the window is not closed, or holds no offsets.
    """
    found = next((each for each in closed_windows(stream) if each.key == window), None)
    if found is None:
        raise ValueError(f"{window} is no closed window of stream {stream.name!r} that holds offsets")
    built = stream.table("events").commits().get(window)
    if built is not None and built.complete:
        return []
    log_starts = log_start_offsets(stream.connection, stream.topic)
    gaps = [
        AcknowledgedGap(window, window, partition, start, end, reason, by, now)
        for partition in found.range.partitions
        if (start := found.range.starts[partition])
        < (end := min(log_starts.get(partition, 0), found.range.ends[partition]))
    ]
    if gaps:
        stream.gaps.acknowledge(gaps)
    return gaps


def _size(gaps: GapsByPartition) -> int:
    return sum(end - start for lost in gaps.values() for start, end in lost)
