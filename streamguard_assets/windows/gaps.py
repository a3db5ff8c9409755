"""Acknowledged gaps as a window meets them: offsets that retention took and that a person has given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.kafka.offsets import log_start_offsets
from streamguard_assets.lake.gaps import AcknowledgedGap
from streamguard_assets.windows.conservation import GapsByPartition
from streamguard_assets.windows.keeper import closed_windows
from streamguard_assets.windows.stream import Stream


def window_gaps(stream: Stream, covered: OffsetRange) -> GapsByPartition:
    """The acknowledged gaps inside ``covered``, cut to it."""
    return gaps_inside(stream.gaps.gaps(), covered)


def gaps_inside(acknowledged: Sequence[AcknowledgedGap], covered: OffsetRange) -> GapsByPartition:
    """``acknowledged`` as far as it lies in ``covered``, ascending. Pure."""
    found: dict[int, list[tuple[int, int]]] = {}
    for gap in sorted(acknowledged, key=lambda gap: gap.start_offset):
        if gap.kafka_partition not in covered.starts:
            continue
        start = max(gap.start_offset, covered.starts[gap.kafka_partition])
        end = min(gap.end_offset, covered.ends[gap.kafka_partition])
        if start < end:
            found.setdefault(gap.kafka_partition, []).append((start, end))
    return found


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
    """Give up the offsets of ``window`` that Kafka no longer has; returns what was given up, none when all are there.

    Raises:
        ValueError: the window is not closed, or holds no offsets.
    """
    found = next((each for each in closed_windows(stream) if each.key == window), None)
    if found is None:
        raise ValueError(f"{window} is no closed window of stream {stream.name!r} that holds offsets")
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
