"""The Spark engine: the same verdicts, windows and transforms on a Spark session that the caller holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.engines.spark.parsing import parse_records
from streamguard_assets.engines.spark.reading import read_windows
from streamguard_assets.lake.window_table import WindowTable


@dataclass(frozen=True)
class SparkEngine:
    """An engine on ``session``; starting and stopping it is the caller's (``engines.spark.session``)."""

    session: SparkSession

    @property
    def name(self) -> str:
        return "spark"

    def scan(self, table: WindowTable, windows: Collection[str] | None = None, version: int | None = None) -> DataFrame:
        return read_windows(self.session, table, windows, version)

    def parse(
        self, contract: Contract, records: DataFrame, processed_at: datetime | None = None
    ) -> ParsedFrames[DataFrame]:
        """Lazy: each action on one of the two frames reads and decodes; see ``parsing.parsed_once``."""
        return parse_records(contract, records, processed_at)

    def collect(self, frame: DataFrame) -> pa.Table:
        """All rows to this process: meant for results (features, scores), not for events."""
        return frame.toArrow()
