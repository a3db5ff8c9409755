"""Gaps that a person has acknowledged: offsets of a stream that retention took before they were read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from streamguard_assets.contracts.windows import window_start
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.lake.tables import TableHandle, scan_table

ASSET = "acknowledged_gaps"
APP_ID = "streamguard/gaps"
SCHEMA = pa.schema(
    [
        ("first_window", pa.string()),
        ("last_window", pa.string()),
        ("kafka_partition", pa.int32()),
        ("start_offset", pa.int64()),
        ("end_offset", pa.int64()),
        ("reason", pa.string()),
        ("acknowledged_by", pa.string()),
        ("acknowledged_at", pa.timestamp("us", "UTC")),
    ]
)
_DESCRIPTION = "Offset ranges [start_offset, end_offset) that are known to be lost, and who said so"


@dataclass(frozen=True)
class AcknowledgedGap:
    """Offsets ``[start_offset, end_offset)`` of one partition that fall in the windows from first to last, both in."""

    first_window: str
    last_window: str
    kafka_partition: int
    start_offset: int
    end_offset: int
    reason: str
    acknowledged_by: str
    acknowledged_at: datetime

    def __post_init__(self) -> None:
        if window_start(self.last_window) < window_start(self.first_window):
            raise ValueError(f"a gap cannot end with {self.last_window} before it begins with {self.first_window}")
        if not 0 <= self.start_offset < self.end_offset:
            raise ValueError(f"[{self.start_offset}, {self.end_offset}) is not a range of offsets")

    @property
    def extent(self) -> tuple[int, int, int]:
        return self.kafka_partition, self.start_offset, self.end_offset


class GapRegister:
    """The table ``<lake>/<stream>/acknowledged_gaps``; append-only, created by its first entry."""

    def __init__(self, location: LakeLocation, stream: str, *, pause: Pause = time.sleep) -> None:
        self.uri = location.table(stream, ASSET)
        self._pause = pause
        self._handle = TableHandle(self.uri, location.storage_options)

    def gaps(self) -> list[AcknowledgedGap]:
        """Every acknowledged gap, by partition and offset."""
        if not self._handle.exists():
            return []
        with self._handle.lock:
            return self._read(self._handle.current())

    def acknowledge(self, gaps: Sequence[AcknowledgedGap]) -> None:
        """Store the gaps in one commit; one whose offsets are stored already is not stored again."""
        self._handle.create(SCHEMA, [], _DESCRIPTION)

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            known = {gap.extent for gap in self._read(table)}
            fresh = {gap.extent: gap for gap in gaps if gap.extent not in known}
            if fresh:
                rows = pl.DataFrame([asdict(gap) for gap in fresh.values()], schema=polars_schema(SCHEMA))
                write_deltalake(table, rows.to_arrow(), mode="append", commit_properties=properties)

        commit_fenced(self._handle, APP_ID, act, seed=f"{self.uri}{gaps!r}", pause=self._pause)

    def _read(self, table: DeltaTable) -> list[AcknowledgedGap]:
        rows = scan_table(table, self._handle.storage_options).collect().sort("kafka_partition", "start_offset")
        return [AcknowledgedGap(**row) for row in rows.iter_rows(named=True)]
