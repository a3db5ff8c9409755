"""The Polars engine: Delta through delta-rs, transforms in this process, no Java."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.polars.parsing import RECORDS_PER_CHUNK
from streamguard_assets.engines.polars.records import parse_record_frame
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.lake.window_table import WindowTable


@dataclass(frozen=True)
class PolarsEngine:
    """The default engine. ``chunk_records``: records that the parser takes at once."""

    chunk_records: int = RECORDS_PER_CHUNK

    @property
    def name(self) -> str:
        return "polars"

    def scan(
        self, table: WindowTable, windows: Collection[str] | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        return table.scan(windows, version)

    def parse(
        self, contract: Contract, records: pl.LazyFrame, processed_at: datetime | None = None
    ) -> ParsedFrames[pl.LazyFrame]:
        """Decodes at once and holds records and rows in memory; ingest feeds the parser chunk by chunk instead."""
        parsed = parse_record_frame(contract, records.collect(), self.chunk_records, processed_at)
        return ParsedFrames(parsed.accepted.lazy(), parsed.rejected.lazy())

    def collect(self, frame: pl.LazyFrame) -> pa.Table:
        return frame.collect().to_arrow()
