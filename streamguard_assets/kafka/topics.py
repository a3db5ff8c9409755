"""Topics: making them, telling what they are, and changing them. What is inside them is the business of others."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import NewPartitions, NewTopic  # pyright: ignore[reportPrivateImportUsage]

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import KafkaRefused, UnknownTopic

if TYPE_CHECKING:  # as in ``kafka.client``
    from streamguard_assets.settings import Settings

HOUR_MS = 3_600_000
FOR_EVER_MS = -1
POLL_S = 0.02


@dataclass(frozen=True)
class TopicLayout:
    """How a topic is made. ``retention_ms`` -1 keeps records for ever."""

    partitions: int
    replication: int
    retention_ms: int

    @classmethod
    def from_settings(
        cls, settings: Settings, *, replay: bool = False, retention_hours: int | None = None
    ) -> TopicLayout:
        """The layout of a new topic: the local broker's when no cluster is set, else the cluster's.

        ``replay``: the topic will hold records with historical stamps. Retention goes by record timestamp, so any
        other retention than "for ever" deletes such records within minutes. ``retention_hours`` (-1: for ever) is by
        default that of the settings.
        """
        local = settings.kafka.bootstrap_servers is None
        hours = settings.kafka.topic_retention_hours if retention_hours is None else retention_hours
        return cls(
            partitions=settings.broker.topic_partitions if local else settings.kafka.topic_partitions,
            replication=1 if local else settings.kafka.topic_replication,
            retention_ms=FOR_EVER_MS if replay or hours < 0 else hours * HOUR_MS,
        )


@dataclass(frozen=True)
class TopicIdentity:
    """Which topic this is, and the partitions that it has now."""

    topic: str
    topic_id: str
    partitions: tuple[int, ...]
    has_leaders: bool


def create_topic(
    connection: KafkaConnection, topic: str, layout: TopicLayout, *, config: Mapping[str, str] | None = None
) -> bool:
    """Make ``topic`` and wait until it is served; False when it was already there (it is left as it is)."""
    wanted = NewTopic(
        topic,
        num_partitions=layout.partitions,
        replication_factor=layout.replication,
        config={"retention.ms": str(layout.retention_ms), **(config or {})},
    )
    timeout_s = connection.request_timeout_s
    future = connection.admin().create_topics([wanted], operation_timeout=timeout_s, request_timeout=timeout_s)[topic]
    try:
        connection.answer(future, f"creating topic {topic!r}")
    except KafkaRefused as refusal:
        if refusal.code == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    _wait_until_served(connection, topic, layout.partitions)
    return True


def add_partitions(connection: KafkaConnection, topic: str, total: int) -> None:
    """Grow ``topic`` to ``total`` partitions and wait until they are served."""
    future = connection.admin().create_partitions(
        [NewPartitions(topic, total)], request_timeout=connection.request_timeout_s
    )[topic]
    connection.answer(future, f"growing topic {topic!r} to {total} partitions")
    _wait_until_served(connection, topic, total)


def delete_topic(connection: KafkaConnection, topic: str) -> None:
    """Delete ``topic`` and wait until the cluster no longer knows it."""
    timeout_s = connection.request_timeout_s
    future = connection.admin().delete_topics([topic], operation_timeout=timeout_s, request_timeout=timeout_s)[topic]
    connection.answer(future, f"deleting topic {topic!r}")
    _poll_until(connection, f"waiting for topic {topic!r} to go", lambda: _identity(connection, topic) is None)


def topic_identity(connection: KafkaConnection, topic: str) -> TopicIdentity:
    """The topic's id and partitions, in one request; ``UnknownTopic`` lists near names."""
    identity = _identity(connection, topic)
    if identity is None:
        raise UnknownTopic(topic, difflib.get_close_matches(topic, list_topics(connection), n=5))
    return identity


def topic_id(connection: KafkaConnection, topic: str) -> str:
    """Kafka's own UUID of the topic; another one under the same name is another topic."""
    return topic_identity(connection, topic).topic_id


def list_topics(connection: KafkaConnection) -> list[str]:
    """Names of all topics, sorted, Kafka's own (``__…``) left out."""
    try:
        metadata = connection.admin().list_topics(timeout=connection.request_timeout_s)
    except KafkaException as error:
        raise connection.failure(error.args[0], "listing topics") from error
    return sorted(name for name in metadata.topics if not name.startswith("__"))


def _identity(connection: KafkaConnection, topic: str) -> TopicIdentity | None:
    future = connection.admin().describe_topics(TopicCollection([topic]), request_timeout=connection.request_timeout_s)[
        topic
    ]
    try:
        description = connection.answer(future, f"describing topic {topic!r}")
    except KafkaRefused as refusal:
        if refusal.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    return TopicIdentity(
        topic=topic,
        topic_id=_as_kafka_writes(str(description.topic_id)),
        partitions=tuple(sorted(p.id for p in description.partitions)),
        has_leaders=all(p.leader is not None and p.leader.id >= 0 for p in description.partitions),
    )


def _as_kafka_writes(topic_id: str) -> str:
    """librdkafka writes ids in plain base64, Kafka's own tools in the URL-safe one: ours can be looked up in theirs."""
    return topic_id.translate(str.maketrans("+/", "-_"))


def _wait_until_served(connection: KafkaConnection, topic: str, partitions: int) -> None:
    """The controller answers before the brokers know: a client that asks at once would be told "unknown topic"."""

    def served() -> bool:
        identity = _identity(connection, topic)
        return identity is not None and len(identity.partitions) >= partitions and identity.has_leaders

    _poll_until(connection, f"waiting for topic {topic!r} to be served", served)


def _poll_until(connection: KafkaConnection, doing: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + connection.request_timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise connection.unavailable(doing, f"not done after {connection.request_timeout_s:g} s")
        connection.admin().poll(POLL_S)  # Kafka has no event for it; this waits, and serves librdkafka meanwhile
