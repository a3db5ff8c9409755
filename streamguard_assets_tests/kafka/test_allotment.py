"""Sharing records out: everything that can be given is given, as evenly as room allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.kafka.allotment import allot

ROOM = st.dictionaries(st.integers(0, 20), st.integers(0, 50))


def test_the_remainder_goes_to_the_lowest_partitions() -> None:
    assert allot(8, {0: 10, 1: 10, 2: 10}) == {0: 3, 1: 3, 2: 2}


def test_a_short_partition_is_made_up_for_by_the_others() -> None:
    assert allot(9, {0: 1, 1: 10, 2: 10}) == {0: 1, 1: 4, 2: 4}


def test_an_empty_partition_takes_no_share() -> None:
    assert allot(2, {0: 0, 1: 10}) == {1: 2}


@given(st.integers(0, 500), ROOM)
def test_shares_are_complete_within_room_and_even(count: int, room: dict[int, int]) -> None:
    shares = allot(count, room)
    assert sum(shares.values()) == min(count, sum(room.values()))
    assert all(0 < share <= room[p] for p, share in shares.items())
    most = max(shares.values(), default=0)
    for partition, space in room.items():  # whoever got clearly less than another could not take more
        share = shares.get(partition, 0)
        assert share >= most - 1 or share == space
