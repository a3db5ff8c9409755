from __future__ import annotations

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.group_offsets import GroupOffsets
from streamguard_assets_tests.conftest import TopicFactory
from streamguard_assets_tests.kafka.conftest import LogWriter
from streamguard_assets_tests.waiting import wait_until


@pytest.mark.broker
def test_kafkas_own_tools_see_what_a_group_was_told(
    connection: KafkaConnection, writer: LogWriter, fresh_topic: TopicFactory
) -> None:
    topic = fresh_topic(partitions=1)
    writer.write(topic, range(10))
    group = GroupOffsets(connection, topic, f"group-of-{topic}")

    def told(positions: dict[int, int]) -> int:
        group.tell(positions)
        asked = ConsumerGroupTopicPartitions(f"group-of-{topic}", [TopicPartition(topic, 0)])
        (answer,) = connection.admin().list_consumer_group_offsets([asked]).values()
        return answer.result().topic_partitions[0].offset

    assert wait_until(lambda: told({0: 4}) == 4, 30.0)
    assert wait_until(lambda: told({0: 7}) == 7, 30.0)


def test_a_cluster_that_is_away_is_not_waited_for() -> None:
    away = KafkaConnection({"bootstrap.servers": "127.0.0.1:1"}, request_timeout_ms=200)
    group = GroupOffsets(away, "topic", "group")

    group.tell({0: 1})
    group.tell({0: 2})  # the answer to the first is still out, and nothing is raised
