"""The columns of a live table as it is stored, which may be more than those of the code that runs.

A column that a contract no longer has stays in the table and in the files written until then. Who rewrites files keeps
it: its values are part of rows that nobody asked to change.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from streamguard_assets.lake.live.active_files import LIVE_DATE
from streamguard_assets.lake.schema import merged, polars_schema

if TYPE_CHECKING:
    from streamguard_assets.lake.live.table import LiveTable


def as_stored(table: LiveTable) -> LiveTable:
    """``table`` with every column that it has by now, and then those that only the code has.

    Its ``scan`` and its ``stager`` are of these columns. Raises ``SchemaConflict`` when a column of both has another
    type.
    """
    whole = copy(table)
    whole.schema = pa.schema(merged(table.pinned().schema(), table.schema, table.uri).to_arrow())
    return whole


def file_dtypes(table: LiveTable) -> dict[str, Any]:
    """Polars dtypes of the columns of ``table`` that stand in its files, by name: all but the one of its folders."""
    return {name: dtype for name, dtype in polars_schema(table.schema).items() if name != LIVE_DATE}
