"""Why a stream cannot go on by itself. Each text says what happened, what it means, and what to do."""

# ruff: noqa: N818  (the names say what happened, as the words of the design do: RetentionGap, TopicRecreated)

from __future__ import annotations

from collections.abc import Sequence

from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from streamguard_assets.kafka.errors import TopicRecreated

STORE_FAULTS = (OSError, DeltaError, PolarsError)
"""What a store that is away raises: a full disk, a lost permission, no network."""


class StreamFailure(Exception):
    """Base of what ends a stream; what was committed stays exact."""


class PartitionAdded(StreamFailure):
    """The topic has partitions that the stream does not know, and the operator wants to be asked."""

    def __init__(self, topic: str, partitions: Sequence[int]) -> None:
        super().__init__(topic, tuple(partitions))
        self.topic = topic
        self.partitions = tuple(partitions)

    def __str__(self) -> str:
        added = ", ".join(map(str, self.partitions))
        return (
            f"topic {self.topic!r} got partition {added}, and streaming.on_partition_added is 'fail'. "
            "Set it to 'start' to read new partitions from their first record"
        )


class LiveTopicRecreated(TopicRecreated):
    """The stream's topic was deleted and made again."""

    def __str__(self) -> str:
        return (
            f"topic {self.topic!r} was recreated: the live tables hold offsets of id {self.recorded_id}, the cluster "
            f"now has id {self.current_id}. Records of the old topic that were not read are gone. Set "
            "streaming.on_topic_recreated to 'skip' to go on with the new topic from its start"
        )


class StoreFault(StreamFailure):
    """The lake did not take a commit for as long as the stream waits for it. Nothing was lost: it reads again."""

    def __init__(self, waited_s: float, reason: str) -> None:
        super().__init__(waited_s, reason)
        self.waited_s = waited_s
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the lake took no commit for {self.waited_s:.0f} s: {self.reason}. Mend that and start the stream again; "
            "it goes on at its last committed offsets"
        )


class Reopen(StreamFailure):
    """The topic is not what the session was opened on: it has to look anew, and decide by the settings."""
