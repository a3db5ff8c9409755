"""How long a topic keeps records. Kafka counts from each record's own timestamp, not from its arrival."""

from __future__ import annotations

from confluent_kafka.admin import (
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage]
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import FOR_EVER_MS

RETENTION = "retention.ms"
POLICY = "cleanup.policy"


def retention_ms(connection: KafkaConnection, topic: str) -> int:
    """The age at which Kafka deletes records of ``topic``, its own setting or the cluster's; -1 for never.

    A topic that is compacted only never deletes by age.
    """
    resource = ConfigResource(ResourceType.TOPIC, topic)
    future = connection.admin().describe_configs([resource], request_timeout=connection.request_timeout_s)[resource]
    entries = connection.answer(future, f"reading the retention of topic {topic!r}")
    if "delete" not in entries[POLICY].value.split(","):
        return FOR_EVER_MS
    return int(entries[RETENTION].value)


def keep_for_ever(connection: KafkaConnection, topic: str) -> None:
    """Set ``retention.ms`` of ``topic`` to -1, so that records with historical stamps are not deleted on arrival."""
    entry = ConfigEntry(RETENTION, str(FOR_EVER_MS), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = connection.admin()
    future = admin.incremental_alter_configs([resource], request_timeout=connection.request_timeout_s)[resource]
    connection.answer(future, f"setting the retention of topic {topic!r}")
