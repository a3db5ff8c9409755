from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.kafka.tail import Taken
from streamguard_assets.streaming.embedded.micro_batch import BatchBuilder, Trigger
from streamguard_assets_tests.windows.rig import event

NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Record:
    """What librdkafka hands out, as far as it is looked at."""

    def __init__(self, offset: int, value: bytes | None) -> None:
        self._offset, self._value = offset, value

    def offset(self) -> int:
        return self._offset

    def __len__(self) -> int:
        return len(self._value or b"")

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000 + self._offset


@pytest.fixture(autouse=True)
def plain_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """The builder maps over the methods of librdkafka's class, which Python cannot make objects of."""
    monkeypatch.setattr("streamguard_assets.streaming.embedded.micro_batch.Message", Record)


def taken(partition: int, *offsets: int, bad: tuple[int, ...] = ()) -> Taken:
    records: Any = [Record(offset, b"bad" if offset in bad else event(offset)) for offset in offsets]
    return Taken([(partition, records)])


def builder(positions: dict[int, int], gaps: dict[int, tuple[int, int]] | None = None) -> BatchBuilder:
    return BatchBuilder(SECURITY, "topic", positions, NOW, gaps)


def test_every_offset_of_a_batch_is_accounted_for() -> None:
    batch = builder({0: 5, 1: 0, 2: 9})
    batch.add(taken(0, 5, 6, 9, bad=(6,)))
    batch.add(Taken(reached={0: 12, 1: 3}))
    made = batch.finish()

    assert made.account.ranges == {0: (5, 12), 1: (0, 3)}
    assert made.account.holes == {0: ((7, 9), (10, 12)), 1: ((0, 3),)}
    assert (made.account.rows, made.account.rejected, made.records) == (2, 1, 3)
    assert made.accepted["kafka_offset"].to_list() == [5, 9]
    assert made.rejected["kafka_offset"].to_list() == [6]


def test_the_next_batch_begins_where_this_one_ends() -> None:
    batch = builder({0: 0, 1: 7})
    batch.add(taken(0, 0, 1))

    assert batch.positions == {0: 2, 1: 7}
    made = batch.finish()
    assert (made.after({0: 0, 1: 7}), made.follows({0: 0, 1: 7}), made.follows({0: 1, 1: 7})) == (
        {0: 2, 1: 7},
        True,
        False,
    )


def test_offsets_that_kafka_no_longer_has_are_passed_over_and_told() -> None:
    batch = builder({0: 5}, gaps={0: (5, 20)})
    batch.add(taken(0, 20, 21))
    made = batch.finish()

    assert (made.account.ranges, made.account.gaps, made.account.holes) == ({0: (5, 22)}, {0: ((5, 20),)}, {})


def test_a_batch_without_records_has_the_columns_of_one_with() -> None:
    batch = builder({0: 0})
    assert not batch.has_progress
    batch.add(Taken(reached={0: 2}))

    assert batch.has_progress
    assert batch.finish().accepted.columns == builder_with_one().finish().accepted.columns


def builder_with_one() -> BatchBuilder:
    batch = builder({0: 0})
    batch.add(taken(0, 0))
    return batch


def test_a_batch_is_due_when_its_first_record_has_waited_long_enough() -> None:
    trigger, batch = Trigger(1.0, 100, 10**6), builder_with_one()
    assert batch.first_at is not None

    assert not trigger.is_due(batch, batch.first_at + 0.9)
    assert trigger.is_due(batch, batch.first_at + 1.0)
    assert trigger.remaining_s(batch, batch.first_at + 0.75) == pytest.approx(0.25)


def test_a_batch_is_due_when_it_is_full() -> None:
    batch = builder_with_one()
    assert batch.first_at is not None

    assert Trigger(60.0, 1, 10**6).is_due(batch, batch.first_at)


def test_large_records_fill_a_batch_before_they_are_parsed() -> None:
    """A partition's records wait until there are two thousand of them: of a megabyte each, that is all memory."""
    batch = builder_with_one()
    assert Trigger(60.0, 10**6, batch.value_bytes).is_full(batch)
    assert batch.value_bytes == len(event(0))


def test_holes_alone_are_committed_after_a_longer_while() -> None:
    trigger, batch = Trigger(1.0, 100, 10**6), builder({0: 0})
    assert not trigger.is_due(batch, batch.opened_at + 100)
    batch.add(Taken(reached={0: 2}))

    assert not trigger.is_due(batch, batch.opened_at + 2.0)
    assert trigger.is_due(batch, batch.opened_at + trigger.holes_s)


def test_the_age_of_a_batch_is_that_of_its_oldest_record() -> None:
    batch = builder({0: 0})
    assert batch.oldest_s is None
    batch.add(taken(0, 40))
    batch.add(taken(0, 41))

    assert batch.oldest_s == 1.04
