"""Rejected records on a dead-letter topic, with the header names that Kafka Connect gives them.

Tools that read Connect's dead letters read these. Delivery is at least once: a window that is built again sends its
rejects again, and ``topic``, ``partition`` and ``offset`` in the headers tell a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.delivery import Outbox
from streamguard_assets.kafka.errors import KafkaFailure
from streamguard_assets.kafka.offsets import epoch_ms

PREFIX = "__connect.errors."
STAGE = "VALUE_CONVERTER"
"""Connect's name for the step that turns bytes into a typed record, which is where our verdicts fall."""

SOURCE_TIMESTAMP_HEADER = "streamguard.source.timestamp_ms"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One rejected record: where it was, its raw bytes, and why it was rejected."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    code: str
    reason: str
    json_path: str | None
    contract_hash: str
    attempt: str

    @classmethod
    def from_quarantine_row(cls, row: Mapping[str, Any]) -> DeadLetter:
        """The letter for one row of a ``quarantine`` table."""
        stamp = row["kafka_timestamp"]
        return cls(
            topic=row["topic"],
            partition=row["kafka_partition"],
            offset=row["kafka_offset"],
            timestamp_ms=None if stamp is None else epoch_ms(stamp),
            key=row["key"],
            value=row["value"],
            code=row["code"],
            reason=row["reason"],
            json_path=row["json_path"],
            contract_hash=row["contract_hash"],
            attempt=row["attempt"],
        )


class DeadLetterFailed(KafkaFailure):
    """A dead letter was not taken by the cluster; the record is still in ``quarantine``."""

    def __init__(self, dead_letter_topic: str, letter: DeadLetter, reason: str) -> None:
        super().__init__(dead_letter_topic, letter, reason)
        self.dead_letter_topic = dead_letter_topic
        self.letter = letter
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the dead letter of {self.letter.topic} partition {self.letter.partition} offset {self.letter.offset} was "
            f"not delivered to topic {self.dead_letter_topic!r}: {self.reason}. The record is in quarantine; building "
            "its window again sends it again"
        )


def dead_letter_headers(letter: DeadLetter, stream: str) -> list[tuple[str, bytes]]:
    """Connect's headers of one rejected record: the stream is the connector, the attempt the task, the contract
    (by its hash) the class that refused.

    There is no stack trace: a verdict is not a crash. The record's own timestamp is a header of ours, because the
    dead letter is stamped with the time of its rejection.
    """
    message = letter.reason if letter.json_path is None else f"{letter.reason} (at {letter.json_path})"
    texts = {
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "connector.name": stream,
        "task.id": letter.attempt,
        "stage": STAGE,
        "class.name": letter.contract_hash,
        "exception.class.name": letter.code,
        "exception.message": message,
    }
    headers = [(PREFIX + name, text.encode()) for name, text in texts.items()]
    if letter.timestamp_ms is not None:
        headers.append((SOURCE_TIMESTAMP_HEADER, str(letter.timestamp_ms).encode()))
    return headers


def send_dead_letters(
    connection: KafkaConnection,
    dead_letter_topic: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    stream: str = "streamguard",
) -> int:
    """Send every row of a ``quarantine`` table, raw key and value as they were; returns their number once the cluster
    has them.

    Raises ``DeadLetterFailed`` for the first that was not taken, ``UnknownTopic``, ``KafkaUnavailable``.
    """
    outbox = Outbox(connection, dead_letter_topic)
    try:
        for letter in map(DeadLetter.from_quarantine_row, rows):
            headers = dead_letter_headers(letter, stream)
            failure_of = partial(DeadLetterFailed, dead_letter_topic, letter)
            outbox.send(letter.value, failure_of, key=letter.key, headers=headers)
            outbox.serve()
        outbox.finish()
    except BaseException:
        outbox.abandon()
        raise
    return outbox.delivered
