"""Where the records of a batch land: tables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from streamguard_assets.batches.tables import BATCH_ID, PROCESSING_TIMESTAMP, BatchTables
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.registry import contract
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.windows.reading import Stager


@dataclass(frozen=True)
class BatchLanding:
    """The tables of one batch; ``processed_at`` stands in rows whose contract has no column of its own for it."""

    location: LakeLocation
    stream: str
    contract_name: str
    batch_id: str
    processed_at: datetime

    @property
    def name(self) -> str:
        return self.batch_id

    def rows(self, rules: Contract, attempt: str, file_rows: int) -> Stager:
        stamps: dict[str, Any] = {BATCH_ID: pl.lit(self.batch_id)}
        if rules.ingested_at != PROCESSING_TIMESTAMP:
            stamps[PROCESSING_TIMESTAMP] = pl.lit(self.processed_at, pl.Datetime("us", "UTC"))
        return _Stamping(self._tables(rules).raw.stager(attempt, file_rows), stamps)

    def rejects(self, attempt: str, file_rows: int) -> Stager:
        return self._tables(contract(self.contract_name)).quarantine.stager(attempt, file_rows)

    def _tables(self, rules: Contract) -> BatchTables:
        return BatchTables(self.location, self.stream, rules, self.batch_id)


class _Stamping:
    """A stager that writes the batch into every row; a producer's word in these columns does not count."""

    def __init__(self, stager: Stager, stamps: Mapping[str, pl.Expr]) -> None:
        self._stager = stager
        self._stamps = stamps

    def add(self, frame: pl.DataFrame) -> None:
        self._stager.add(frame.with_columns(**self._stamps))

    def finish(self) -> list[DataFile]:
        return self._stager.finish()

    def abort(self) -> None:
        self._stager.abort()
