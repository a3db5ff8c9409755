"""Producing records whose time and key are known: nothing is read out of their values again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.delivery import POLL_S, Outbox
from streamguard_assets.kafka.errors import KafkaFailure
from streamguard_assets.kafka.producer import PROGRESS_EVERY, ProduceReport


class RecordNotTaken(KafkaFailure):
    """The cluster did not take a record."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic = topic
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"a record was not delivered to topic {self.topic!r}: {self.reason}. Records before it may have been "
            "delivered: producing all of them again makes those twice"
        )


def produce_records(
    connection: KafkaConnection, topic: str, records: Iterable[tuple[int, str, bytes]]
) -> ProduceReport:
    """Send each ``(timestamp ms, key, value)`` as one record and return when the cluster has all of them.

    ``records`` may wait between two of them; what was sent before is delivered meanwhile, and a failure is raised at
    the next record. Records of one key stay in order. Raises ``RecordNotTaken``, ``UnknownTopic``,
    ``KafkaUnavailable``. Memory is bounded by librdkafka's queue.
    """
    outbox, report = Outbox(connection, topic), ProduceReport()
    not_taken = partial(RecordNotTaken, topic)
    served_s = time.monotonic()
    try:
        for stamp_ms, key, value in records:
            outbox.send(value, not_taken, key=key, timestamp=stamp_ms)
            report.sent += 1
            report.note_stamp(stamp_ms)
            if report.sent % PROGRESS_EVERY == 0 or time.monotonic() - served_s > POLL_S:
                outbox.serve()
                served_s = time.monotonic()
        outbox.finish()
    except BaseException:
        outbox.abandon()
        raise
    report.produced, report.last_offsets = outbox.delivered, outbox.last_offsets
    return report
