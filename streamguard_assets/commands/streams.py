"""What commands need of streams: opened by name, with topics that exist."""

from __future__ import annotations

from datetime import UTC, datetime

from streamguard_assets.commands.output import print_note
from streamguard_assets.kafka.topics import TopicLayout, create_topic, list_topics
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream, kafka_connection, open_stream


def opened(settings: Settings, name: str) -> Stream:
    """The stream ``name``; Kafka is asked only when something needs it."""
    return open_stream(settings, name, lake_location(settings))


def now() -> datetime:
    """The clock of the commands."""
    return datetime.now(UTC)


def prepare_topics(settings: Settings) -> None:
    """Create the topics of the configured streams that are not there, on the local broker only.

    A cluster's topics belong to its people: a missing one there is an error of the command that needs it.
    """
    if settings.kafka.bootstrap_servers is not None:
        return
    connection = kafka_connection(settings)
    present = set(list_topics(connection))
    layout = TopicLayout.from_settings(settings)
    of_batches = TopicLayout.from_settings(settings, retention_hours=settings.batches.topic_retention_hours)
    for stream in settings.streams.values():
        wanted = {stream.topic: layout, **dict.fromkeys(stream.batch_topics, of_batches)}
        if stream.dead_letter_topic is not None:
            wanted[stream.dead_letter_topic] = layout
        for topic, its_layout in wanted.items():
            if topic not in present and create_topic(connection, topic, its_layout):
                print_note(f"created topic {topic}")
