"""Records of the security stream to test with: a good one, and ways to change it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

DATA = Path(__file__).parent.parent / "data"

EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "timestamp": 1_767_225_600_123,
    "event_type": "auth_attempt",
    "user": "ana",
    "source_ip": "10.0.0.7",
    "destination_ip": "10.0.0.1",
    "status": "failed",
    "threat_score": 0.25,
    "metadata": {"port": 22, "protocol": "tcp"},
}


def record(**changes: Any) -> bytes:
    """The event with some fields changed; a field set to ``...`` is left out, Raw is written as it is."""
    fields = {name: value for name, value in {**EVENT, **changes}.items() if value is not ...}
    return msgspec.json.encode(fields)


def raw(text: str | bytes) -> msgspec.Raw:
    """A JSON value written exactly so."""
    return msgspec.Raw(text.encode() if isinstance(text, str) else text)


def secrepo_values() -> list[bytes]:
    """1,489 real failed SSH logins, one record each."""
    return (DATA / "secrepo_auth.ndjson").read_bytes().splitlines()


def secrepo_truth() -> dict[str, Any]:
    return json.loads((DATA / "secrepo_truth.json").read_text())
