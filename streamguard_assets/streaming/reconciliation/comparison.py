"""Compares the live rows of one window with the window's own: the same offsets, each once, with the same content."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from streamguard_assets.lake.content import row_hashes
from streamguard_assets.streaming.coverage import OFFSET, PARTITION

BATCH_ROWS = 100_000
MAX_SHOWN_OFFSETS = 20

_PLACE = (PARTITION, OFFSET)
_CONTENT = "content"
_ROWS = "rows"
_FINGERPRINT = {PARTITION: pl.Int32, OFFSET: pl.Int64, _CONTENT: pl.UInt64}


class Fault(StrEnum):
    """What is wrong with an offset."""

    MISSING = "missing"
    """The window has it, live rows do not."""
    EXTRA = "extra"
    """Live rows have it, the window does not."""
    DOUBLED = "doubled"
    """Several live rows have it."""
    DOUBLED_IN_WINDOW = "doubled in the window"
    """Several rows of the window have it."""
    ALTERED = "altered"
    """Both have it once, with different content."""


@dataclass(frozen=True)
class Difference:
    """One fault of one partition: how many offsets have it, and the first of them."""

    fault: Fault
    partition: int
    count: int
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        more = self.count - len(self.offsets)
        listed = ", ".join(map(str, self.offsets)) + (f" and {more} more" if more else "")
        return f"{self.count} {self.fault} in partition {self.partition}: {listed}"


def fingerprints(rows: pl.LazyFrame, exclude: Collection[str] = ()) -> pl.DataFrame:
    """Partition, offset and content hash of each row: 20 bytes a row, whatever the rows hold.

    ``exclude`` names the columns that say how a row came about.
    """
    parts = [
        batch.select(pl.col(PARTITION).cast(pl.Int32), OFFSET, row_hashes(batch, exclude).alias(_CONTENT))
        for batch in rows.collect_batches(chunk_size=BATCH_ROWS, maintain_order=False)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=_FINGERPRINT)


def differences(live: pl.DataFrame, window: pl.DataFrame) -> list[Difference]:
    """What ``live`` and ``window``, both as ``fingerprints`` gives them, disagree on; by partition and fault."""
    live, window = live.sort(_PLACE), window.sort(_PLACE)
    if live.equals(window) and not _has_doubles(live):
        return []  # nearly always; what follows takes several times the memory
    both = _by_place(live).join(_by_place(window), on=_PLACE, how="full", coalesce=True, suffix="_window")
    fault = (
        pl.when(pl.col(_ROWS).is_null())
        .then(pl.lit(Fault.MISSING))
        .when(pl.col(f"{_ROWS}_window").is_null())
        .then(pl.lit(Fault.EXTRA))
        .when(pl.col(_ROWS) > 1)
        .then(pl.lit(Fault.DOUBLED))
        .when(pl.col(f"{_ROWS}_window") > 1)
        .then(pl.lit(Fault.DOUBLED_IN_WINDOW))
        .when(pl.col(_CONTENT) != pl.col(f"{_CONTENT}_window"))
        .then(pl.lit(Fault.ALTERED))
    )
    found = (
        both.select(PARTITION, OFFSET, fault.alias("fault"))
        .drop_nulls("fault")
        .sort(PARTITION, OFFSET)
        .group_by(PARTITION, "fault", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col(OFFSET).head(MAX_SHOWN_OFFSETS))
    )
    return [
        Difference(Fault(row["fault"]), row[PARTITION], row["count"], tuple(row[OFFSET]))
        for row in found.iter_rows(named=True)
    ]


def _has_doubles(ordered: pl.DataFrame) -> bool:
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in _PLACE)
    return bool(ordered.select(same.any()).item())


def _by_place(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by(_PLACE).agg(pl.len().alias(_ROWS), pl.col(_CONTENT).first())
