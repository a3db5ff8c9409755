"""Sharing a number of records out over partitions. Pure: no Kafka here."""

from __future__ import annotations

from collections.abc import Mapping


def allot(count: int, room: Mapping[int, int]) -> dict[int, int]:
    """Share ``count`` out evenly over partitions, none above its ``room``; shares of 0 are left out.

    What a short partition cannot take goes to the others; a remainder goes to the lowest partition numbers. The
    shares add up to ``min(count, sum(room))``.
    """
    left = min(count, sum(room.values()))
    shares: dict[int, int] = {}
    waiting = sorted(room, key=lambda partition: room[partition], reverse=True)
    while waiting and room[waiting[-1]] <= left // len(waiting):  # the shortest first: they cannot take a full share
        shortest = waiting.pop()
        shares[shortest] = room[shortest]
        left -= room[shortest]
    for index, partition in enumerate(sorted(waiting)):
        each, remainder = divmod(left, len(waiting))
        shares[partition] = each + (index < remainder)
    return {p: shares[p] for p in sorted(shares) if shares[p] > 0}
