"""Errors keep their facts and their text when a worker process hands them to its parent."""

from __future__ import annotations

import pickle

import pytest

from streamguard_assets.kafka.dead_letters import DeadLetter, DeadLetterFailed
from streamguard_assets.kafka.errors import (
    BoundaryOrderError,
    DeliveryFailed,
    KafkaFailure,
    KafkaMisconfigured,
    KafkaRefused,
    KafkaUnavailable,
    OffsetOutOfRange,
    RetentionGap,
    TopicRecreated,
    UnknownPartition,
    UnknownTopic,
)

LETTER = DeadLetter("events", 1, 7, None, None, b"x", "syntax", "not JSON", None, "c0ffee", "a1")


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (KafkaMisconfigured("no such option"), ["no such option", "kafka"]),
        (KafkaUnavailable("host:9092", "reading", "no answer"), ["host:9092", "reading", "no answer", "settings"]),
        (KafkaRefused("host:9092", "reading", "not allowed", 29), ["host:9092", "reading", "not allowed", "29"]),
        (UnknownTopic("evnts", ["events"]), ["'evnts'", "events", "Create it"]),
        (UnknownPartition("events", [7], 3), ["'events'", "3 partitions", "partition 7"]),
        (TopicRecreated("events", "id-1", "id-2"), ["'events'", "id-1", "id-2", "new stream"]),
        (RetentionGap("events", 3, 10, 20), ["'events'", "partition 3", "[10, 20)", "Acknowledge"]),
        (OffsetOutOfRange("events", 3, 30, 20), ["'events'", "partition 3", "30", "20"]),
        (BoundaryOrderError("out of order"), ["out of order"]),
        (DeliveryFailed("events", 12, "too large"), ["'events'", "line 12", "too large"]),
        (DeadLetterFailed("dead", LETTER, "too large"), ["'dead'", "partition 1", "offset 7", "quarantine"]),
    ],
)
def test_an_error_says_what_and_where_and_travels_whole(error: KafkaFailure, facts: list[str]) -> None:
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    for fact in facts:
        assert fact in str(error)
