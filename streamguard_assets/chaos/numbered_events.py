"""Events that say who they are: a number in the id, and in the key of the record whether it is good.

The key is what an independent witness goes by: whether a record belongs into ``live/events`` or into
``live/quarantine`` is then not a question to the code that is under test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from streamguard_assets.contracts.security import EVENT_TYPES, STATUSES

GOOD, BAD = "good", "bad"
IDEMPOTENT, TRANSACTIONAL = "idempotent", "transactional"
"""The producers, by their names in ids."""
MINUTE_MS = 60_000


@dataclass(frozen=True)
class NumberedEvent:
    """One record: the producer's name and its number are the event's id."""

    producer: str
    number: int
    is_good: bool = True

    @property
    def event_id(self) -> str:
        return f"{self.producer}-{self.number}"

    @property
    def key(self) -> bytes:
        return f"{GOOD if self.is_good else BAD}:{self.event_id}".encode()

    def value(self, moment_ms: int) -> bytes:
        """The event as JSON, of an instant around ``moment_ms``; some come late, as real ones do."""
        number = self.number
        behind_ms = 12 * MINUTE_MS if number % 97 == 0 else number % 11 * 1_000
        event = {
            "event_id": self.event_id,
            "timestamp": moment_ms - behind_ms,
            "event_type": EVENT_TYPES[number % len(EVENT_TYPES)],
            "user": f"user-{number % 23}",
            "source_ip": f"10.0.{number % 5}.{number % 7}",
            "status": STATUSES[number % len(STATUSES)],
            "threat_score": number % 100 / 100,
        }
        text = json.dumps(event)
        if self.is_good:
            return text.encode()
        return _spoilt(event, text, number)


def _spoilt(event: dict[str, object], text: str, number: int) -> bytes:
    """No JSON, a required field missing, or one of a wrong type."""
    if number % 3 == 0:
        return text[:-1].encode()
    if number % 3 == 1:
        return json.dumps({name: value for name, value in event.items() if name != "user"}).encode()
    return json.dumps({**event, "threat_score": "high"}).encode()


def named_in(key: bytes | None) -> tuple[str, bool]:
    """The event id that a record's key names, and whether the record is good; ``ValueError`` for another's record."""
    verdict, colon, event_id = (key or b"").decode("utf-8", "replace").partition(":")
    if not colon or verdict not in (GOOD, BAD):
        raise ValueError(f"a record with the key {key!r} was not written by the chaos producers")
    return event_id, verdict == GOOD
