"""Care of every table of the lake: which table needs which, by the settings and the contracts of the streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.registry import CONTRACTS
from streamguard_assets.lake import quarantine
from streamguard_assets.lake.care.checkpoints import checkpoint
from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.care.report import CareReport, Progress, unchanged, unwatched
from streamguard_assets.lake.care.vacuum import vacuum
from streamguard_assets.lake.care.zorder import zorder
from streamguard_assets.lake.catalog import LakeTable, lake_tables
from streamguard_assets.lake.errors import LakeError, TableMissing
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.tables import stored_schema, table_exists
from streamguard_assets.settings import Settings
from streamguard_assets.windows.tables import provenance_columns

_SECOND_COLUMNS = ("category", "event_type")
"""After the user, what queries pick by: whichever a contract has."""


class Care(Enum):
    """A kind of care; its value is the word for it in commands, jobs and schedules."""

    COMPACT = "compact"
    ZORDER = "zorder"
    VACUUM = "vacuum"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class TableCare:
    """What a turn did to one table. ``failure`` is why it did nothing, for a person to look at."""

    table: LakeTable
    report: CareReport
    seconds: float
    failure: str | None = None

    @property
    def is_well(self) -> bool:
        return self.failure is None and not self.report.damaged

    def to_record(self) -> dict[str, Any]:
        """The fields that commands and runs show."""
        report = self.report
        remarks = [*([self.failure] if self.failure else []), *report.damaged, *report.left]
        return {
            "table": self.table.sql_name,
            "changed": report.changed,
            "files_before": report.files_before,
            "files_after": report.files_after,
            "bytes_before": report.bytes_before,
            "bytes_after": report.bytes_after,
            "seconds": round(self.seconds, 3),
            "remarks": "; ".join(remarks),
        }


@dataclass(frozen=True)
class LakeCarer:
    """Cares for tables of the lake at ``location`` as ``settings`` ask. ``clock`` gives seconds that only grow."""

    settings: Settings
    location: LakeLocation
    now: datetime
    dry_run: bool = False
    clock: Callable[[], float] = field(default=time.monotonic)

    def tables(self, care: Care) -> list[LakeTable]:
        """The tables that ``care`` is for: all but live ones, or those that have the columns to order by."""
        known = [table for table in lake_tables(self.location) if not table.is_live]
        return known if care is not Care.ZORDER else [table for table in known if self.zorder_columns(table)]

    def zorder_columns(self, table: LakeTable) -> tuple[str, ...]:
        """The columns by which rows of ``table`` are put in order; none when it has not all of them."""
        contract = self._contract(table)
        wanted = zorder_columns(contract) if contract else ()
        return wanted if wanted and set(wanted) <= set(self._columns(table)) else ()

    def turn(self, care: Care, tables: Sequence[LakeTable], progress: Progress = unwatched) -> Iterator[TableCare]:
        """``care`` for each of ``tables``; one that fails is told of, and the others have their turn."""
        for table in tables:
            begin = self.clock()
            try:
                report, failure = self._care(care, table, progress), None
            except (LakeError, DeltaError, PolarsError, OSError) as error:
                report, failure = unchanged(0, 0), f"{type(error).__name__}: {error}"
                if not self._exists(table):
                    report, failure = report.with_left("the table was deleted meanwhile"), None
            yield TableCare(table, report, self.clock() - begin, failure)

    def _care(self, care: Care, table: LakeTable, progress: Progress) -> CareReport:
        uri, options = self.location.table(table.stream, table.asset), self.location.storage_options
        wanted = self.settings.lake_care
        kept: dict[str, Any] = {
            "target_bytes": wanted.target_file_mb * 1024**2,
            "provenance": self._provenance(table),
            "apart": quarantine.ATTEMPT if table.asset == quarantine.ASSET else None,
            "dry_run": self.dry_run,
            "progress": progress,
        }
        match care:
            case _ if table.is_live:
                # A commit without the stream's state in it, or one between its own, would cost the stream a turn.
                return unchanged(0, 0).with_left("a live table: its stream and the job of live care look after it")
            case Care.COMPACT | Care.ZORDER if self._contract(table) is None:
                # Without the contract nobody knows which columns stay out of the content hashes that are checked.
                return unchanged(0, 0).with_left("its stream is not configured: its files stay as they are")
            case Care.COMPACT:
                return compact(uri, options, **kept)
            case Care.ZORDER if columns := self.zorder_columns(table):
                return zorder(uri, options, columns, wanted.zorder_min_rows, **kept)
            case Care.ZORDER:
                return unchanged(0, 0).with_left("it does not have the columns that rows are ordered by")
            case Care.VACUUM:
                return vacuum(uri, options, wanted.vacuum_retention_hours, dry_run=self.dry_run)
            case Care.CHECKPOINT:
                return checkpoint(uri, options, self.now, dry_run=self.dry_run)

    def _contract(self, table: LakeTable) -> Contract | None:
        """The contract of the table's stream; None when the stream is no longer configured."""
        stream = self.settings.streams.get(table.stream)
        return CONTRACTS.get(stream.contract) if stream else None

    def _provenance(self, table: LakeTable) -> Sequence[str]:
        contract = self._contract(table)
        return provenance_columns(table.asset, contract) if contract else ()

    def _columns(self, table: LakeTable) -> Sequence[str]:
        """None for a table that was deleted since it was listed."""
        try:
            return stored_schema(self.location.table(table.stream, table.asset), self.location.storage_options).names
        except TableMissing:
            return ()

    def _exists(self, table: LakeTable) -> bool:
        return table_exists(self.location.table(table.stream, table.asset), self.location.storage_options)


def zorder_columns(contract: Contract) -> tuple[str, ...]:
    """The user and what the user did it with: how people look for rows of a stream."""
    names = {column.name for column in contract.columns}
    return (contract.user_column, *[name for name in _SECOND_COLUMNS if name in names][:1])
