"""The facts of a topic that a long read has to know, asked for beside it so that it waits for no answer."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.topics import topic_identity


@dataclass(frozen=True)
class TopicFacts:
    """A topic at one moment: its id, and first and last stable offset of each partition."""

    topic_id: str
    log_starts: Offsets
    end_offsets: Offsets


def topic_facts(connection: KafkaConnection, topic: str) -> TopicFacts:
    """Ask now. Raises ``UnknownTopic`` and ``KafkaUnavailable``."""
    identity = topic_identity(connection, topic)
    return TopicFacts(
        identity.topic_id,
        log_start_offsets(connection, topic, identity.partitions),
        last_stable_offsets(connection, topic, identity.partitions),
    )


class TopicWatch:
    """Asks in a thread of its own, one question at a time."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="topic-watch")

    def ask(self) -> Future[TopicFacts]:
        """The facts as of a moment after this call. The future carries what ``topic_facts`` raises."""
        return self._asker.submit(topic_facts, self._connection, self._topic)

    def close(self) -> None:
        """Ask nothing more. A question that is under way ends by its own time-out; nobody waits for it."""
        self._asker.shutdown(wait=False, cancel_futures=True)
