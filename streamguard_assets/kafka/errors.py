"""What can go wrong between us and Kafka, as types whose text says what, where and what to do.

Every error keeps its facts as attributes and travels between processes: a worker's error reaches its parent whole.
"""

from __future__ import annotations

from collections.abc import Sequence


class KafkaFailure(Exception):  # noqa: N818 - the other name belongs to the client library
    """Base of every error of this room. Subclasses hand their facts to ``super().__init__`` so that they pickle."""


class KafkaMisconfigured(KafkaFailure):
    """librdkafka refused an option. ``reason`` never holds the value of a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Kafka client options are wrong: {self.reason}. Check the settings under `kafka`"


class KafkaUnavailable(KafkaFailure):
    """No answer within the bound: the cluster is away, refuses us, or stopped answering in the middle."""

    def __init__(self, bootstrap_servers: str, doing: str, reason: str) -> None:
        super().__init__(bootstrap_servers, doing, reason)
        self.bootstrap_servers = bootstrap_servers
        self.doing = doing
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Kafka at {self.bootstrap_servers} is not available while {self.doing}: {self.reason}. "
            "Check that the cluster runs and that kafka.bootstrap_servers, kafka.security_protocol and the sasl "
            "settings are right; a slow cluster needs a longer kafka.request_timeout_ms"
        )


class LeaderMoved(KafkaUnavailable):
    """The broker that was asked no longer leads the partition: asking again finds the one that does."""


class KafkaRefused(KafkaFailure):
    """The cluster answered, and said no. ``code`` is Kafka's error code."""

    def __init__(self, bootstrap_servers: str, doing: str, reason: str, code: int) -> None:
        super().__init__(bootstrap_servers, doing, reason, code)
        self.bootstrap_servers = bootstrap_servers
        self.doing = doing
        self.reason = reason
        self.code = code

    def __str__(self) -> str:
        return f"Kafka at {self.bootstrap_servers} refused {self.doing}: {self.reason} (Kafka error {self.code})"


class UnknownTopic(KafkaFailure):
    """The topic is not there, or not visible to this user."""

    def __init__(self, topic: str, near: Sequence[str] = ()) -> None:
        super().__init__(topic, tuple(near))
        self.topic = topic
        self.near = tuple(near)

    def __str__(self) -> str:
        hint = f"; near names: {', '.join(self.near)}" if self.near else ""
        return f"there is no topic {self.topic!r}{hint}. Create it, or correct the stream's `topic` setting"


class UnknownPartition(KafkaFailure):
    """The topic is there, and has fewer partitions than were asked for."""

    def __init__(self, topic: str, missing: Sequence[int], partitions: int) -> None:
        super().__init__(topic, tuple(missing), partitions)
        self.topic = topic
        self.missing = tuple(missing)
        self.partitions = partitions

    def __str__(self) -> str:
        missing = ", ".join(map(str, self.missing))
        return (
            f"topic {self.topic!r} has {self.partitions} partitions, numbered from 0; there is no partition {missing}"
        )


class TopicRecreated(KafkaFailure):
    """The topic was deleted and made again: its offsets no longer mean what the ledger says."""

    def __init__(self, topic: str, recorded_id: str, current_id: str) -> None:
        super().__init__(topic, recorded_id, current_id)
        self.topic = topic
        self.recorded_id = recorded_id
        self.current_id = current_id

    def __str__(self) -> str:
        return (
            f"topic {self.topic!r} was recreated: its boundaries were decided on id {self.recorded_id}, the cluster "
            f"now has id {self.current_id}. The old offsets are gone; keep the old windows and configure a new stream "
            "for the new topic, or reset this stream's ledger"
        )


class RetentionGap(KafkaFailure):
    """Kafka deleted offsets ``[missing_start, missing_end)`` that are still needed."""

    def __init__(self, topic: str, partition: int, missing_start: int, missing_end: int) -> None:
        super().__init__(topic, partition, missing_start, missing_end)
        self.topic = topic
        self.partition = partition
        self.missing_start = missing_start
        self.missing_end = missing_end

    def __str__(self) -> str:
        return (
            f"topic {self.topic!r} partition {self.partition}: offsets [{self.missing_start}, {self.missing_end}) are "
            "needed, and retention has deleted them. Acknowledge the gap to go on without these records; raise the "
            "topic's retention.ms so that windows are built before it wins"
        )


class OffsetOutOfRange(KafkaFailure):
    """An offset past the end of what committed readers can see: a wrong range, or a log that lost its tail."""

    def __init__(self, topic: str, partition: int, offset: int, last_stable_offset: int) -> None:
        super().__init__(topic, partition, offset, last_stable_offset)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.last_stable_offset = last_stable_offset

    def __str__(self) -> str:
        return (
            f"topic {self.topic!r} partition {self.partition}: offset {self.offset} is past the last stable offset "
            f"{self.last_stable_offset}. Ask for a range that ends there; if this offset existed before, the partition "
            "lost records (an unclean leader election) and what follows is not what was read"
        )


class BoundaryOrderError(KafkaFailure, ValueError):
    """A boundary was asked for out of time order, or before its instant has come."""


class DeliveryFailed(KafkaFailure):
    """The cluster did not take a record. ``line_number`` counts from 1."""

    def __init__(self, topic: str, line_number: int, reason: str) -> None:
        super().__init__(topic, line_number, reason)
        self.topic = topic
        self.line_number = line_number
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"line {self.line_number} was not delivered to topic {self.topic!r}: {self.reason}. A broker "
            "refuses a batch whole, so the cause may be a line soon after it. Lines before it may have been delivered: "
            "producing the file again makes their events twice"
        )
