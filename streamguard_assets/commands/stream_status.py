"""``streamguard stream status``: a table of how the streams are, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streamguard_assets.commands.exit_codes import NO_ANSWER, CommandError
from streamguard_assets.commands.output import (
    NOT_A_TERMINAL_COLUMNS,
    Format,
    JsonOption,
    chosen_format,
    harmless,
    print_records,
    stdout,
    table_of,
)
from streamguard_assets.commands.streams import now
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.streaming.supervision.status import StatusReader, StreamStatus

REFRESH_S = 1.0

_LEAST_IMPORTANT_FIRST = (
    "latency ms",
    "commit ms",
    "restarts",
    "runs as",
    "metrics",
    "late",
    "rejected",
    "last commit",
    "events",
    "lag s",
    "wanted",
)
"""The order in which columns give way to a narrow terminal. Those that are not named always stay."""


def status(
    stream: Annotated[str | None, typer.Argument(help="Name of the stream; absent: all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again each second, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is wanted of the streams and what they do: lag, rate, times, restarts, last error. Needs no daemon.

    Times are milliseconds, the median and the 99th percentile of the last minute. Latency runs from a record's Kafka
    timestamp to the commit that holds it. Totals are of the process that runs now. A narrow terminal shows fewer
    columns; --json has everything. Exit status 1 when the lake does not answer for a stream.

    ```
    streamguard stream status
    streamguard stream status security --watch
    ```
    """
    if watch and as_json:
        raise typer.BadParameter("choose one of --watch and --json")
    form = chosen_format(as_json)
    readers = status_readers(load_settings(), stream)
    if watch:
        _watch(readers)
        return
    found = [reader.look(now()) for reader in readers]
    print_status(found, form)
    if faults := [each.fault for each in found if each.fault]:
        raise CommandError(f"{NO_ANSWER}: {'; '.join(faults)}")


def status_readers(settings: Settings, stream: str | None = None) -> list[StatusReader]:
    """Readers of the stream, or of every configured one; ``SettingsError`` for one that is not."""
    names = sorted(settings.streams)
    if stream is not None:
        settings.stream(stream)
        names = [stream]
    location = lake_location(settings)
    return [StatusReader(settings, location, name) for name in names]


def status_row(status: StreamStatus) -> dict[str, Any]:
    """A line of the table for people."""
    told = status.as_document()
    return {
        "stream": status.stream,
        "wanted": told["wanted"],
        "does": status.phase,
        "lag": told.get("lag_events"),
        "lag s": _rounded(told.get("lag_s")),
        "events/s": _rounded(told.get("events_per_s")),
        "events": told.get("events"),
        "rejected": told.get("rejected"),
        "late": told.get("late"),
        "commit ms": _pair(told.get("commit_ms_p50"), told.get("commit_ms_p99")),
        "latency ms": _pair(told.get("latency_ms_p50"), told.get("latency_ms_p99")),
        "last commit": _age(told.get("last_commit_at"), status.at),
        "restarts": status.restarts,
        "runs as": _short_owner(status),
        "metrics": told.get("metrics"),
    }


def print_status(found: Sequence[StreamStatus], form: Format) -> None:
    """The streams as they were found, as a result. A fault of the lake stays out of the table: it is an error."""
    if form is Format.TABLE:
        out = stdout()
        out.print(_table(found, out), *_last_errors(found), sep="\n")
    else:
        print_records((each.as_document() for each in found), form)


def status_view(readers: Sequence[StatusReader], out: Console) -> RenderableType:
    """The table of this moment, as wide as ``out``, and below it why streams failed or cannot be read."""
    found = [reader.look(now()) for reader in readers]
    faults = (_remark(each.stream, NO_ANSWER, each.fault) for each in found if each.fault)
    return Group(_table(found, out), *_last_errors(found), *faults)


def _table(found: Sequence[StreamStatus], out: Console) -> Table:
    """Columns that say nothing of any stream are left out; so are the least important, until no cell is folded."""
    rows = [status_row(each) for each in found]
    names = list(_telling(rows))
    dispensable = [name for name in _LEAST_IMPORTANT_FIRST if name in names]
    unbounded = out.options.update(max_width=NOT_A_TERMINAL_COLUMNS)
    table = table_of(names, rows)
    while dispensable and out.measure(table, options=unbounded).maximum > out.width:
        names.remove(dispensable.pop(0))
        table = table_of(names, rows)
    return table


def _last_errors(found: Sequence[StreamStatus]) -> Iterator[Text]:
    return (_remark(each.stream, "last error", each.last_error) for each in found if each.last_error)


def _remark(stream: str, what: str, text: str) -> Text:
    """A line of its own, folded at words: in a column it would take the width of all others."""
    return Text(harmless(f"{stream}: {what}: {text}"))


@contextmanager
def live_table(readers: Sequence[StatusReader], out: Console) -> Iterator[Callable[[], None]]:
    """The table in its place on the terminal; yields what shows it as it is then."""
    with Live(status_view(readers, out), console=out, auto_refresh=False) as live:
        yield lambda: live.update(status_view(readers, out), refresh=True)


def _watch(readers: Sequence[StatusReader]) -> None:
    try:
        with live_table(readers, Console(highlight=False)) as show:
            while True:
                time.sleep(REFRESH_S)  # another process writes what is shown, and tells nobody
                show()
    except KeyboardInterrupt:
        return  # how a person ends it: no failure


def _telling(rows: list[dict[str, Any]]) -> Iterator[str]:
    for name in rows[0]:
        if any(row[name] is not None for row in rows):
            yield name


def _short_owner(status: StreamStatus) -> str | None:
    """Who runs it, short enough for a table; the whole name is in the JSON."""
    if status.heartbeat is None:
        return None
    host = status.heartbeat.host
    return f"run {host.run_id[:8]}" if host.run_id else f"process {host.process.pid}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _pair(median: float | None, high: float | None) -> str | None:
    return None if median is None or high is None else f"{median:.0f} / {high:.0f}"


def _age(instant: datetime | None, at: datetime) -> str | None:
    return None if instant is None else f"{max(0.0, (at - instant).total_seconds()):.0f} s ago"
