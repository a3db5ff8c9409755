"""Windows as Dagster partitions, and which windows of one asset another one reads."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import TimeWindowPartitionMapping, TimeWindowPartitionsDefinition

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


def lookback_mapping(windows: int) -> TimeWindowPartitionMapping:
    """A window reads itself and the ``windows - 1`` before it; those before the start do not exist and are empty."""
    return TimeWindowPartitionMapping(
        start_offset=-(windows - 1), end_offset=0, allow_nonexistent_upstream_partitions=True
    )
