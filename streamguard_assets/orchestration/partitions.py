"""Windows as Dagster partitions."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import TimeWindowPartitionsDefinition

from streamguard_assets.contracts.windows import KEY_FORMAT, Cadence
from streamguard_assets.settings import Settings
from streamguard_assets.windows.rollups import DAY
from streamguard_assets.windows.stream import decided_start

UNDECIDED_START = datetime(2000, 1, 1, tzinfo=UTC)
"""First partition of a stream whose start nobody has decided yet. Definitions must load before the first record
exists and without asking Kafka; windows before the real start are empty, not errors."""


def window_partitions(settings: Settings, stream: str) -> TimeWindowPartitionsDefinition:
    """The windows of a stream; ``end_offset=1`` makes the open window a partition too."""
    return _partitions(settings, stream, Cadence(settings.stream(stream).window_minutes))


def day_partitions(settings: Settings, stream: str) -> TimeWindowPartitionsDefinition:
    """The UTC days that the windows of a stream begin in, today among them."""
    return _partitions(settings, stream, DAY)


def _partitions(settings: Settings, stream: str, cadence: Cadence) -> TimeWindowPartitionsDefinition:
    return TimeWindowPartitionsDefinition(
        start=cadence.floor(decided_start(settings, stream) or UNDECIDED_START),
        fmt=KEY_FORMAT,
        cron_schedule=cadence.cron,
        timezone="UTC",
        end_offset=1,
    )
