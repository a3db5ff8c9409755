"""What a person wants to know of a topic at a glance: its id, offsets and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka.admin import (
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    ConfigSource,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.topics import topic_identity


@dataclass(frozen=True)
class TopicDescription:
    """A topic as it stands. ``config`` holds only what was set on the topic itself."""

    topic: str
    topic_id: str
    log_starts: Offsets
    last_stable_offsets: Offsets
    config: Mapping[str, str]

    @property
    def partitions(self) -> list[int]:
        return sorted(self.log_starts)

    @property
    def span(self) -> int:
        """Offsets held; an upper bound of the records, since logs have holes."""
        return sum(self.last_stable_offsets[p] - start for p, start in self.log_starts.items())


def describe_topic(connection: KafkaConnection, topic: str) -> TopicDescription:
    """Id, partitions, offsets and configuration of ``topic``; ``UnknownTopic`` when there is none."""
    identity = topic_identity(connection, topic)
    return TopicDescription(
        topic=topic,
        topic_id=identity.topic_id,
        log_starts=log_start_offsets(connection, topic, identity.partitions),
        last_stable_offsets=last_stable_offsets(connection, topic, identity.partitions),
        config=_own_config(connection, topic),
    )


def _own_config(connection: KafkaConnection, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    future = connection.admin().describe_configs([resource], request_timeout=connection.request_timeout_s)[resource]
    entries = connection.answer(future, f"reading the configuration of topic {topic!r}")
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {name: entry.value for name, entry in sorted(entries.items()) if entry.source == own}
