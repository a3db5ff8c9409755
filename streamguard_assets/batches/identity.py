"""The id of a batch: ``batch-YYYYMMDD-xxxxxxxx``, the day of its submission (UTC) and eight hexadecimal digits."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime

from streamguard_assets.batches.errors import UnknownBatch

_ID = re.compile(r"batch-(?P<day>\d{8})-[0-9a-f]{8}")


def new_batch_id(submitted_at: datetime) -> str:
    """An id that no other batch has."""
    return f"batch-{submitted_at.astimezone(UTC):%Y%m%d}-{uuid.uuid4().hex[:8]}"


def is_batch_id(text: str) -> bool:
    """Whether ``text`` has the form of an id, with a day that there is.

    >>> is_batch_id("batch-20260131-0a1b2c3d"), is_batch_id("batch-20260231-0a1b2c3d"), is_batch_id("raw")
    (True, False, False)
    """
    return _day(text) is not None


def checked_batch_id(text: str) -> str:
    """``text``, if it is an id; it stands in paths. ``UnknownBatch`` when it is none."""
    if not is_batch_id(text):
        raise UnknownBatch(text, "an id is like batch-20260131-0a1b2c3d")
    return text


def submission_day(batch_id: str) -> datetime:
    """The beginning of the day on which a batch was submitted.

    >>> submission_day("batch-20260131-0a1b2c3d").isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    day = _day(checked_batch_id(batch_id))
    assert day is not None, "the id was checked"
    return day


def _day(text: str) -> datetime | None:
    found = _ID.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime.strptime(found["day"], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
