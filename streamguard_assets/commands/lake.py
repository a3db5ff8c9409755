"""``streamguard lake`` and ``streamguard sql``: where tables are, what they hold, and care of them."""

from __future__ import annotations

from typing import Annotated

import typer

from streamguard_assets.commands import lake_care, lake_history
from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.output import (
    CsvOption,
    JsonOption,
    chosen_format,
    print_json,
    print_records,
    print_text,
)
from streamguard_assets.commands.streams import opened
from streamguard_assets.lake.catalog import lake_tables
from streamguard_assets.lake.sql import run_sql
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import load_settings

app = typer.Typer(help="The Delta tables of the lake: where, what, when, and their care.", no_args_is_help=True)
for _command in (lake_history.history, lake_history.at):
    app.command()(_command)
for _command in (lake_care.compact, lake_care.zorder, lake_care.vacuum, lake_care.checkpoint):
    app.command(rich_help_panel="Care, which the schedules give too")(_command)


@app.command()
def path(
    asset: Annotated[str, typer.Argument(metavar="STREAM/ASSET", help="For example security/events.")],
    as_json: JsonOption = False,
) -> None:
    """Print where the Delta table of an asset is, for any tool that reads Delta; whether it is written yet or not."""
    stream, _, name = asset.partition("/")
    streamed = opened(load_settings(), stream)
    there = {table.asset for table in lake_tables(streamed.location) if table.stream == stream}
    if name not in {*streamed.graph, *there}:
        known = ", ".join([*streamed.graph, *sorted(there - set(streamed.graph))])
        raise CommandError(f"stream {stream} has no asset {name!r}; it has {known}", ExitCode.USAGE)
    uri = streamed.location.table(stream, name)
    if as_json:
        print_json({"stream": stream, "asset": name, "uri": uri})
    else:
        print_text(uri)


@app.command()
def tables(
    every: Annotated[bool, typer.Option("--all", help="Also intermediate results.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the tables, by the name that `streamguard sql` knows them by."""
    location = lake_location(load_settings())
    found = [
        {"table": table.sql_name, "uri": location.table(table.stream, table.asset)}
        for table in lake_tables(location)
        if every or not table.is_partial
    ]
    print_records(found, chosen_format(as_json, as_csv), columns=["table", "uri"])


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT in DuckDB's dialect.")],
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Ask the lake: schemas are streams, tables are assets. Reads only; windows and columns not asked for stay shut.

    ```
    streamguard sql 'select user, count(*) from security.events group by all order by 2 desc limit 10'
    streamguard sql 'select "window", count(*) from security.quarantine group by all' --json
    ```

    `window` is a word of SQL itself: quote it.
    """
    form = chosen_format(as_json, as_csv)
    rows = run_sql(lake_location(load_settings()), query)
    print_records(rows.iter_rows(named=True), form, columns=rows.columns)
