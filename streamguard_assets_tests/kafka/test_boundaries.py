"""Boundaries on a real log: in time order, never falling, blind to the future and to what readers cannot see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamguard_assets.contracts.offsets import Boundary, range_between
from streamguard_assets.contracts.windows import EPOCH, Cadence
from streamguard_assets.kafka import stable_prefix
from streamguard_assets.kafka.boundaries import (
    decide_boundaries,
    decide_boundary,
    log_start_boundary,
    oldest_record_hour,
)
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import BoundaryOrderError, OffsetOutOfRange, TopicRecreated, UnknownTopic
from streamguard_assets.kafka.reader import read_range
from streamguard_assets.kafka.topics import (
    TopicLayout,
    add_partitions,
    create_topic,
    delete_topic,
    topic_id,
    topic_identity,
)
from streamguard_assets_tests.kafka.conftest import ANY_STAMP, HOUR_MS, Dumper, LogWriter

pytestmark = [pytest.mark.broker]

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(days=2)
SKEW = timedelta(minutes=5)
YEAR_2100 = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)


def ms(hours: float) -> int:
    """The stamp ``hours`` after midnight."""
    return (MIDNIGHT - EPOCH) // timedelta(milliseconds=1) + int(hours * HOUR_MS)


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


@pytest.fixture(params=["scanned", "looked up"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to an answer: reading a short log whole, or asking the broker's time index."""
    if request.param == "looked up":
        monkeypatch.setattr(stable_prefix, "SCANNED_AT_MOST", -1)
    return request.param


def decide(
    connection: KafkaConnection, topic: str, hours: Iterable[float], previous: Boundary | None = None
) -> list[Boundary]:
    return list(decide_boundaries(connection, topic, [at(h) for h in hours], previous, NOW, SKEW))


def first_partition(boundaries: Iterable[Boundary]) -> list[int]:
    return [boundary.offsets[0] for boundary in boundaries]


def test_a_boundary_is_the_first_record_at_or_after_its_instant(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=3)
    writer.write(topic, [ms(0.5), ms(1), ms(1.5), ms(3.5)], partition=0)
    writer.write(topic, [ms(2.5)], partition=1)
    boundaries = decide(connection, topic, [0, 1, 2, 3, 4])
    assert [dict(b.offsets) for b in boundaries] == [
        {0: 0, 1: 0, 2: 0},
        {0: 1, 1: 0, 2: 0},
        {0: 3, 1: 0, 2: 0},
        {0: 3, 1: 1, 2: 0},
        {0: 4, 1: 1, 2: 0},
    ]
    assert [b.instant for b in boundaries] == [at(h) for h in range(5)]
    assert {b.topic_id for b in boundaries} == {topic_id(connection, topic)}


def test_records_stamped_in_2100_neither_pin_nor_hide(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, dump: Dumper, way: str
) -> None:
    topic = fresh_topic(partitions=1, config=ANY_STAMP)
    stamps = [ms(0.1), YEAR_2100, ms(0.2), ms(1.1), YEAR_2100, ms(2.1), ms(0.3), ms(3.1), YEAR_2100]
    writer.write(topic, stamps)
    boundaries = decide(connection, topic, [0, 1, 2, 3, 4])
    dumped = dump(topic).records
    limit = int((NOW + SKEW).timestamp() * 1000)
    expected = [
        next((r.offset for r in dumped if ms(h) <= r.timestamp_ms <= limit), len(dumped)) for h in [0, 1, 2, 3, 4]
    ]
    assert first_partition(boundaries) == expected == [0, 3, 5, 7, 9]


def test_a_boundary_starts_its_search_at_the_one_before(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [ms(2.9), ms(1.1), ms(2.05)])
    # decided when the first stamp was still the future
    early = decide_boundary(connection, topic, at(2), None, at(2.01), SKEW)
    assert first_partition([early]) == [2]
    # it no longer is, and lies below what was decided: it must not pull a later boundary back, nor pin it
    writer.write(topic, [ms(2.3), ms(2.6), ms(3.1)])
    assert first_partition(decide(connection, topic, [2.5, 3, 4], early)) == [4, 5, 6]


