"""Z-order: rows that are near in several columns are near in the files, so that readers skip most of them.

The curve interleaves the bits of the columns' ranks (Morton, 1966), each scaled to the rows there are: a column of
ten categories and one of a million customers have the same say. See
https://en.wikipedia.org/wiki/Z-order_curve and Databricks' "Data skipping with Z-order indexes".
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from streamguard_assets.lake.care.compaction import TARGET_FILE_BYTES, rewrite_parts
from streamguard_assets.lake.care.parts import Part, parts_of
from streamguard_assets.lake.care.report import CareReport, Progress, unwatched
from streamguard_assets.lake.care.rewrite import Rewriter
from streamguard_assets.lake.fence import Pause
from streamguard_assets.lake.tables import open_table

ROW_GROUP_ROWS = 50_000
"""Rows that are skipped or read together inside a file: smaller ones compress worse."""

SORT_ROWS = 2_000_000
"""Rows sorted at once in memory; a larger part is in order within spans of so many."""

_BITS = 63


def zorder(
    uri: str,
    storage_options: Mapping[str, str],
    columns: Sequence[str],
    min_rows: int,
    target_bytes: int = TARGET_FILE_BYTES,
    *,
    provenance: Collection[str] = (),
    apart: str | None = None,
    dry_run: bool = False,
    progress: Progress = unwatched,
    pause: Pause = time.sleep,
) -> CareReport:
    """Rewrite the parts of at least ``min_rows`` rows whose files are not in the order of ``columns`` yet.

    A part is in order while its files are those of one such turn, which their names tell; a part that was written
    anew is put in order again. Everything else is as in ``compact``.

    Raises ``TableMissing`` when there is no table.
    """
    table = open_table(uri, storage_options)
    # In a part a partition column has one value, and its files do not hold it.
    ordering = [column for column in columns if column not in table.metadata().partition_columns]
    purpose = f"zorder-{_digest(ordering)}"
    rewriter = Rewriter(
        uri,
        storage_options,
        purpose,
        target_bytes,
        provenance=provenance,
        apart=apart,
        order=lambda frames: in_z_order(frames, ordering),
        row_group_rows=ROW_GROUP_ROWS,
        pause=pause,
    )
    parts = parts_of(table, apart)
    wanted = [part for part in parts if ordering and (part.rows or 0) >= min_rows and not _is_in_order(part, purpose)]
    return rewrite_parts(rewriter, table, parts, wanted, dry_run=dry_run, progress=progress)


def in_z_order(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of ``frames`` along the curve, a span of at most about ``SORT_ROWS`` at a time; the same rows."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(each.height for each in held) >= SORT_ROWS:
            yield _sorted(pl.concat(held), columns)
            held = []
    if held:
        yield _sorted(pl.concat(held), columns)


def z_values(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The place of each row on the curve, UInt64; nulls come first in their column.

    >>> z_values(pl.DataFrame({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2]}), ["a", "b"]).rank().to_list()
    [1.0, 3.0, 2.0, 4.0]
    """
    bits = min(16, _BITS // len(columns))
    place = np.zeros(frame.height, dtype=np.uint64)
    for number, column in enumerate(columns):
        rank = frame[column].rank("min").fill_null(1).cast(pl.UInt64).to_numpy() - np.uint64(1)
        scaled = rank * np.uint64(2**bits) // np.uint64(max(1, frame.height))
        for bit in range(bits):
            taken = (scaled >> np.uint64(bit)) & np.uint64(1)
            place |= taken << np.uint64(bit * len(columns) + number)
    return pl.Series("z", place)


def _sorted(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return frame.with_columns(z_values(frame, columns).alias("__z")).sort("__z", maintain_order=True).drop("__z")


def _digest(columns: Sequence[str]) -> str:
    """Short, for file names: other columns are another order."""
    return hashlib.sha256("\0".join(columns).encode()).hexdigest()[:8]


def _is_in_order(part: Part, purpose: str) -> bool:
    """Whether one turn wrote every file: they share the purpose and the turn's own id before the file's number."""
    stems = {file.path.rpartition("/")[2].rpartition("-")[0] for file in part.files}
    return len(stems) == 1 and next(iter(stems)).startswith(f"part-{purpose}-")
