"""A topic made ready for what is about to be produced to it."""

from __future__ import annotations

from dataclasses import dataclass

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.retention import keep_for_ever, retention_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic, topic_identity


@dataclass(frozen=True)
class PreparedTopic:
    """What was done. ``retention_ms`` is what was in force before, -1 for ever."""

    created: bool
    retention_ms: int
    retention_lifted: bool

    @property
    def forgets(self) -> bool:
        """Whether Kafka deletes records of the topic by their timestamp."""
        return self.retention_ms != FOR_EVER_MS and not self.retention_lifted


def prepare_topic(
    connection: KafkaConnection, topic: str, layout: TopicLayout, *, create: bool, lift_retention: bool
) -> PreparedTopic:
    """Make ``topic`` with ``layout`` if it is not there and ``create`` allows it; ``UnknownTopic`` if not.

    ``lift_retention`` sets a topic that deletes by age to keep its records for ever: retention goes by record
    timestamp, and records with the time of past events would be deleted within minutes.
    """
    created = create_topic(connection, topic, layout) if create else False
    if created:
        return PreparedTopic(True, layout.retention_ms, retention_lifted=False)
    topic_identity(connection, topic)
    before = retention_ms(connection, topic)
    lifted = lift_retention and before != FOR_EVER_MS
    if lifted:
        keep_for_ever(connection, topic)
    return PreparedTopic(False, before, lifted)
