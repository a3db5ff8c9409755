"""``streamguard lake history`` and ``at``: what happened to a table, and its rows as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import polars as pl
import typer

from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.instants import parse_instant
from streamguard_assets.commands.output import CsvOption, JsonOption, chosen_format, print_note, print_records
from streamguard_assets.lake.catalog import named_table
from streamguard_assets.lake.history import HistoryEntry, read_history
from streamguard_assets.lake.time_travel import rows_at_version, version_at
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import load_settings

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="As `streamguard lake tables` names it, or STREAM/ASSET.")
]
_COLUMNS = [
    "version",
    "time",
    "operation",
    "window",
    "rows",
    "files_added",
    "files_removed",
    "bytes_added",
    "bytes_removed",
    "writer",
]


def history(
    table: TableArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most versions to list, the newest first.")] = 20,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the versions of a table: when, what, which window, and the rows, files and bytes it added.

    ```
    streamguard lake history security.events --limit 50
    ```
    """
    form = chosen_format(as_json, as_csv)
    location = lake_location(load_settings())
    found = named_table(location, table)
    entries = read_history(location.table(found.stream, found.asset), location.storage_options, limit)
    print_records(map(_record, entries), form, columns=_COLUMNS)
    if entries[-1].version:
        print_note(f"older versions are there; the newest {len(entries)} are listed, --limit shows more")


def at(
    table: TableArgument,
    version: Annotated[int | None, typer.Option("--version", min=0, help="The version, as `history` lists it.")] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", metavar="ISO", help="The newest version at that instant.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows to show.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Rows to pass over first.")] = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show rows of a table as it was at a version or an instant. The order is that of its files, always the same.

    ```
    streamguard lake at security.events --version 3
    streamguard lake at transactions.events --timestamp 2026-01-31T14:00Z --limit 1000 --csv
    ```
    """
    form = chosen_format(as_json, as_csv)
    if (version is None) == (timestamp is None):
        raise CommandError("say which: --version or --timestamp", ExitCode.USAGE)
    location = lake_location(load_settings())
    found = named_table(location, table)
    uri, options = location.table(found.stream, found.asset), location.storage_options
    if timestamp is not None:
        version = version_at(uri, options, parse_instant(timestamp)).version
    assert version is not None
    rows = rows_at_version(uri, options, version)
    page = rows.slice(offset, limit).collect()
    print_records(page.iter_rows(named=True), form, columns=page.columns)
    total = rows.select(pl.len()).collect().item()
    print_note(f"version {version} of {found.sql_name}: {page.height:,} of {total:,} rows, from row {offset:,}")


def _record(entry: HistoryEntry) -> dict[str, Any]:
    """Every field for programs, in the order of the columns for people."""
    fields = dict(_fields(entry))
    return {name: fields[name] for name in [*_COLUMNS, *(name for name in fields if name not in _COLUMNS)]}


def _fields(entry: HistoryEntry) -> Iterator[tuple[str, Any]]:
    for name, value in vars(entry).items():
        yield ("time" if name == "committed_at" else name), value
