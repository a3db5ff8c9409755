"""Acknowledged gaps as a window meets them: cut to it, each offset once, at its beginning."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.lake.gaps import AcknowledgedGap
from streamguard_assets.windows.gaps import acknowledge_gap, gaps_inside, readable_range, receipt_with_gaps
from streamguard_assets_tests.windows.rig import Rig, at, key

WINDOW = OffsetRange("topic", {0: 100, 1: 50}, {0: 200, 1: 50})


def gap(start: int, end: int, partition: int = 0) -> AcknowledgedGap:
    return AcknowledgedGap(key(0), key(0), partition, start, end, "gone", "ana", datetime(2026, 1, 1, tzinfo=UTC))


def test_gaps_are_cut_to_the_window() -> None:
    stored = [gap(0, 120), gap(180, 400), gap(0, 90), gap(300, 310), gap(0, 10, partition=7), gap(0, 60, partition=1)]
    assert gaps_inside(stored, WINDOW) == {0: [(100, 120), (180, 200)]}


@given(st.lists(st.tuples(st.integers(0, 250), st.integers(1, 120)), max_size=8))
def test_gaps_that_overlap_count_each_offset_once(extents: list[tuple[int, int]]) -> None:
    found = gaps_inside([gap(start, start + length) for start, length in extents], WINDOW).get(0, [])
    offsets = [offset for start, end in found for offset in range(start, end)]
    meant = {o for start, length in extents for o in range(start, start + length) if 100 <= o < 200}
    assert offsets == sorted(meant)


def test_what_can_be_read_begins_after_the_gaps() -> None:
    assert readable_range(WINDOW, {0: [(100, 120), (120, 130), (180, 190)]}).starts == {0: 130, 1: 50}
    assert readable_range(WINDOW, {}) == WINDOW


def test_a_receipt_covers_the_window_with_what_was_lost() -> None:
    readable = readable_range(WINDOW, {0: [(100, 130)]})
    read = ReadReceipt("topic", (PartitionReceipt(0, 130, 200, 70, 200), PartitionReceipt(1, 50, 50, 0, 50)))
    assert list(receipt_with_gaps(read, WINDOW, readable)) == [PartitionReceipt(0, 100, 130, 0, 130), *read]
    assert receipt_with_gaps(read, WINDOW, WINDOW) == read


@pytest.mark.broker
def test_only_a_closed_window_with_offsets_can_be_given_up(rig: Rig) -> None:
    rig.produce_hours([0, 2], events=3)
    rig.keep(2)
    for hour in (1, 2, 7):  # empty, open, to come
        with pytest.raises(ValueError, match="is no closed window"):
            acknowledge_gap(rig.stream, key(hour), "gone", "ana", at(2))
    assert acknowledge_gap(rig.stream, key(0), "nothing is gone", "ana", at(2)) == []
    assert rig.stream.gaps.gaps() == []
