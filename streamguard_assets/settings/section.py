"""What every group of settings is, and the kinds of value that several of them have."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streamguard_assets.contracts.windows import Cadence


class SettingsError(Exception):
    """A setting is missing, malformed or unknown; the text names its key, its origin and what is allowed."""


def _cadence(minutes: int) -> int:
    return Cadence(minutes).minutes


def _with_zone(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-01-31T00:00:00Z")
    return instant


def _part_of_a_day(hours: int) -> int:
    if hours < 1 or 24 % hours:
        raise ValueError("must divide a day evenly: 1, 2, 3, 4, 6, 8, 12 or 24")
    return hours


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS) or not all(map(_is_cron_field, fields, _CRON_FIELDS.values())):
        spans = ", ".join(f"{name} {low} to {high}" for name, (low, high) in _CRON_FIELDS.items())
        raise ValueError(f"needs five fields ({spans}), for example '43 3 * * 0' or '0 */6 * * *'")
    return text


def _is_cron_field(field: str, span: tuple[int, int]) -> bool:
    """Whether every part of ``field`` is ``*``, a number or a range inside ``span``, perhaps with a step."""
    parts = [_CRON_PART.fullmatch(part) for part in field.split(",")]
    numbers = [int(number) for part in parts if part for number in (part["first"], part["last"]) if number]
    return all(parts) and all(span[0] <= number <= span[1] for number in numbers)


_CRON_PART = re.compile(r"(\*|(?P<first>\d+)(-(?P<last>\d+))?)(/[1-9]\d*)?")
_CRON_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day of month": (1, 31), "month": (1, 12), "day of week": (0, 7)}

Cron = Annotated[str, AfterValidator(_cron)]
HoursOfDay = Annotated[int, AfterValidator(_part_of_a_day)]
WindowMinutes = Annotated[int, AfterValidator(_cadence)]
Instant = Annotated[datetime, AfterValidator(_with_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits, underscores")]


class Section(BaseModel):
    """A group of settings; unknown keys are refused so that a typing error cannot pass for a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
