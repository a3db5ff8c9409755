"""Live tables to test with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable, Replacement
from streamguard_assets.lake.location import LakeLocation

SCHEMA = pa.schema([("kafka_partition", pa.int32()), ("kafka_offset", pa.int64()), ("text", pa.string())])
WIDER = SCHEMA.append(pa.field("extra", pa.string()))
"""That of a release which had a column more."""
TODAY = date(2026, 1, 31)
TOPIC_ID = "one"


@dataclass
class Appender:
    """A writer of one live table that counts its own offsets in partition 0, as the stream does."""

    table: LiveTable
    state: LiveState

    def append(self, rows: int, text: str = "a", replacement: Replacement | None = None, **more: str) -> LiveSnapshot:
        """Append ``rows`` rows at the next offsets; ``more`` are values of further columns."""
        begin = self.state.positions[0]
        with self.table.stager(TODAY, "test") as stager:
            further = [pl.lit(value).alias(name) for name, value in more.items()]
            stager.add(frame(range(begin, begin + rows), text).with_columns(further))
            files = stager.finish()
        landed = self.table.commit(
            self.state.epoch,
            files,
            lambda standing: standing.followed_by("append", positions={0: begin + rows}),
            replacement=replacement,
        )
        self.state = landed.state
        return landed


def frame(offsets: Iterable[int], text: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        [{"kafka_partition": 0, "kafka_offset": offset, "text": text} for offset in offsets],
        schema={"kafka_partition": pl.Int32, "kafka_offset": pl.Int64, "text": pl.String},
    )


def offsets_in(table: LiveTable) -> list[int]:
    return sorted(table.scan().collect()["kafka_offset"])


class Lake:
    """An empty lake; each ``table`` is that of another process."""

    def __init__(self, folder: Path) -> None:
        self._location = LakeLocation(str(folder))

    def table(self, schema: pa.Schema = SCHEMA) -> LiveTable:
        return LiveTable(self._location, "security", "events", schema, provenance=("text",))

    def owned(
        self, owner: str = "first", topic_id: str = TOPIC_ID, schema: pa.Schema = SCHEMA, **choices: bool
    ) -> Appender:
        """A process that has just taken the table over."""
        table = self.table(schema)
        return Appender(table, table.take_over(owner, "topic", topic_id, {0: 0}, **choices))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "a lake")  # with a space: delta-rs then names files percent-encoded
