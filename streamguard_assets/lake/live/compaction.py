"""Compaction while a stream writes: the many small files of its batches become few, in commits that it makes anyway.

A second process that compacted would make the stream's commit fail each time, and the stream's would make its own
fail. So files are rewritten beside, in a thread, and ride along with the next batch.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date

import polars as pl

from streamguard_assets.lake.live.active_files import ActiveFile, active_files
from streamguard_assets.lake.live.table import LiveTable, Replacement

LOOK_EVERY_COMMITS = 8
CLEAN_EVERY_LOOKS = 25
"""Old entries of the log go every so many looks: 200 commits."""
MERGED_FILES = 16
"""Files of like size that become one. More than one look brings, so that larger sizes have their turn too."""
SIZE_STEP = 8
"""Files are alike whose rows differ by less than this factor: so each row is rewritten a few times, not for ever."""
LARGEST_ROWS = 200_000
"""Rows of the largest file that is made; bounds memory."""

logger = logging.getLogger(__name__)


class Compactor:
    """Makes replacements for the small files of one live table, one at a time. Its owner commits them."""

    def __init__(self, table: LiveTable, *, look_every_commits: int = LOOK_EVERY_COMMITS) -> None:
        self._table = table
        self._look_every_commits = look_every_commits
        self._since = 0
        self._looks = 0
        self._worker: ThreadPoolExecutor | None = None
        self._under_way: Future[Replacement | None] | None = None

    def note_commit(self) -> None:
        """The table has got a commit; now and then that is when files are looked at."""
        self._since += 1
        if self._since < self._look_every_commits or self._under_way is not None:
            return
        self._since = 0
        self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix=f"compact-{self._table.name}")
        self._under_way = self._worker.submit(self._prepare)

    def ready(self) -> Replacement | None:
        """A replacement that is written and waits for a commit; it is given once."""
        if self._under_way is None or not self._under_way.done():
            return None
        under_way, self._under_way = self._under_way, None
        failure = under_way.exception()
        if failure is not None:
            # The stream goes on without: more files cost readers time, and the next look tries again.
            logger.warning("small files of %s were not merged: %s", self._table.uri, failure)
            return None
        return under_way.result()

    def close(self) -> None:
        """End the thread; what it has written and nobody committed is left to vacuum."""
        if self._worker is not None:
            self._worker.shutdown(wait=True, cancel_futures=True)

    def _prepare(self) -> Replacement | None:
        self._looks += 1
        if self._looks % CLEAN_EVERY_LOOKS == 0:
            self._table.clean_log()
        chosen = choose(active_files(self._table.pinned()).values())
        return self._merged(chosen) if chosen else None

    def _merged(self, files: Sequence[ActiveFile]) -> Replacement:
        stored = self._table.as_stored()
        paths = [file.path for file in files]
        rows = stored.store.scan_parquet(paths, stored.file_dtypes).collect()
        expected = sum(file.rows for file in files)
        if rows.height != expected:
            raise ValueError(f"the log counts {expected} rows in {len(files)} files, and they hold {rows.height}")
        rows = _in_order(rows)
        with stored.stager(date.fromisoformat(files[0].live_date), "compact", max(1, rows.height)) as stager:
            stager.add(rows)
            return Replacement(frozenset(paths), tuple(stager.finish()))


def choose(files: Iterable[ActiveFile]) -> list[ActiveFile]:
    """The files to merge next: of one day, of like size, the oldest first; none when there are too few.

    Those of the size that has the most: with the smallest first, the larger ones would never have their turn.
    """
    alike: dict[tuple[int, str], list[ActiveFile]] = {}
    for file in files:
        if file.rows < LARGEST_ROWS // 2:
            alike.setdefault((int(math.log(max(1, file.rows), SIZE_STEP)), file.live_date), []).append(file)
    most = max(alike.values(), key=len, default=[])
    if len(most) < MERGED_FILES:
        return []
    return _within(sorted(most, key=lambda file: (file.modified_ms, file.path)))


def _within(files: Sequence[ActiveFile]) -> list[ActiveFile]:
    """As many of ``files`` as make one file of at most ``LARGEST_ROWS``, at least two."""
    chosen: list[ActiveFile] = []
    rows = 0
    for file in files:
        if rows + file.rows > LARGEST_ROWS and len(chosen) > 1:
            break
        chosen.append(file)
        rows += file.rows
    return chosen


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """By partition and offset: readers of a range of offsets then skip most of the file."""
    return rows.sort("kafka_partition", "kafka_offset") if "kafka_offset" in rows.columns else rows
