"""Telling a consumer group where a reader is that keeps its offsets elsewhere: Kafka's own tools then show its lag."""

from __future__ import annotations

from concurrent.futures import Future

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.client import KafkaConnection


class GroupOffsets:
    """The committed offsets of ``group`` in ``topic``, set by a reader that never reads them back.

    Through the admin client and not the reader's own consumer: a commit there waits for its poll, and at its end the
    consumer waits for a commit that is under way, which a cluster that is away makes long.
    """

    def __init__(self, connection: KafkaConnection, topic: str, group: str) -> None:
        self._connection = connection
        self._topic = topic
        self._group = group
        self._told: Offsets = {}
        self._under_way: Future[ConsumerGroupTopicPartitions] | None = None

    def tell(self, positions: Offsets) -> None:
        """Set the offsets without waiting. While an answer is out, or when nothing has changed, nothing is asked.

        A cluster that does not take it is told again with the next call: it is news, and not what anything rests on.
        """
        if self._under_way is not None:
            if not self._under_way.done():
                return
            if self._under_way.exception() is not None:
                self._told = {}
            self._under_way = None
        if positions == self._told:
            return
        partitions = [TopicPartition(self._topic, p, offset) for p, offset in positions.items()]
        asked = self._connection.admin().alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self._group, partitions)],
            request_timeout=self._connection.request_timeout_s,
        )
        (self._under_way,) = asked.values()
        self._told = dict(positions)
