"""Producing lines as records: idempotent, at a chosen rate, and with an account of what went where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.delivery import POLL_S, Outbox
from streamguard_assets.kafka.errors import DeliveryFailed

PROGRESS_EVERY = 1_000
"""Lines between two calls of ``progress``, and between two looks at finished deliveries."""

SHORTEST_WAIT_S = 0.001
"""A poll cannot wait for less, and a loop of shorter ones would burn the processor."""


@dataclass
class ProduceReport:
    """What was produced: ``sent`` by us, ``produced`` as the cluster says.

    Offsets are of the last record per partition; stamps are epoch milliseconds.
    ``unstamped`` counts lines for which ``timestamp_of`` knew no time: they carry the producer's clock.
    """

    sent: int = 0
    produced: int = 0
    blank: int = 0
    unstamped: int = 0
    earliest_ms: int | None = None
    latest_ms: int | None = None
    last_offsets: dict[int, int] = field(default_factory=dict)

    def note_stamp(self, stamp_ms: int) -> None:
        self.earliest_ms = stamp_ms if self.earliest_ms is None else min(self.earliest_ms, stamp_ms)
        self.latest_ms = stamp_ms if self.latest_ms is None else max(self.latest_ms, stamp_ms)


def produce_lines(
    connection: KafkaConnection,
    topic: str,
    lines: Iterable[bytes],
    *,
    timestamps: Literal["event", "now"] = "now",
    timestamp_of: Callable[[bytes], int | None] | None = None,
    key_of: Callable[[bytes], bytes | None] | None = None,
    rate_per_s: float | None = None,
    progress: Callable[[int], None] = lambda _sent: None,
    clock: Callable[[], float] = time.monotonic,
) -> ProduceReport:
    """Send each line as one record and return when the cluster has all of them.

    The line's end is cut off; blank lines are counted and left out. ``timestamps="event"`` stamps records with
    ``timestamp_of(line)`` (epoch milliseconds; None: the producer's clock, counted), "now" with the producer's clock.
    ``progress`` is called with the number of lines sent so far, about every 1,000 lines and at the end.

    Raises ``DeliveryFailed`` with the number of the first line that was not taken, ``UnknownTopic``,
    ``KafkaUnavailable``. Memory is bounded by librdkafka's queue of 64 MiB.
    """
    if timestamps == "event" and timestamp_of is None:
        raise ValueError("timestamps='event' needs timestamp_of, which finds the time in a line")
    if rate_per_s is not None and rate_per_s <= 0:
        raise ValueError(f"rate_per_s must be above 0, not {rate_per_s}")
    options_of = partial(_record_options, timestamp_of if timestamps == "event" else None, key_of)
    outbox, pace, report = Outbox(connection, topic), _Pace(rate_per_s, clock), ProduceReport()
    try:
        for line_number, line in enumerate(lines, start=1):
            value = line.rstrip(b"\r\n")
            if not value.strip():
                report.blank += 1
                continue
            outbox.send(value, partial(DeliveryFailed, topic, line_number), **options_of(value, report))
            report.sent += 1
            pace.keep(report.sent, outbox)
            if report.sent % PROGRESS_EVERY == 0:
                outbox.serve()
                progress(report.sent)
        outbox.finish()
    except BaseException:
        outbox.abandon()
        raise
    progress(report.sent)
    report.produced, report.last_offsets = outbox.delivered, outbox.last_offsets
    return report


def _record_options(
    timestamp_of: Callable[[bytes], int | None] | None,
    key_of: Callable[[bytes], bytes | None] | None,
    value: bytes,
    report: ProduceReport,
) -> dict[str, Any]:
    """Timestamp and key of one record; what was found is noted in ``report``."""
    options: dict[str, Any] = {} if key_of is None else {"key": key_of(value)}
    if timestamp_of is None:
        return options
    stamp_ms = timestamp_of(value)
    if stamp_ms is None:
        report.unstamped += 1
        return options
    report.note_stamp(stamp_ms)
    return {**options, "timestamp": stamp_ms}


class _Pace:
    """Keeps a rate. librdkafka's own poll does the waiting, and serves deliveries meanwhile."""

    def __init__(self, rate_per_s: float | None, clock: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._started = clock()

    def keep(self, sent: int, outbox: Outbox) -> None:
        """Return when record ``sent`` + 1 is due."""
        if self._rate_per_s is None:
            return
        due = self._started + sent / self._rate_per_s
        while (left := due - self._clock()) > SHORTEST_WAIT_S:
            outbox.serve(min(left, POLL_S))
