"""The IO manager of windows: any asset partitioned by window can keep its rows in the lake by naming it.

It is for assets that people add beside the built-in ones: their rows are written with the same atomic overwrite of
exactly the windows of the run, their inputs arrive as lazy frames of exactly the windows that their mapping names.
(The built-in assets commit each window in their bodies, because they record per window what it was built from.)
The IO manager of dagster-deltalake is not used: an error in its predicate overwrites the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import polars as pl
import pyarrow as pa
from dagster import InputContext, IOManager, OutputContext

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.windows.graph import GRAPH
from streamguard_assets.windows.stream import CODE_VERSION, Stream

WindowRows = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatchReader | Iterable[pl.DataFrame]
"""What an asset may return. Over several windows the rows carry a ``window`` column, which says where each belongs."""


class WindowIOManager(IOManager):
    """Rows of window-partitioned assets with keys ``<stream>/<name>``, in Delta tables of the same path."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def handle_output(self, context: OutputContext, obj: WindowRows) -> None:
        """Overwrite the windows of the run with ``obj``, each in a commit of its own.

        A run over one window streams: frames are staged as they come, so that a window need not fit into memory.
        A window without rows becomes empty, but for a table that is not there yet: nobody has said its columns.

        Raises:
            ValueError: the asset has no window partitions, or a row names a window outside the run.
        """
        stream, name, windows = self._place(context)
        for window, frames in _by_window(obj, windows).items():
            rows = iter(frames)
            first = next(rows, None)
            if first is None and not stream.user_table_exists(name):
                continue
            table = self._table(stream, name, None if first is None else _schema_of(first))
            commit = WindowCommit(window, context.step_context.run_id, complete=True, code_version=CODE_VERSION)
            landed = table.write(rows if first is None else chain([first], rows), commit)
            context.step_context.add_asset_metadata(
                metadata=commit_metadata(landed), asset_key=context.asset_key, partition_key=window
            )

    def load_input(self, context: InputContext) -> pl.LazyFrame:
        """The rows of the windows that the asset's partition mapping names, as a lazy frame."""
        stream, name, windows = self._place(context)
        return self._table(stream, name, None).scan(windows)

    def _place(self, context: InputContext | OutputContext) -> tuple[Stream, str, list[str]]:
        path = context.asset_key.path
        if len(path) < 2 or not context.has_asset_partitions:
            raise ValueError(
                f"{context.asset_key.to_user_string()}: this IO manager keeps assets with keys <stream>/<name> that "
                "are partitioned by the stream's windows"
            )
        return self._streams.open(path[0]), "/".join(path[1:]), list(context.asset_partition_keys)

    def _table(self, stream: Stream, name: str, schema: pa.Schema | None) -> WindowTable:
        if name in GRAPH and GRAPH[name].is_table:
            return stream.table(name)
        return stream.user_table(name, schema)


def _by_window(obj: WindowRows, windows: list[str]) -> dict[str, Iterable[pl.DataFrame]]:
    frames = _frames(obj)
    if len(windows) == 1:
        return {windows[0]: frames}
    pieces: dict[str, list[pl.DataFrame]] = {window: [] for window in windows}
    for frame in frames:
        for (window,), rows in frame.partition_by("window", as_dict=True).items():
            if window not in pieces:
                raise ValueError(f"a row names the window {window!r}, which is not of this run")
            pieces[str(window)].append(rows)
    return dict(pieces)


def _schema_of(frame: pl.DataFrame) -> pa.Schema:
    return frame.drop("window", strict=False).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def _frames(obj: WindowRows) -> Iterable[pl.DataFrame]:
    match obj:
        case pl.DataFrame():
            return [obj]
        case pl.LazyFrame():
            return [obj.collect()]
        case pa.Table() | pa.RecordBatchReader():
            batches = obj.to_batches() if isinstance(obj, pa.Table) else obj
            return (pl.DataFrame(batch) for batch in batches)
        case _:
            return obj
