"""The topic as the judge: every committed record, read with nothing but the plain client."""

from __future__ import annotations

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamguard_assets.chaos.numbered_events import named_in

POLL_S = 1.0
SILENT_POLLS = 120
"""Polls in a row without an answer after which the broker counts as gone for good."""
BATCH_RECORDS = 5_000
SCHEMA = {"partition": pl.Int32, "offset": pl.Int64, "event_id": pl.String, "is_good": pl.Boolean}


class LogUnreadable(Exception):  # noqa: N818 - the name says what happened
    """The broker did not give the end of a partition; the text names the topic and how long it was asked."""


class CommittedLog:
    """``records``: partition, offset, event_id, is_good of every committed record read so far."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._options = {
            "bootstrap.servers": servers,
            "group.id": "chaos-witness",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
        self.topic = topic
        self.positions = dict.fromkeys(range(partitions), 0)
        self._frames: list[pl.DataFrame] = [pl.DataFrame(schema=SCHEMA)]

    @property
    def records(self) -> pl.DataFrame:
        """What was read so far."""
        self._frames = [pl.concat(self._frames)]
        return self._frames[0]

    def catch_up(self) -> None:
        """Read on to the last stable offset of this moment; ``LogUnreadable`` when the broker does not answer."""
        consumer = Consumer(self._options)
        try:
            consumer.assign([TopicPartition(self.topic, p, at) for p, at in self.positions.items()])
            self._read_to_the_end(consumer)
        finally:
            consumer.close()

    def _read_to_the_end(self, consumer: Consumer) -> None:
        reading, silent = set(self.positions), 0
        while reading:
            messages = consumer.consume(BATCH_RECORDS, POLL_S / 10)
            silent = 0 if messages else silent + 1
            if silent > SILENT_POLLS * 10:
                raise LogUnreadable(f"partitions {sorted(reading)} of {self.topic} gave no end in {SILENT_POLLS} s")
            self._keep([message for message in messages if message.error() is None])
            for message in messages:
                error = message.error()
                if error is not None:
                    self._note_event(message, error, reading)

    def _keep(self, messages: list[Message]) -> None:
        if not messages:
            return
        named = [named_in(key if isinstance(key, bytes) else None) for key in map(Message.key, messages)]
        columns = {
            "partition": [message.partition() for message in messages],
            "offset": [message.offset() for message in messages],
            "event_id": [event_id for event_id, _ in named],
            "is_good": [is_good for _, is_good in named],
        }
        frame = pl.DataFrame(columns, schema=SCHEMA)
        self._frames.append(frame)
        for partition, last in frame.group_by("partition").agg(pl.col("offset").max()).iter_rows():
            self.positions[partition] = last + 1

    def _note_event(self, message: Message, error: KafkaError, reading: set[int]) -> None:
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF and partition is not None and offset is not None:
            self.positions[partition] = max(self.positions[partition], offset)
            reading.discard(partition)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET or error.fatal():
            raise KafkaException(error)