def test_skew_is_the_edge_of_the_future(connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str) -> None:
    topic = fresh_topic(partitions=1)
    edge = ms(1) + SKEW // timedelta(milliseconds=1)
    writer.write(topic, [edge + 1, edge])
    assert first_partition([decide_boundary(connection, topic, at(1), None, at(1), SKEW)]) == [1]


def test_what_readers_cannot_see_does_not_pin_history(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    """Markers carry the broker's time: in replayed history the first one is "at or after" every later instant."""
    topic = fresh_topic(partitions=1)
    long_after = datetime.now(UTC) + timedelta(days=1)
    writer.transaction(topic, [ms(0.1)], commit=True)  # 0, marker 1
    writer.transaction(topic, [ms(40)], commit=False)  # 2, marker 3
    writer.transaction(topic, [ms(1.1), ms(2.1)], commit=True)  # 4, 5, marker 6
    boundaries = decide_boundaries(connection, topic, [at(h) for h in range(5)], None, long_after, SKEW)
    assert first_partition(boundaries) == [0, 4, 5, 7, 7]


def test_the_last_stable_offset_is_the_end_while_a_transaction_is_open(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [ms(0.1)])
    producer = writer.open_transaction(topic, [ms(0.2), ms(1.2)])
    writer.write(topic, [ms(1.3)])
    first = decide(connection, topic, [1])[0]
    assert first_partition([first]) == [1]
    writer.end_transaction(producer, topic, commit=True)
    assert first_partition(decide(connection, topic, [2], first)) == [5]


def test_a_partition_added_later_begins_at_its_log_start(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [ms(0.1), ms(1.1)])
    earlier = decide(connection, topic, [0, 1])
    add_partitions(connection, topic, 2)
    LogWriter(connection).write(topic, [ms(0.9), ms(1.9), ms(2.9)], partition=1)
    later = decide(connection, topic, [2, 3], earlier[-1])
    assert [dict(b.offsets) for b in later] == [{0: 2, 1: 2}, {0: 2, 1: 3}]
    window = range_between(topic, earlier[-1], later[0])
    assert (window.starts, window.ends) == ({0: 1, 1: 0}, {0: 2, 1: 2})


def test_the_end_stays_when_nothing_is_written(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, [ms(0.1)])
    boundaries = decide(connection, topic, range(1, 48))
    assert {tuple(b.offsets.items()) for b in boundaries} == {((0, 1), (1, 0))}


def test_five_years_of_silence_cost_a_few_requests(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = fresh_topic(partitions=1, config=ANY_STAMP)
    writer.write(topic, [ms(0.5), ms(5 * 365 * 24)])
    asked: list[int] = []
    lookup = stable_prefix.first_offsets_since

    def counted(connection, topic, partitions, instants):
        asked.append(len(instants))
        return lookup(connection, topic, partitions, instants)

    monkeypatch.setattr(stable_prefix, "first_offsets_since", counted)
    instants = Cadence(60).instants(at(0), at(5 * 365 * 24 + 1))
    late = instants[-1] + timedelta(days=1)
    boundaries = list(decide_boundaries(connection, topic, instants, None, late, SKEW))
    assert len(boundaries) == len(instants) == 43_802
    assert first_partition(boundaries) == [0] + [1] * 43_800 + [2]
    assert sum(asked) <= 100


def test_deleted_records_only_move_boundaries_to_the_log_start(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [ms(0.1), ms(1.1), ms(2.1), ms(3.1)])
    before = decide(connection, topic, [1])[0]
    writer.delete_before(topic, 3)
    assert first_partition(decide(connection, topic, [2, 3, 4], before)) == [3, 3, 4]
    assert first_partition([log_start_boundary(connection, topic, at(0))]) == [3]


def test_a_recreated_topic_is_refused(connection: KafkaConnection) -> None:
    topic = f"recreated-{datetime.now(UTC):%H%M%S%f}"
    create_topic(connection, topic, TopicLayout(1, 1, -1))
    before = decide(connection, topic, [0])[0]
    delete_topic(connection, topic)
    with pytest.raises(UnknownTopic):
        decide(connection, topic, [1], before)
    create_topic(connection, topic, TopicLayout(1, 1, -1))
    with pytest.raises(TopicRecreated) as caught:
        decide(connection, topic, [1], before)
    assert before.topic_id in str(caught.value)
    assert topic_id(connection, topic) in str(caught.value)


def test_a_log_that_lost_its_tail_is_refused(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, [ms(0.1)])
    recorded = Boundary(at(0), {0: 5}, topic_id(connection, topic))
    with pytest.raises(OffsetOutOfRange, match="offset 5 is past the last stable offset 1"):
        decide(connection, topic, [1], recorded)


def test_boundaries_are_decided_in_time_order_and_not_before_their_time(connection: KafkaConnection) -> None:
    previous = Boundary(at(3), {0: 0}, "id")
    for instants in ([at(3)], [at(2)], [at(5), at(4)], [at(4), at(4)]):
        with pytest.raises(BoundaryOrderError, match="time order"):
            decide_boundaries(connection, "any", instants, previous, NOW, SKEW)
    with pytest.raises(BoundaryOrderError, match="before its time"):
        decide_boundary(connection, "any", NOW + timedelta(seconds=1), previous, NOW, SKEW)
    assert list(decide_boundaries(connection, "any", [], previous, NOW, SKEW)) == []


def test_the_oldest_record_gives_the_first_hour(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=3, config=ANY_STAMP)
    assert oldest_record_hour(connection, topic, NOW, SKEW) is None
    writer.write(topic, [YEAR_2100], partition=1)
    assert oldest_record_hour(connection, topic, NOW, SKEW) is None
    writer.write(topic, [ms(7.9)], partition=1)
    writer.write(topic, [ms(8.1), ms(3)], partition=0)
    assert oldest_record_hour(connection, topic, NOW, SKEW) == at(7)
    first = log_start_boundary(connection, topic, at(7))
    assert (first.instant, dict(first.offsets)) == (at(7), {0: 0, 1: 0, 2: 0})


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logs=st.lists(st.lists(st.floats(0, 12) | st.just(2_000_000.0), max_size=12), min_size=1, max_size=3),
    cut=st.integers(0, 11),
)
def test_any_log_is_cut_the_same_however_it_is_asked(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, logs: list[list[float]], cut: int
) -> None:
    """Together, in two parts, one by one, scanned or looked up: the same boundaries, which cut the log in pieces."""
    topic = fresh_topic(partitions=len(logs), config=ANY_STAMP)
    for partition, hours in enumerate(logs):
        writer.write(topic, [ms(h) for h in hours], partition)
    together = decide(connection, topic, range(12))
    parts = decide(connection, topic, range(cut))
    parts += decide(connection, topic, range(cut, 12), parts[-1] if parts else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stable_prefix, "SCANNED_AT_MOST", -1)
        looked_up = decide(connection, topic, range(12))
        alone: list[Boundary] = []
        for hour in range(12):
            previous = alone[-1] if alone else None
            alone.append(decide_boundary(connection, topic, at(hour), previous, NOW, SKEW))
    assert together == parts == looked_up == alone
    for lower, upper in pairwise(together):
        assert all(lower.offsets[p] <= upper.offsets[p] for p in range(len(logs)))


def test_neighbouring_windows_hold_each_record_once(
    connection: KafkaConnection, fresh_topic, writer: LogWriter, way: str
) -> None:
    topic = fresh_topic(partitions=2, config=ANY_STAMP)
    writer.write(topic, [ms(h / 7) for h in (3, 1, 9, 8, 20, 5, 30)] + [YEAR_2100], partition=0)
    writer.transaction(topic, [ms(1.5), ms(0.2)], commit=True, partition=1)
    boundaries = [log_start_boundary(connection, topic, at(0))]
    boundaries += list(
        decide_boundaries(
            connection, topic, [at(h) for h in range(1, 6)], boundaries[0], datetime.now(UTC) + SKEW, SKEW
        )
    )
    seen = [
        (chunk.partition, offset)
        for lower, upper in pairwise(boundaries)
        for chunk in read_range(connection, range_between(topic, lower, upper))
        for offset in chunk.offsets
    ]
    assert sorted(seen) == [(0, offset) for offset in range(8)] + [(1, 0), (1, 1)]
    assert topic_identity(connection, topic).partitions == (0, 1)
