"""``streamguard view``: the events of a stream, complete windows and live rows as one."""

from __future__ import annotations

from typing import Annotated

import typer

from streamguard_assets.commands.instants import parse_instant
from streamguard_assets.commands.output import CsvOption, JsonOption, chosen_format, print_note, print_records
from streamguard_assets.commands.streams import opened
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.coverage import size
from streamguard_assets.streaming.view import EventsView, read_view


def view(
    stream: Annotated[str, typer.Argument(help="Name of the stream, for example security.")],
    since: Annotated[str | None, typer.Option("--since", metavar="ISO", help="Event time from then on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="ISO", help="Event time before then.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most events to show, the newest.")] = 50,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the newest events by their own time: from complete windows, then live ones, each once. Needs no Kafka.

    ```
    streamguard view security
    streamguard view transactions --since 2026-01-31T14:00Z --limit 1000 --csv
    ```
    """
    form = chosen_format(as_json, as_csv)
    streamed = opened(load_settings(), stream)
    begin, end = (None if text is None else parse_instant(text) for text in (since, until))
    found = read_view(streamed, begin, end)
    order = [streamed.contract.time_column, "kafka_partition", "kafka_offset"]
    newest = found.rows.sort(order, descending=True).head(limit).collect().reverse()
    print_records(newest.iter_rows(named=True), form, columns=newest.columns)
    print_note(f"{newest.height:,} events; {_made_of(found)}")
    if found.apart:
        print_note(f"left out, since the ledger does not know their offsets: windows {', '.join(found.apart)}")


def _made_of(found: EventsView) -> str:
    if found.events_version is None and found.live_version is None:
        return "nothing is in the lake yet"
    reached = ", ".join(f"{partition}: {offset:,}" for partition, offset in sorted(found.reached.items()))
    return (
        f"offsets looked at: {size(found.covered):,} in windows (version {found.events_version}), "
        f"{size(found.live):,} more in the live table (version {found.live_version}), rejected records among them; "
        f"known up to offset {reached or 'none'}"
    )
