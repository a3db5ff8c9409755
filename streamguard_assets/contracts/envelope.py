"""What a producer has to know of an event's bytes: its time, for the record's timestamp, and its user, for the key.

Each is read by itself, so that a record which is bad in other ways, and will be rejected, can be produced like any.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import EPOCH, as_utc

_UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
MILLISECOND = timedelta(milliseconds=1)


class Envelope:
    """Reads timestamp and key out of the values of one contract. Never raises, for any bytes."""

    def __init__(self, contract: Contract) -> None:
        self._time = _decoder_of(contract, contract.time_column)
        self._user = _decoder_of(contract, contract.user_column)

    def timestamp_ms(self, value: bytes) -> int | None:
        """The time of the event, epoch milliseconds, rounded down.

        None when there is none, or one that Kafka cannot carry: record timestamps begin in 1970, and 0 means "now".
        """
        try:
            at = self._time.decode(value).field
            stamp_ms = at if isinstance(at, int) else (as_utc(at) - EPOCH) // MILLISECOND
        except _UNREADABLE:
            return None
        return stamp_ms if stamp_ms > 0 else None

    def key(self, value: bytes) -> bytes | None:
        """The user of the event, so that events of one user stay in one partition and in order; None if unknown."""
        try:
            return self._user.decode(value).field.encode()
        except _UNREADABLE:
            return None


def _decoder_of(contract: Contract, column: str) -> Any:
    """A decoder of objects that looks at one member only, typed as the contract types it."""
    types = {field.name: field.type for field in msgspec.structs.fields(contract.event)}
    only = msgspec.defstruct("Only", [("field", types[column])], rename={"field": column})
    return msgspec.json.Decoder(only)
