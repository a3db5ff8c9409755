"""Retention as Kafka will apply it, and how to switch it off."""

from __future__ import annotations

import pytest

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import KafkaRefused
from streamguard_assets.kafka.retention import keep_for_ever, retention_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS
from streamguard_assets.settings import KafkaSettings
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker]


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


@pytest.mark.parametrize(
    ("config", "expected_ms"),
    [
        ({}, FOR_EVER_MS),  # what the local broker does unless told otherwise
        ({"retention.ms": "60000"}, 60_000),
        ({"retention.ms": "-1"}, FOR_EVER_MS),
        ({"cleanup.policy": "compact"}, FOR_EVER_MS),
        ({"cleanup.policy": "compact,delete", "retention.ms": "60000"}, 60_000),
    ],
)
def test_what_is_in_force_is_told(
    connection: KafkaConnection, fresh_topic, config: dict[str, str], expected_ms: int
) -> None:
    assert retention_ms(connection, fresh_topic(config=config)) == expected_ms


def test_keeping_for_ever_leaves_other_settings_alone(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(config={"retention.ms": "60000", "cleanup.policy": "compact,delete"})
    keep_for_ever(connection, topic)
    keep_for_ever(connection, topic)
    # The broker answers before its own view of the topic has followed.
    assert wait_until(lambda: retention_ms(connection, topic) == FOR_EVER_MS)


def test_a_topic_that_is_not_there_is_refused(connection: KafkaConnection) -> None:
    with pytest.raises(KafkaRefused, match="setting the retention of topic 'nowhere'"):
        keep_for_ever(connection, "nowhere")
