"""A table's files read one by one by the log's own word, where Polars' reading of Delta does not do.

That is a folder whose name delta-rs encodes (one with a space), and partition values that the names of their folders do
not tell. Native scans and no Python source: a query that gives up early would leave that running in a thread, which
hangs or kills the process when it ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.location import local_path
from streamguard_assets.lake.schema import polars_schema

_PARTITION = "partition."


def scan_files(
    table: DeltaTable, storage_options: Mapping[str, str], only: Mapping[str, Collection[str]] | None = None
) -> pl.LazyFrame:
    """The rows of ``table`` at its version, lazily; ``only`` those with the named values of partition columns."""
    dtypes = polars_schema(pa.schema(table.schema().to_arrow()))
    folder = local_path(table.table_uri)
    store = FileStore(table.table_uri if folder is None else str(folder), storage_options)
    parts = [
        _rows(store, paths, values, dtypes)
        for values, paths in _files_by_partition(table)
        if all(values[column] in wanted for column, wanted in (only or {}).items())
    ]
    return pl.concat(parts) if parts else pl.LazyFrame(schema=dtypes)


def _rows(
    store: FileStore, paths: list[str], values: Mapping[str, Any], dtypes: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    in_files = {name: dtype for name, dtype in dtypes.items() if name not in values}
    told = [pl.lit(value, dtypes[name]).alias(name) for name, value in values.items()]
    return store.scan_parquet(paths, in_files).with_columns(told).select(list(dtypes))


def _files_by_partition(table: DeltaTable) -> list[tuple[dict[str, Any], list[str]]]:
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    names = [name for name in actions.columns if name.startswith(_PARTITION)]
    if actions.is_empty():
        return []
    grouped = actions.select("path", *names).group_by(names, maintain_order=True) if names else [((), actions)]
    return [
        (
            {name.removeprefix(_PARTITION): value for name, value in zip(names, values, strict=True)},
            # The log encodes the names of files; a file's own name may look encoded, too.
            [unquote(path) for path in files["path"]],
        )
        for values, files in grouped
    ]
