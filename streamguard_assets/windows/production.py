"""Sending lines to the topic of a stream: stamped, keyed, and held against the boundaries that are already decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from streamguard_assets.contracts.envelope import Envelope
from streamguard_assets.contracts.fields import EPOCH
from streamguard_assets.kafka.producer import ProduceReport, produce_lines
from streamguard_assets.windows.stream import Stream

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Production:
    """What was sent. ``behind_boundary`` counts the stamps before ``boundary``, the newest decided one.

    Windows are cut by offset, so those events land in the window that is open now, not in that of their time.
    """

    report: ProduceReport
    boundary: datetime | None
    behind_boundary: int

    @property
    def earliest(self) -> datetime | None:
        """The earliest event time among the stamps."""
        return None if self.report.earliest_ms is None else EPOCH + self.report.earliest_ms * MILLISECOND

    @property
    def latest(self) -> datetime | None:
        """The latest event time among the stamps."""
        return None if self.report.latest_ms is None else EPOCH + self.report.latest_ms * MILLISECOND


def send_lines(
    stream: Stream,
    lines: Iterable[bytes],
    *,
    by_event_time: bool,
    rate_per_s: float | None = None,
    progress: Callable[[int], None] = lambda _sent: None,
) -> Production:
    """Send each line as one record, keyed by its user, and return when the cluster has all of them.

    ``by_event_time`` stamps a record with the time of its event by the contract; a line without a readable one gets
    the producer's clock and is counted (``report.unstamped``). ``progress`` is told the lines sent so far.
    Raises what ``produce_lines`` raises.
    """
    envelope = Envelope(stream.contract)
    last = stream.ledger.last() if by_event_time else None
    stamps = _Stamps(envelope, None if last is None else (last.instant - EPOCH) // MILLISECOND)
    report = produce_lines(
        stream.connection,
        stream.topic,
        lines,
        timestamps="event" if by_event_time else "now",
        timestamp_of=stamps.of,
        key_of=envelope.key,
        rate_per_s=rate_per_s,
        progress=progress,
    )
    return Production(report, None if last is None else last.instant, stamps.behind_boundary)


class _Stamps:
    def __init__(self, envelope: Envelope, boundary_ms: int | None) -> None:
        self._envelope = envelope
        self._boundary_ms = boundary_ms
        self.behind_boundary = 0

    def of(self, value: bytes) -> int | None:
        stamp_ms = self._envelope.timestamp_ms(value)
        if stamp_ms is not None and self._boundary_ms is not None and stamp_ms < self._boundary_ms:
            self.behind_boundary += 1
        return stamp_ms
