"""How commands speak: results on stdout as a table, JSON or CSV; progress, warnings and errors on stderr.

Results and remarks never share a stream, so that ``streamguard … --json | jq`` always works. Text of users and of
records is printed as it is: it is never read as markup, and control characters cannot reach the terminal.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import PurePath
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

NOT_A_TERMINAL_COLUMNS = 10_000
"""Width of a table that goes into a file or a pipe: wide enough that no cell is folded."""


console = Console(stderr=True, highlight=False)
"""Where remarks and progress go. It looks up ``sys.stderr`` whenever it prints."""


class Format(Enum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


JsonOption = Annotated[bool, typer.Option("--json", help="Write the result as JSON, for programs.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Write the result as CSV with a header line.")]


def chosen_format(as_json: bool = False, as_csv: bool = False) -> Format:
    """The format that the flags ask for; ``typer.BadParameter`` (usage, status 2) when they ask for two."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if as_json:
        return Format.JSON
    return Format.CSV if as_csv else Format.TABLE


def print_records(
    records: Iterable[Mapping[str, Any]], form: Format = Format.TABLE, *, columns: Sequence[str] | None = None
) -> None:
    """Records of the same fields: rows of a table, objects of a JSON list (one per line), lines of CSV.

    ``columns`` names and orders the fields of a table or CSV (default: those of the first record); JSON has all.
    JSON and CSV are written as the records come. Nested values are JSON text inside tables and CSV.
    """
    if form is Format.JSON:
        _write_json_list(records)
        return
    rows = iter(records)
    first = next(rows, None)
    names = list(columns if columns is not None else first or ())
    everything = chain(() if first is None else (first,), rows)
    if form is Format.CSV:
        _write_csv(names, everything)
    else:
        _write_table(names, everything)


def print_document(document: Mapping[str, Any], form: Format = Format.TABLE) -> None:
    """One object: a JSON object, or a line per field."""
    if form is Format.JSON:
        print_json(document)
    elif form is Format.CSV:
        print_records([document], form)
    else:
        grid = Table.grid(padding=(0, 2))
        for name, value in document.items():
            grid.add_row(Text(name, style="bold"), _cell(value))
        stdout().print(grid)


def print_json(value: Any) -> None:
    """One JSON value, indented, with a line end."""
    _write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def print_text(text: str) -> None:
    """A line of result for people."""
    stdout().print(Text(harmless(text)))


def print_note(text: str) -> None:
    """A remark beside the result."""
    console.print(Text(harmless(text)), soft_wrap=True)


def print_warning(text: str) -> None:
    """Something that the person should know, though the command goes on."""
    console.print(Text.assemble(("warning: ", "bold yellow"), harmless(text)), soft_wrap=True)


def print_error(text: str) -> None:
    """Why the command ends without having done what was asked."""
    console.print(Text.assemble(("error: ", "bold red"), harmless(text)), soft_wrap=True)


def progress_bar() -> Progress:
    """A bar on stderr, for ``with``; it shows nothing where stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def byte_progress_bar(total_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """The same for bytes: yields what is to be told of each further number of them. None: nobody knows the total."""
    bar = Progress(
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=total_bytes)
        yield lambda more_bytes: bar.advance(task, more_bytes)


def plain(value: Any) -> Any:
    """``value`` in the types that JSON has.

    Instants are ISO-8601 in UTC, durations seconds, bytes text with what is no UTF-8 escaped as ``\\xNN``; NaN and
    the infinities, which JSON does not know, are null. ``TypeError`` names any other type.

    >>> plain({"at": datetime(2026, 1, 31, tzinfo=UTC), "share": float("nan"), "key": b"caf\\xff"})
    {'at': '2026-01-31T00:00:00Z', 'share': None, 'key': 'caf\\\\xff'}
    """
    match value:
        case None | bool() | str():
            return value
        case Enum():
            return plain(value.value)
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal() | PurePath():
            return str(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def harmless(text: str) -> str:
    """``text`` with control characters escaped: a record's value must not move the cursor or clear the screen.

    >>> harmless("a\\x1b[2Jb\\tc")
    'a\\\\x1b[2Jb\\tc'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _write_json_list(records: Iterable[Mapping[str, Any]]) -> None:
    separator = "["
    for record in records:
        _write(separator + "\n" + json.dumps(plain(record), ensure_ascii=False))
        separator = ","
    _write("[]\n" if separator == "[" else "\n]\n")


def _write_csv(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else _shown(row[name]) for name in names])


def table_of(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Records as a table for people: a column for each of ``names``, numbers to the right."""
    listed = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        values = [row[name] for row in listed if row.get(name) is not None]
        numeric = bool(values) and all(isinstance(value, int | float | Decimal) for value in values)
        table.add_column(Text(harmless(name)), justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(row.get(name)) for name in names))
    return table


def _write_table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    stdout().print(table_of(names, rows))


def _cell(value: Any) -> Text:
    return Text("–", style="dim") if value is None else Text(harmless(_shown(value)))


def _shown(value: Any) -> str:
    """A value as a person reads it in a table or a spreadsheet."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    simple = plain(value)
    if isinstance(simple, bool):
        return "yes" if simple else "no"
    return simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)


def _write(text: str) -> None:
    sys.stdout.write(text)


def stdout() -> Console:
    """Where results for people go; what is no terminal is so wide that no cell of a table is folded."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=NOT_A_TERMINAL_COLUMNS)
