"""A table's files as an Arrow dataset, for readers that do not read Delta themselves.

Built here and not by delta-rs: its dataset takes the statistics of the log for guarantees, and where a file has no
bounds for a column (long texts, numbers that are not finite) it guarantees ``column >= null``, by which Arrow skips
the file under any filter on that column. Rows were lost that way. Partition values are kept as guarantees; inside a
file the statistics of Parquet itself serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_PARTITION = "partition."


def arrow_dataset(table: DeltaTable) -> ds.FileSystemDataset:
    """The active files of ``table`` at its version; a file is known by its partition values and nothing else."""
    import pyarrow.dataset as ds  # late: it brings pandas along, for which no start should wait

    theirs: Any = table.to_pyarrow_dataset()
    partitions = _partitions_by_file(table)
    fragments = [
        theirs.format.make_fragment(
            fragment.path,
            filesystem=theirs.filesystem,
            partition_expression=_guarantee(partitions[unquote(fragment.path)], theirs.schema),
        )
        for fragment in theirs.get_fragments()
    ]
    return ds.FileSystemDataset(fragments, theirs.schema, theirs.format, theirs.filesystem)


def _partitions_by_file(table: DeltaTable) -> dict[str, dict[str, Any]]:
    """By path, the values of the partition columns. A path is encoded twice in the log, once in a dataset."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    names = [name for name in actions.columns if name.startswith(_PARTITION)]
    return {
        unquote(unquote(row.pop("path"))): {name.removeprefix(_PARTITION): value for name, value in row.items()}
        for row in actions.select("path", *names).iter_rows(named=True)
    }


def _guarantee(values: Mapping[str, Any], schema: pa.Schema) -> ds.Expression:
    import pyarrow.dataset as ds

    guarantee = ds.scalar(True)
    for column, value in values.items():
        field = ds.field(column)
        is_value = field.is_null() if value is None else field == pa.scalar(value, schema.field(column).type)
        guarantee = guarantee & is_value
    return guarantee
