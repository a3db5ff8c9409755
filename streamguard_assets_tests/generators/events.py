"""Reading generated events back, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from streamguard_assets.generators.security import GeneratedEvent


def decoded(events: Iterable[GeneratedEvent]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(event.value) for event in events]


def share(events: list[dict[str, Any]], field: str, *values: Any) -> float:
    """Share of the events whose ``field`` is one of ``values``."""
    return sum(event[field] in values for event in events) / len(events)
