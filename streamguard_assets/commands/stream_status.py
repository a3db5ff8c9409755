"""``streamguard stream status``: a table of how the streams are, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamguard_assets.commands.output import JsonOption, chosen_format, print_records, table_of
from streamguard_assets.commands.streams import now
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.streaming.supervision.status import StatusReader, StreamStatus

REFRESH_S = 1.0


def status(
    stream: Annotated[str | None, typer.Argument(help="Name of the stream; absent: all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again each second, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is wanted of the streams and what they do: lag, rate, times, restarts, last error. Needs no daemon.

    Times are milliseconds, the median and the 99th percentile of the last minute. Latency runs from a record's Kafka
    timestamp to the commit that holds it. Totals are of the process that runs now.

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
    found = [reader.read(now()) for reader in readers]
    records = (each.as_document() for each in found) if as_json else map(status_row, found)
    print_records(records, form)


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
        "last error": status.last_error or None,
    }


def status_table(readers: Sequence[StatusReader]) -> Table:
    """The table of this moment; columns that say nothing of any stream are left out."""
    rows = [status_row(reader.read(now())) for reader in readers]
    return table_of(list(_telling(rows)), rows)


@contextmanager
def live_table(readers: Sequence[StatusReader], out: Console) -> Iterator[Callable[[], None]]:
    """The table in its place on the terminal; yields what shows it as it is then."""
    with Live(status_table(readers), console=out, auto_refresh=False) as live:
        yield lambda: live.update(status_table(readers), refresh=True)


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
