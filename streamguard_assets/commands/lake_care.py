"""``streamguard lake compact|zorder|vacuum|checkpoint``: care of tables now, as the schedules do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.output import (
    CsvOption,
    JsonOption,
    chosen_format,
    print_note,
    print_records,
    progress_bar,
)
from streamguard_assets.commands.streams import now
from streamguard_assets.lake.catalog import named_table
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import load_settings
from streamguard_assets.windows.lake_care import Care, LakeCarer, TableCare

TablesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TABLE]...", help="As `streamguard lake tables` names it, or STREAM/ASSET; default: all."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def compact(
    tables: TablesArgument = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Rewrite partitions of many small files into few. The same rows, beside writers and readers.

    ```
    streamguard lake compact
    streamguard lake compact transactions.events --dry-run
    ```
    """
    _care(Care.COMPACT, tables, dry_run, as_json, as_csv)


def zorder(
    tables: TablesArgument = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Put rows of large partitions in the order of user and category, so that queries for some skip most.

    Partitions below `lake_care.zorder_min_rows` are left: a reader opens them whole in any order.
    """
    _care(Care.ZORDER, tables, dry_run, as_json, as_csv)


def vacuum(
    tables: TablesArgument = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Delete files that no version within the retention needs; older versions can then not be read any more.

    The retention is `lake_care.vacuum_retention_hours`, at least 168.
    """
    _care(Care.VACUUM, tables, dry_run, as_json, as_csv)


def checkpoint(
    tables: TablesArgument = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Write a checkpoint of each log, and delete old ones. The history itself is kept for ever."""
    _care(Care.CHECKPOINT, tables, dry_run, as_json, as_csv)


def _care(care: Care, names: list[str] | None, dry_run: bool, as_json: bool, as_csv: bool) -> None:
    form = chosen_format(as_json, as_csv)
    settings = load_settings()
    location = lake_location(settings)
    carer = LakeCarer(settings, location, now(), dry_run)
    tables = [named_table(location, name) for name in names] if names else carer.tables(care)
    done: list[TableCare] = []
    with progress_bar() as bar:
        task = bar.add_task(care.value, total=len(tables))
        show = _shown(lambda text: bar.update(task, description=text), care)
        for each in carer.turn(care, tables, show):
            done.append(each)
            bar.advance(task)
    print_records((each.to_record() for each in done), form, columns=_COLUMNS)
    if not done:
        print_note("no table needs that")
    elif dry_run:
        print_note("nothing was changed; the figures after are what is expected")
    if unwell := [each.table.sql_name for each in done if not each.is_well]:
        raise CommandError(f"{len(unwell)} of {len(done)} tables need a look, see the remarks: {', '.join(unwell)}")


_COLUMNS = ["table", "changed", "files_before", "files_after", "bytes_before", "bytes_after", "seconds", "remarks"]


def _shown(describe: Callable[[str], object], care: Care) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        describe(f"{care.value}, part {done} of {total}")

    return show
