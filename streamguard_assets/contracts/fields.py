"""The field types that contracts are written in, and the base class of their events.

A field says what it is about in ``Annotated[type, Meta(description=...)]``; the schemas carry that text along.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TIMESTAMP_MS = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the first instant that every engine here can hold."""
MAX_TIMESTAMP_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last one."""

TIMESTAMP_BOUNDS_MS = (MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS)
INT32_BOUNDS = (-(2**31), 2**31 - 1)
INT64_BOUNDS = (-(2**63), 2**63 - 1)

Int32 = Annotated[int, Meta(ge=INT32_BOUNDS[0], le=INT32_BOUNDS[1])]
"""A JSON integer that a 32-bit column holds."""

Int64 = Annotated[int, Meta(ge=INT64_BOUNDS[0], le=INT64_BOUNDS[1])]
"""A JSON integer that a 64-bit column holds; ``1.0`` and ``"1"`` are not integers."""

Timestamp = (
    Annotated[int, Meta(ge=MIN_TIMESTAMP_MS, le=MAX_TIMESTAMP_MS)]  # epoch milliseconds
    | Annotated[datetime, Meta(tz=True)]
)
"""Epoch milliseconds, or ISO-8601 text with a zone. Fractions finer than a microsecond are rounded to one."""

ZonedTimestamp = Annotated[datetime, Meta(tz=True)]
"""ISO-8601 text with a zone and nothing else: a number is no instant, text without a zone is no one instant."""


class Record(Struct, gc=False, forbid_unknown_fields=True):
    """Base of every event and of every group of fields in one.

    Unknown fields are refused only to learn of them at no cost: the decoder then keeps them in ``extra``.
    """

    extra: ClassVar[str | None] = None
    """JSON object of the members that the contract does not name, each exactly as it was written."""


def as_utc(stamp: int | datetime) -> datetime:
    """An instant as a contract decodes it (epoch milliseconds, or a datetime) as a datetime in UTC.

    Text without a zone means UTC, where the contract allows such text at all.
    ``OverflowError`` when the zone's offset carries it out of the years 0001 to 9999.
    """
    if isinstance(stamp, datetime):
        return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    return EPOCH + timedelta(milliseconds=stamp)
