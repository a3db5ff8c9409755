"""Offsets that Kafka deleted before the stream read them, and that the operator lets it pass over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from streamguard_assets.contracts.windows import window_key
from streamguard_assets.lake.gaps import AcknowledgedGap
from streamguard_assets.windows.keeper import closed_windows
from streamguard_assets.windows.stream import Stream

ACKNOWLEDGED_BY = "streaming.on_retention_gap"


def record_gaps(stream: Stream, gaps: Mapping[int, tuple[int, int]], now: datetime) -> None:
    """Store ``gaps`` (offsets ``[start, end)`` by partition) beside the ledger, as acknowledged by the setting.

    Each is said of the windows that its offsets fall in; offsets past the last boundary, of the window that is open.
    """
    windows = closed_windows(stream)
    boundaries = stream.ledger.boundaries()
    open_key = window_key(boundaries[-1].instant if boundaries else stream.cadence.floor(now))
    found = []
    for partition, (start, end) in sorted(gaps.items()):
        keys = [
            window.key
            for window in windows
            if window.range.starts.get(partition, 0) < end and start < window.range.ends.get(partition, 0)
        ]
        if not windows or end > windows[-1].range.ends.get(partition, 0):
            keys.append(open_key)
        found.append(
            AcknowledgedGap(
                first_window=keys[0],
                last_window=keys[-1],
                kafka_partition=partition,
                start_offset=start,
                end_offset=end,
                reason="retention deleted these offsets before the stream read them",
                acknowledged_by=ACKNOWLEDGED_BY,
                acknowledged_at=now,
            )
        )
    stream.gaps.acknowledge(found)
