"""What an engine is: the few things that a frame library must be able to do for us.

Which rows a window holds, which record is rejected and what a feature means is decided elsewhere (``lake``,
``contracts``, ``analytics``). An engine only carries it out, and every engine gives the same rows.

Between reading and collecting stand the transforms of ``analytics``. They take and give the frame of any engine
(Narwhals inside), so an engine has no say in them: ``user_features(engine.scan(table), ...)``.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol, TypeVar

import pyarrow as pa

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.lake.window_table import WindowTable

Frame = TypeVar("Frame")
"""An engine's own lazy frame: ``polars.LazyFrame``, ``pyspark.sql.DataFrame``."""


class Engine(Protocol[Frame]):
    """How a frame is read, parsed and collected."""

    @property
    def name(self) -> str:
        """Short name, as it stands in the metadata of a materialization."""
        ...

    def scan(self, table: WindowTable, windows: Collection[str] | None = None, version: int | None = None) -> Frame:
        """The columns of ``table.schema``, lazily: of ``windows`` (None: all) as of ``version`` (None: the newest).

        ``TableMissing`` if the table was never written.
        """
        ...

    def parse(self, contract: Contract, records: Frame, processed_at: datetime | None = None) -> ParsedFrames[Frame]:
        """Verdicts and columns of raw records (``RECORD_COLUMNS``) by the contract's one strict decoder.

        ``processed_at`` is the instant of ingestion, for a contract that keeps it; null for records only looked at.
        """
        ...

    def collect(self, frame: Frame) -> pa.Table:
        """Compute the frame; timestamps in UTC microseconds, rows in no particular order."""
        ...
