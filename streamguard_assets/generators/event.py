"""What every generator yields."""

from __future__ import annotations

from typing import NamedTuple


class GeneratedEvent(NamedTuple):
    """An event as a producer sends it: its time (epoch ms), the record key and the JSON value."""

    timestamp_ms: int
    key: str
    value: bytes
