"""Windows as Dagster partitions."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import TimeWindowPartitionsDefinition

from streamguard_assets.contracts.windows import KEY_FORMAT, Cadence
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import decided_start

UNDECIDED_START = datetime(2000, 1, 1, tzinfo=UTC)
"""First partition of a stream whose start nobody has decided yet. Definitions must load before the first record
exists and without asking Kafka; windows before the real start are empty, not errors."""


def window_partitions(settings: Settings, stream: str) -> TimeWindowPartitionsDefinition:
    """The windows of a stream; ``end_offset=1`` makes the open window a partition too."""
    return TimeWindowPartitionsDefinition(
        start=decided_start(settings, stream) or UNDECIDED_START,
        fmt=KEY_FORMAT,
        cron_schedule=Cadence(settings.stream(stream).window_minutes).cron,
        timezone="UTC",
        end_offset=1,
    )
