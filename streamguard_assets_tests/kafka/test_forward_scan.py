"""The pure heart of boundaries: the first record stamped at or after an instant, and not in the future."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.kafka.forward_scan import ForwardScan

STAMPS = st.lists(st.integers(-1, 60), max_size=40)
INSTANTS = st.lists(st.integers(0, 70), min_size=1, max_size=12).map(sorted)


def scan(instants: list[int], limit: int, stamps: list[int], chunk: int = 1_000) -> list[int]:
    forward = ForwardScan(instants, limit)
    for begin in range(0, len(stamps), chunk):
        part = stamps[begin : begin + chunk]
        forward.feed(range(100 + begin, 100 + begin + len(part)), part)
    return [found.offset for found in forward.found]


def test_a_record_stamped_in_the_future_is_passed_over() -> None:
    assert scan([10, 20], 50, [9, 99, 12, 99, 25]) == [102, 104]


def test_a_record_exactly_at_the_instant_or_the_limit_counts() -> None:
    assert scan([10, 50], 50, [10, 50]) == [100, 101]


def test_a_late_record_does_not_move_a_boundary_back() -> None:
    assert scan([10, 20], 50, [11, 21, 5, 12]) == [100, 101]


def test_a_record_without_a_timestamp_is_passed_over() -> None:
    assert scan([0], 50, [-1, 0]) == [101]


def test_instants_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        ForwardScan([2, 1], 5)


@given(STAMPS, INSTANTS, st.integers(0, 60), st.integers(1, 7))
def test_it_finds_what_a_plain_search_finds(stamps: list[int], instants: list[int], limit: int, chunk: int) -> None:
    expected = []
    for instant in instants:
        hits = [100 + i for i, stamp in enumerate(stamps) if instant <= stamp <= limit]
        expected += hits[:1]
    assert scan(instants, limit, stamps, chunk) == expected


@given(STAMPS, INSTANTS, st.integers(0, 60))
def test_boundaries_never_fall(stamps: list[int], instants: list[int], limit: int) -> None:
    found = scan(instants, limit, stamps)
    assert found == sorted(found)
