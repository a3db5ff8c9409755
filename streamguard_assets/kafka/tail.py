"""A read without end: the committed records of a topic from given offsets on, as they come.

Partitions are assigned and never balanced, and offsets come from the caller, so no consumer group has a say in who
reads what. What the group sees is only told to it, for the tools that show its lag.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.client import KafkaConnection, LastError
from streamguard_assets.kafka.reader import BATCH_RECORDS, COMMITTED, MISSING

CLOSE_S = 2.0
"""How long an end waits for the client to say goodbye."""

TAIL_FETCH: dict[str, Any] = {
    # how long the broker may hold an answer back when nothing is there: an idle topic is asked four times a second
    "fetch.wait.max.ms": 250,
    # the default leaves a full partition alone for 1 s: 3 to 4 times slower
    "fetch.queue.backoff.ms": 5,
    # bounds memory when the caller is slower than the broker
    "queued.max.messages.kbytes": 64 * 1024,
}


@dataclass(frozen=True)
class Taken:
    """What one look brought.

    ``records`` are runs of records of one partition, offsets ascending. ``reached`` are positions that the log has
    shown to be its end: nothing visible stands before them. ``lost`` are partitions whose position the log no longer
    has, or does not have yet.
    """

    records: Sequence[tuple[int, list[Message]]] = ()
    reached: Mapping[int, int] = field(default_factory=dict)
    lost: Sequence[int] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.records or self.reached or self.lost)


class TopicTail:
    """One consumer, assigned to every partition of ``positions`` at its offset there. ``close`` it at the end."""

    def __init__(self, connection: KafkaConnection, topic: str, positions: Offsets, *, group: str) -> None:
        self.topic = topic
        self.last_error = LastError()
        self._connection = connection
        # The group is only told where the stream is; see ``publish``.
        options = {**COMMITTED, "group.id": group}
        self._consumer: Consumer | None = connection.consumer(options, TAIL_FETCH, self.last_error)
        self._published: Offsets = {}
        self._consumer.assign([TopicPartition(topic, p, offset) for p, offset in positions.items()])

    def close(self) -> None:
        """Leave the cluster; harmless when done twice.

        Beside the caller, who waits only a little: closing waits for a commit of the group that is under way, which
        takes most of a minute when the cluster is away, and nothing depends on it.
        """
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            closing = threading.Thread(target=consumer.close, name=f"close-{self.topic}", daemon=True)
            closing.start()
            closing.join(CLOSE_S)

    def publish(self, positions: Offsets) -> None:
        """Tell the group where the stream is, without waiting: Kafka's own tools then show its lag.

        Nothing here reads it back. From the thread that calls ``take``: librdkafka makes any other one wait until a
        look is over. A cluster that does not take it is told again with the next positions.
        """
        if positions == self._published or self._consumer is None:
            return
        offsets = [TopicPartition(self.topic, p, offset) for p, offset in positions.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self.last_error(error.args[0])
        self._published = dict(positions)

    def take(self, timeout_s: float, linger_s: float = 0.0) -> Taken:
        """What has come; waits at most ``timeout_s``, and only when nothing has.

        With ``linger_s`` it waits so long for a full look: a few large ones cost less than many small ones.

        Raises ``KafkaRefused`` when the cluster says no for good, and ``KafkaMisconfigured``. A cluster that is away
        shows as nothing: librdkafka looks for it by itself, and ``last_error`` tells.
        """
        consumer = self._consumer
        if consumer is None:
            raise RuntimeError(f"the read of topic {self.topic!r} was closed")
        try:
            messages = consumer.consume(BATCH_RECORDS, linger_s)
            if not messages:
                message = consumer.poll(timeout_s)
                messages = [] if message is None else [message]
        except KafkaException as error:
            raise self._connection.failure(error.args[0], f"reading topic {self.topic!r}", self.last_error) from error
        if not messages:
            return Taken()
        if not any(map(Message.error, messages)):
            return Taken(_by_partition(messages))
        return self._with_events(messages)

    def _with_events(self, messages: Sequence[Message]) -> Taken:
        records: list[Message] = []
        reached: dict[int, int] = {}
        lost: list[int] = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
                continue
            partition = message.partition()
            if error.code() == KafkaError._PARTITION_EOF and partition is not None:
                reached[partition] = message.offset() or 0
            elif error.code() == KafkaError._AUTO_OFFSET_RESET and partition is not None:
                lost.append(partition)
            elif error.code() in MISSING or error.retriable():
                self.last_error(error)
            else:
                raise self._connection.failure(error, f"reading topic {self.topic!r}", self.last_error)
        return Taken(_by_partition(records), reached, lost)


def _by_partition(messages: Sequence[Message]) -> list[tuple[int, list[Message]]]:
    """Runs of one partition each. librdkafka hands out what it fetched of a partition at once, so runs are long."""
    return [(partition, list(run)) for partition, run in groupby(messages, Message.partition) if partition is not None]
