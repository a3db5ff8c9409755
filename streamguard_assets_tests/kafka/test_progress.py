"""A read's progress: holes are what the log skipped, nothing outside the range counts, positions never fall back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.kafka.progress import PartitionProgress
from streamguard_assets_tests.kafka.conftest import holes_between


def test_a_record_at_the_end_proves_the_hole_before_it_and_is_not_taken() -> None:
    way = PartitionProgress(0, start=10, end=20)
    assert way.take([10, 11, 25]) == 2
    assert way.is_done
    receipt = way.receipt()
    assert receipt.holes == ((12, 20),)
    assert (receipt.delivered, receipt.position) == (2, 25)


def test_the_end_of_the_log_proves_a_trailing_hole() -> None:
    way = PartitionProgress(0, start=0, end=5)
    way.take([0, 1, 2])
    assert not way.is_done
    way.reach(5)
    assert way.is_done
    assert way.receipt().holes == ((3, 5),)


def test_missing_offsets_are_no_hole_until_the_log_shows_it() -> None:
    way = PartitionProgress(0, start=0, end=5)
    way.take([0, 1])
    assert way.receipt().holes == ()
    assert way.receipt().position == 2


def test_a_range_without_any_record_is_one_hole() -> None:
    way = PartitionProgress(0, start=3, end=6)
    assert way.take([9]) == 0
    assert way.receipt().holes == ((3, 6),)


def test_an_empty_range_is_done_and_takes_nothing() -> None:
    way = PartitionProgress(0, start=3, end=3)
    assert way.is_done
    assert way.take([3, 4]) == 0
    assert way.receipt().holes == ()


def test_a_full_quota_ends_the_way_right_after_its_last_record() -> None:
    way = PartitionProgress(0, start=0, end=100, quota=2)
    assert way.take([0, 5, 6]) == 2
    assert way.is_done
    receipt = way.receipt()
    assert (receipt.end, receipt.position, receipt.holes) == (6, 6, ((1, 5),))


def test_a_way_that_was_left_ends_where_it_stood() -> None:
    way = PartitionProgress(0, start=0, end=100)
    way.take([0, 1])
    way.leave()
    assert way.take([2]) == 0
    assert (way.receipt().end, way.receipt().delivered) == (2, 2)


@given(
    visible=st.sets(st.integers(0, 80)),
    bounds=st.tuples(st.integers(0, 80), st.integers(0, 80)).map(sorted),
    cuts=st.lists(st.integers(1, 10), min_size=1),
    quota=st.none() | st.integers(1, 20),
)
def test_however_a_log_is_delivered_the_receipt_is_the_same(
    visible: set[int], bounds: list[int], cuts: list[int], quota: int | None
) -> None:
    start, end = bounds
    way = PartitionProgress(0, start, end, quota)
    arriving = sorted(o for o in visible if o >= start)
    taken: list[int] = []
    index = 0
    while arriving and not way.is_done:
        batch, arriving = arriving[: cuts[index % len(cuts)]], arriving[cuts[index % len(cuts)] :]
        taken += batch[: way.take(batch)]
        index += 1
    way.reach(81)  # the end of the log

    inside = sorted(o for o in visible if start <= o < end)
    assert taken == (inside if quota is None else inside[:quota])
    receipt = way.receipt()
    assert receipt.delivered == len(taken)
    assert receipt.end == (taken[-1] + 1 if quota is not None and len(inside) >= quota else end)
    assert receipt.position >= receipt.end
    assert list(receipt.holes) == holes_between(taken, receipt.start, receipt.end)
