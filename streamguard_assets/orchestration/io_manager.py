"""The IO manager of windows: any asset partitioned by window can keep its rows in the lake by naming it.

It is for assets that people add beside the built-in ones: their rows are written with the same atomic overwrite of
exactly the windows of the run, their inputs arrive as lazy frames of exactly the windows that their mapping names.
(The built-in assets commit each window in their bodies, because they record per window what it was built from.)
The IO manager of dagster-deltalake is not used: an error in its predicate overwrites the whole table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

import polars as pl
import pyarrow as pa
from dagster import InputContext, IOManager, OutputContext

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.schema import WINDOW, polars_schema
from streamguard_assets.lake.staging import DataFile, FileStager
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.windows.keeper import missing_windows, still_open
from streamguard_assets.windows.stream import CODE_VERSION, Stream

WindowRows = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatchReader | Iterable[pl.DataFrame]
"""What an asset may return. Over several windows the rows carry a ``window`` column, which says where each belongs."""

CHUNK_ROWS = 50_000
"""Rows of a lazy frame that are computed and staged at once."""


class WindowIOManager(IOManager):
    """Rows of window-partitioned assets with keys ``<stream>/<name>``, in Delta tables of the same path."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def handle_output(self, context: OutputContext, obj: WindowRows) -> None:
        """Overwrite the windows of the run with ``obj``, each in a commit of its own.

        Rows are staged as they come: memory holds one chunk and, per window, less than one file
        (``ingest.file_rows``). Nothing is committed before the last row is staged, so an asset that fails half-way
        leaves every window as it was. A window without rows becomes empty, but for a table that is not there yet
        when no row came at all: nobody has said its columns.

        Raises:
            ValueError: the asset has no window partitions, or a row names a window outside the run.
        """
        stream, name, windows = self._place(context)
        frames = _frames(obj)
        first = next(frames, None)
        if first is None and not stream.user_table_exists(name):
            return
        table = self._table(stream, name, None if first is None else _schema_of(first))
        rows = frames if first is None else chain([first], frames)
        staged, whole = _staged(table, rows, windows, context.step_context.run_id), _whole(stream, windows)
        for window, files in staged.items():
            commit = WindowCommit(window, context.step_context.run_id, window in whole, code_version=CODE_VERSION)
            context.step_context.add_asset_metadata(
                metadata=commit_metadata(table.commit(files, commit)),
                asset_key=context.asset_key,
                partition_key=window,
            )

    def load_input(self, context: InputContext) -> pl.LazyFrame:
        """The rows of the windows that the asset's partition mapping names, as a lazy frame.

        Raises:
            ValueError: the asset was never materialized, so nobody has said its columns.
        """
        stream, name, windows = self._place(context)
        if not _is_built_in(stream, name) and not stream.user_table_exists(name):
            raise ValueError(f"{context.asset_key.to_user_string()} has no table yet; materialize it first")
        # A built-in asset has no table before its first window with events; its columns are known all the same.
        return self._table(stream, name, None).scan(windows, empty_if_missing=True)

    def _place(self, context: InputContext | OutputContext) -> tuple[Stream, str, list[str]]:
        path = context.asset_key.path
        if len(path) < 2 or not context.has_asset_partitions:
            raise ValueError(
                f"{context.asset_key.to_user_string()}: this IO manager keeps assets with keys <stream>/<name> that "
                "are partitioned by the stream's windows"
            )
        return self._streams.open(path[0]), "/".join(path[1:]), list(context.asset_partition_keys)

    def _table(self, stream: Stream, name: str, schema: pa.Schema | None) -> WindowTable:
        return stream.table(name) if _is_built_in(stream, name) else stream.user_table(name, schema)


def _is_built_in(stream: Stream, name: str) -> bool:
    return name in stream.graph and stream.graph[name].is_table


def _whole(stream: Stream, windows: Sequence[str]) -> set[str]:
    """Those of ``windows`` whose events are all in the lake; rows of one that still fills are not its last."""
    events = stream.table("events").commits()
    incomplete = {window for window in windows if window in events and not events[window].complete}
    return set(windows) - incomplete - set(missing_windows(stream, windows)) - still_open(stream, windows)


def _staged(
    table: WindowTable, frames: Iterable[pl.DataFrame], windows: Collection[str], attempt: str
) -> dict[str, list[DataFile]]:
    """The files of every window of the run, also of those without rows. All are deleted again when one fails."""
    with ExitStack() as stack:
        stagers: dict[str, FileStager] = {}
        for frame in frames:
            for window, rows in _by_window(frame, windows):
                if window not in stagers:
                    stagers[window] = stack.enter_context(table.stager(window, attempt))
                stagers[window].add(rows)
        return {window: stagers[window].finish() if window in stagers else [] for window in windows}


def _by_window(frame: pl.DataFrame, windows: Collection[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    if WINDOW not in frame.columns:
        if len(windows) > 1:
            raise ValueError(
                f"the rows of {len(windows)} windows need a column {WINDOW!r} that says where each belongs"
            )
        yield from ((window, frame) for window in windows)
        return
    for (window,), rows in frame.partition_by(WINDOW, as_dict=True, maintain_order=True).items():
        if window not in windows:
            raise ValueError(f"a row names the window {window!r}, which is not of this run")
        yield str(window), rows


def _schema_of(frame: pl.DataFrame) -> pa.Schema:
    return frame.drop(WINDOW, strict=False).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def _frames(obj: WindowRows) -> Iterator[pl.DataFrame]:
    """``obj`` in chunks; where it knows its columns, the first chunk tells them even when there are no rows."""
    match obj:
        case pl.DataFrame():
            yield obj
        case pl.LazyFrame():
            yield pl.DataFrame(schema=obj.collect_schema())
            yield from obj.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True)
        case pa.Table() | pa.RecordBatchReader():
            yield pl.DataFrame(schema=polars_schema(obj.schema))
            yield from (pl.DataFrame(batch) for batch in (obj.to_batches() if isinstance(obj, pa.Table) else obj))
        case _:
            yield from obj
