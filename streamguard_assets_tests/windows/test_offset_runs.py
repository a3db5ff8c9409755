"""Sets of offsets as runs, held against plain Python sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.windows.offset_runs import (
    NO_RUNS,
    Runs,
    as_runs,
    clip,
    coverage,
    describe,
    join,
    runs_of,
    size,
)

OFFSETS = st.sets(st.integers(0, 60), max_size=40)
PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), max_size=8)


def members(runs: Runs) -> list[int]:
    return [offset for start, end in runs.tolist() for offset in range(start, end)]


@given(OFFSETS)
def test_runs_hold_exactly_their_offsets(offsets: set[int]) -> None:
    runs = runs_of(np.array(sorted(offsets), dtype=np.int64))

    assert members(runs) == sorted(offsets)
    assert size(runs) == len(offsets)
    assert all(end < start for (_, end), (start, _) in zip(runs.tolist(), runs[1:].tolist(), strict=False))


@pytest.mark.parametrize("offsets", [[3, 3], [5, 4], [1, 2, 9, 8]])
def test_offsets_that_do_not_ascend_are_refused_by_name(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match=f"offset {offsets[-1]} follows offset {offsets[-2]}"):
        runs_of(np.array(offsets, dtype=np.int64))


@given(PAIRS, st.integers(0, 60), st.integers(0, 60))
def test_coverage_counts_how_often_each_offset_is_claimed(pairs: list[list[int]], start: int, length: int) -> None:
    end = start + length
    claims = [offset for a, b in pairs for offset in range(a, b)]

    covered = coverage(start, end, *(as_runs([pair]) for pair in pairs))

    assert members(covered.missing) == [o for o in range(start, end) if o not in claims]
    assert members(covered.repeated) == [o for o in range(start, end) if claims.count(o) > 1]


@given(OFFSETS, st.integers(0, 60), st.integers(0, 60))
def test_clipped_runs_keep_what_is_inside(offsets: set[int], start: int, length: int) -> None:
    clipped = clip(runs_of(np.array(sorted(offsets), dtype=np.int64)), start, start + length)

    assert members(clipped) == sorted(o for o in offsets if start <= o < start + length)


@given(OFFSETS, st.integers(1, 59))
def test_disjoint_parts_join_to_the_runs_of_the_whole(offsets: set[int], cut: int) -> None:
    whole = runs_of(np.array(sorted(offsets), dtype=np.int64))

    assert join([clip(whole, cut, 100), clip(whole, 0, cut)]).tolist() == whole.tolist()


def test_runs_are_described_by_their_first_and_last_offsets() -> None:
    runs = as_runs([(4, 5), (10, 13), (20, 21), (30, 31)])

    assert describe(runs, most=2) == "4, 10-12 and 2 more"
    assert describe(NO_RUNS) == ""
