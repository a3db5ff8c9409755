"""Topics: made once, known by Kafka's own id, told apart after a recreation."""

from __future__ import annotations

import uuid

import pytest

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import UnknownTopic
from streamguard_assets.kafka.topic_description import describe_topic
from streamguard_assets.kafka.topics import (
    TopicLayout,
    add_partitions,
    create_topic,
    delete_topic,
    list_topics,
    topic_id,
    topic_identity,
)
from streamguard_assets.settings import Settings
from streamguard_assets_tests.kafka.conftest import LogWriter

HOUR_MS = 3_600_000


def name() -> str:
    return f"topics-{uuid.uuid4().hex}"


def tree(**kafka: object) -> Settings:
    return Settings.model_validate({"kafka": kafka})


def test_a_cluster_gets_production_defaults_and_the_local_broker_its_own() -> None:
    assert TopicLayout.from_settings(tree(bootstrap_servers="a:1")) == TopicLayout(12, 1, 168 * HOUR_MS)
    assert TopicLayout.from_settings(tree()) == TopicLayout(3, 1, 168 * HOUR_MS)
    own = tree(bootstrap_servers="a:1", topic_partitions=5, topic_replication=3, topic_retention_hours=-1)
    assert TopicLayout.from_settings(own) == TopicLayout(5, 3, -1)


def test_a_topic_for_historical_records_keeps_them() -> None:
    assert TopicLayout.from_settings(tree(bootstrap_servers="a:1"), replay=True).retention_ms == -1


@pytest.mark.broker
def test_a_topic_is_made_once_and_served_at_once(connection: KafkaConnection) -> None:
    topic = name()
    assert create_topic(connection, topic, TopicLayout(4, 1, 7 * HOUR_MS), config={"cleanup.policy": "compact"})
    described = describe_topic(connection, topic)
    assert described.partitions == [0, 1, 2, 3]
    assert described.config == {"cleanup.policy": "compact", "retention.ms": str(7 * HOUR_MS)}
    assert described.span == 0
    assert not create_topic(connection, topic, TopicLayout(9, 1, 1))
    assert topic_identity(connection, topic).partitions == (0, 1, 2, 3)
    assert topic in list_topics(connection)


@pytest.mark.broker
def test_an_unknown_topic_is_told_with_near_names(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(prefix="nearly")
    with pytest.raises(UnknownTopic, match=topic):
        topic_identity(connection, topic[:-1])
    with pytest.raises(UnknownTopic):
        describe_topic(connection, "no-such-topic")


@pytest.mark.broker
def test_partitions_can_be_added(connection: KafkaConnection, fresh_topic, writer: LogWriter) -> None:
    topic = fresh_topic(partitions=1)
    before = topic_id(connection, topic)
    add_partitions(connection, topic, 3)
    writer.write(topic, [1, 2], partition=2)
    assert topic_id(connection, topic) == before
    assert describe_topic(connection, topic).last_stable_offsets == {0: 0, 1: 0, 2: 2}


@pytest.mark.broker
def test_a_recreated_topic_has_another_id(connection: KafkaConnection) -> None:
    topic, layout = name(), TopicLayout(1, 1, -1)
    create_topic(connection, topic, layout)
    first = topic_id(connection, topic)
    delete_topic(connection, topic)
    assert topic not in list_topics(connection)
    create_topic(connection, topic, layout)
    second = topic_id(connection, topic)
    assert first != second
    assert {len(first), len(second)} == {22}
    assert not set("+/=") & set(first + second)  # as Kafka's own tools write them
