"""What every group of settings is, and the kinds of value that several of them have."""

from __future__ import annotations

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


HoursOfDay = Annotated[int, AfterValidator(_part_of_a_day)]
WindowMinutes = Annotated[int, AfterValidator(_cadence)]
Instant = Annotated[datetime, AfterValidator(_with_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits, underscores")]


class Section(BaseModel):
    """A group of settings; unknown keys are refused so that a typing error cannot pass for a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
