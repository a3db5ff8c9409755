"""Offset ranges and receipts: what is covered, split, and written down."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.offsets import (
    Boundary,
    OffsetRange,
    PartitionReceipt,
    ReadReceipt,
    range_between,
)

INSTANT = datetime(2026, 1, 31, tzinfo=UTC)


@st.composite
def ranges(draw: st.DrawFn) -> OffsetRange:
    spans = draw(st.dictionaries(st.integers(0, 20), st.tuples(st.integers(0, 10**12), st.integers(0, 50)), max_size=6))
    starts = {partition: start for partition, (start, _) in spans.items()}
    return OffsetRange("t", starts, {partition: start + span for partition, (start, span) in spans.items()})


def covered(piece: OffsetRange) -> list[tuple[int, int]]:
    return [(p, offset) for p in piece.partitions for offset in range(piece.starts[p], piece.ends[p])]


@given(ranges(), st.integers(1, 8))
def test_the_pieces_of_a_range_are_the_range(whole: OffsetRange, parts: int) -> None:
    pieces = whole.split(parts)
    assert [place for piece in pieces for place in covered(piece)] == covered(whole)
    assert all(piece.topic == whole.topic for piece in pieces)


@given(ranges(), st.integers(1, 8))
def test_pieces_are_few_full_and_balanced(whole: OffsetRange, parts: int) -> None:
    pieces = whole.split(parts)
    assert len(pieces) <= parts
    assert not any(piece.is_empty for piece in pieces)
    largest = -(-whole.span // parts)
    assert all(piece.span == largest for piece in pieces[:-1])
    assert all(piece.span <= largest for piece in pieces)


def test_a_skewed_topic_is_split_inside_its_large_partition() -> None:
    halves = OffsetRange("t", {0: 0, 1: 0}, {0: 90, 1: 10}).split(2)
    assert [piece.to_json()["offsets"] for piece in halves] == [{"0": [0, 50]}, {"0": [50, 90], "1": [0, 10]}]


def test_no_parts_is_an_error() -> None:
    with pytest.raises(ValueError, match="parts must be at least 1"):
        OffsetRange("t", {0: 0}, {0: 1}).split(0)


@given(ranges())
def test_span_counts_what_is_covered(some: OffsetRange) -> None:
    assert some.span == len(covered(some))
    assert some.is_empty == (not covered(some))
    assert covered(some.without_empty()) == covered(some)
    assert all(some.ends[p] > some.starts[p] for p in some.without_empty().partitions)


def test_a_range_covers_from_its_start_to_before_its_end() -> None:
    some = OffsetRange("t", {0: 5}, {0: 7})
    assert [offset for offset in range(10) if some.covers(0, offset)] == [5, 6]
    assert not some.covers(1, 5)


@pytest.mark.parametrize(
    ("starts", "ends", "problem"),
    [
        ({0: 1}, {1: 1}, "name different partitions"),
        ({0: 5}, {0: 4}, r"partition 0: range \[5, 4\) is not ordered"),
        ({0: -1}, {0: 4}, r"range \[-1, 4\) is not ordered"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(starts: dict[int, int], ends: dict[int, int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        OffsetRange("t", starts, ends)


@given(ranges())
def test_a_range_survives_json(some: OffsetRange) -> None:
    assert OffsetRange.from_json(json.loads(json.dumps(some.to_json()))) == some


@given(st.dictionaries(st.integers(0, 5), st.lists(st.integers(0, 100), min_size=3, max_size=3), min_size=1))
def test_neighbouring_windows_share_their_boundary(offsets: dict[int, list[int]]) -> None:
    cuts = [Boundary(INSTANT, {p: sorted(o)[i] for p, o in offsets.items()}, "id") for i in range(3)]
    first, second = range_between("t", cuts[0], cuts[1]), range_between("t", cuts[1], cuts[2])
    assert first.ends == second.starts
    assert sorted(covered(first) + covered(second)) == covered(range_between("t", cuts[0], cuts[2]))


def test_a_partition_added_inside_a_window_begins_at_its_log_start() -> None:
    lower, upper = Boundary(INSTANT, {0: 5}, "id"), Boundary(INSTANT, {0: 8, 1: 4}, "id")
    assert range_between("t", lower, upper).starts == {0: 5, 1: 0}
    assert range_between("t", lower, upper, {0: 2, 1: 3}).starts == {0: 5, 1: 3}


def test_a_receipt_survives_json_and_adds_up() -> None:
    receipt = ReadReceipt("t", (PartitionReceipt(0, 5, 10, 3, 10, ((6, 7), (9, 10))), PartitionReceipt(1, 0, 0, 0, 0)))
    assert ReadReceipt.from_json(json.loads(json.dumps(receipt.to_json()))) == receipt
    assert receipt.delivered == 3
    assert [p.partition for p in receipt] == [0, 1]
