"""The Polars engine: Delta through delta-rs, transforms in this process, no Java."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.polars.records import parse_record_frame
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.lake.location import LakeLocation


@dataclass(frozen=True)
class PolarsEngine:
    """The default engine. ``chunk_records``: records that the parser takes at once."""

    chunk_records: int = 2_000

    @property
    def name(self) -> str:
        return "polars"

    def scan(
        self,
        location: LakeLocation,
        stream: str,
        asset: str,
        windows: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pl.LazyFrame:
        """Only the files of ``windows`` are read. ``deltalake.exceptions.TableNotFoundError`` if there is no table."""
        table = pl.scan_delta(
            location.table(stream, asset), version=version, storage_options=dict(location.storage_options)
        )
        return table if windows is None else table.filter(pl.col("window").is_in(list(windows)))

    def parse(self, contract: Contract, records: pl.LazyFrame) -> ParsedFrames[pl.LazyFrame]:
        """Decodes at once and holds records and rows in memory; ingest feeds the parser chunk by chunk instead."""
        parsed = parse_record_frame(contract, records.collect(), self.chunk_records)
        return ParsedFrames(parsed.accepted.lazy(), parsed.rejected.lazy())

    def collect(self, frame: pl.LazyFrame) -> pa.Table:
        return frame.collect().to_arrow()
