"""Ends of logs as committed readers see them, and offsets by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import UnknownTopic
from streamguard_assets.kafka.offsets import (
    StampedOffset,
    epoch_ms,
    first_offsets_since,
    last_stable_offsets,
    log_start_offsets,
)
from streamguard_assets_tests.kafka.conftest import LogWriter


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_milliseconds_are_rounded_up(instant: datetime) -> None:
    below = EPOCH + timedelta(milliseconds=epoch_ms(instant) - 1)
    assert below < instant <= EPOCH + timedelta(milliseconds=epoch_ms(instant))


@pytest.mark.broker
def test_an_open_transaction_holds_the_stable_end_back(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, [1, 2, 3])
    producer = writer.open_transaction(topic, [4, 5])
    writer.write(topic, [6])
    assert last_stable_offsets(connection, topic) == {0: 3, 1: 0}
    writer.end_transaction(producer, topic, commit=True)
    assert last_stable_offsets(connection, topic) == {0: 7, 1: 0}  # two records, one more, and the marker


@pytest.mark.broker
def test_the_log_start_moves_with_retention(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=2)
    writer.write(topic, range(5))
    writer.delete_before(topic, 3)
    assert log_start_offsets(connection, topic) == {0: 3, 1: 0}


@pytest.mark.broker
def test_offsets_by_time_come_with_their_stamps_and_skip_partitions_without(
    connection: KafkaConnection, fresh_topic, writer: LogWriter
) -> None:
    topic = fresh_topic(partitions=3)
    writer.write(topic, [1_000, 3_000, 2_000], partition=0)
    writer.write(topic, [1_500], partition=1)
    asked = [EPOCH + timedelta(milliseconds=ms) for ms in (1_000, 1_501, 3_001)]
    assert first_offsets_since(connection, topic, [0, 1, 2], asked) == [
        {0: StampedOffset(0, 1_000), 1: StampedOffset(0, 1_500)},
        {0: StampedOffset(1, 3_000)},
        {},
    ]


@pytest.mark.broker
def test_only_the_partitions_asked_for_are_answered(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=3)
    assert log_start_offsets(connection, topic, [2]) == {2: 0}
    assert last_stable_offsets(connection, topic, []) == {}


@pytest.mark.broker
def test_an_unknown_topic_is_told(connection: KafkaConnection) -> None:
    with pytest.raises(UnknownTopic):
        last_stable_offsets(connection, "no-such-topic")
