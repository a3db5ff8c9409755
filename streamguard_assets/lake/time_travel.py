"""The rows of a table as they were: by version or by instant, or an error that says what can be had instead."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from datetime import datetime
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from streamguard_assets.lake.errors import VersionUnavailable
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.history import HistoryEntry, log_versions, read_history, read_lines
from streamguard_assets.lake.location import folder_tells
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.tables import open_table, scan_table

_NAMED_WINDOWS = 3


def rows_at_version(uri: str, storage_options: Mapping[str, str], version: int) -> pl.LazyFrame:
    """The rows that the table had at ``version``, with the columns it had then.

    Raises ``VersionUnavailable`` when there is no such version, or when vacuum has deleted files of it;
    ``TableMissing`` when there is no table.
    """
    newest = open_table(uri, storage_options).version()
    versions = [known for known in log_versions(uri, storage_options) if known <= newest]
    if version not in versions:
        raise VersionUnavailable(f"{uri} has no version {version}; it has {versions[0]} to {newest}")
    table = open_table(uri, storage_options, version)
    there = FileStore(uri, storage_options).files()
    if gone := _files(table) - set(there):
        raise VersionUnavailable(
            f"{uri}: version {version} needs {len(gone)} files that are gone; "
            f"{_readable(uri, storage_options, gone, there, version, newest)}{_rebuild(table, gone)}"
        )
    values = table.partitions() if table.metadata().partition_columns else []
    told = all(folder_tells(None if value is None else str(value)) for row in values for value in row.values())
    return scan_table(table, storage_options, file_by_file=not told)


def version_at(uri: str, storage_options: Mapping[str, str], instant: datetime) -> HistoryEntry:
    """The version that was the newest at ``instant``, by the clocks of those who committed.

    A clock that was behind does not reorder versions: each counts from the latest time up to its own. Raises
    ``VersionUnavailable`` when the table's log begins later, ``TableMissing`` when there is no table.
    """
    entries = read_history(uri, storage_options)
    oldest = entries[-1]
    if instant < oldest.committed_at:
        raise VersionUnavailable(
            f"{uri} begins with version {oldest.version} at {oldest.committed_at.isoformat()}, "
            f"and {instant.isoformat()} is before that"
        )
    found, latest = oldest, oldest.committed_at
    for entry in reversed(entries):
        latest = max(latest, entry.committed_at)
        if latest > instant:
            break
        found = entry
    return found


def _files(table: DeltaTable) -> set[str]:
    """The files that ``table`` names, as they are called on the store."""
    return {unquote(path) for path in pl.DataFrame(table.get_add_actions(flatten=True))["path"]}


def _readable(
    uri: str,
    storage_options: Mapping[str, str],
    gone: Collection[str],
    there: Container[str],
    version: int,
    newest: int,
) -> str:
    """Which versions can be read: those from the one on that needs no missing file any more."""
    lines = read_lines(uri, storage_options, range(version + 1, newest + 1))
    removed = lines.select("version", pl.col("remove").struct.field("path")).drop_nulls("path").sort("version")
    first, needed = version, set(gone)
    for at, path in removed.collect().iter_rows():
        needed.discard(name := unquote(path))
        first = first if name in there else at
    if needed:
        return f"the newest, {newest}, needs them too: they were not deleted by vacuum"
    return f"vacuum has deleted them, and versions {first} to {newest} can be read"


def _rebuild(table: DeltaTable, gone: Collection[str]) -> str:
    """What can be done about it in a table of windows: nothing is lost that the offsets name."""
    if table.metadata().partition_columns != [WINDOW]:
        return ""
    windows = sorted({unquote(path.partition("/")[0].removeprefix(f"{WINDOW}=")) for path in gone})
    shown = ", ".join(windows[:_NAMED_WINDOWS]) + (f", … ({len(windows)})" if len(windows) > _NAMED_WINDOWS else "")
    return (
        f". The windows {shown} can be built again from their offsets while Kafka has them: "
        f"`streamguard materialize STREAM --from {windows[0]}`"
    )
