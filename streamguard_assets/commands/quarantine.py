"""``streamguard quarantine``: rejected records, why they were rejected, and a second chance."""

from __future__ import annotations

import uuid
from typing import Annotated

import polars as pl
import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.instants import parse_window
from streamguard_assets.commands.output import (
    CsvOption,
    JsonOption,
    chosen_format,
    print_document,
    print_note,
    print_records,
    progress_bar,
)
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.view import FROM_LIVE, SOURCE, read_quarantine
from streamguard_assets.windows.replay import rejected_rows, replay
from streamguard_assets.windows.stream import Stream

app = typer.Typer(help="Rejected records: list, show, replay.", no_args_is_help=True)

StreamArgument = Annotated[str, typer.Argument(help="Name of the stream, for example security.")]
WindowOption = Annotated[list[str] | None, typer.Option("--window", help="Only this window; may be given often.")]


@app.command("list")
def list_rejected(
    stream: StreamArgument,
    window: WindowOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most records to list.")] = 50,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List rejected records: where each was, and why it was rejected. Those without a window only the stream has seen.

    ```
    streamguard quarantine list security
    streamguard quarantine list security --window 2026-01-31-14:00 --json
    ```
    """
    form = chosen_format(as_json, as_csv)
    streamed = opened(load_settings(), stream)
    rows = rejected_rows(streamed, _keys(window)) if window else _rejected(streamed)
    total = rows.select(pl.len()).collect().item()
    order = ["window", "kafka_partition", "kafka_offset"]
    columns = [*order, "code", "reason", "json_path"]
    listed = rows.select(columns).sort(order, nulls_last=True).head(limit).collect()
    print_records(listed.iter_rows(named=True), form, columns=columns)
    if total > limit:
        print_note(f"{limit} of {total:,} rejected records; --limit shows more")


@app.command()
def show(
    stream: StreamArgument,
    partition: Annotated[int, typer.Argument(help="Kafka partition of the record.")],
    offset: Annotated[int, typer.Argument(help="Kafka offset of the record.")],
    as_json: JsonOption = False,
) -> None:
    """Show one rejected record with its raw bytes.

    ```
    streamguard quarantine show security 0 4711
    ```
    """
    at = (pl.col("kafka_partition") == partition) & (pl.col("kafka_offset") == offset)
    found = _rejected(opened(load_settings(), stream)).filter(at).collect()
    if not found.height:
        raise CommandError(f"{stream} has no rejected record at partition {partition} offset {offset}")
    print_document(found.row(0, named=True), chosen_format(as_json))


@app.command("replay")
def replay_rejected(
    stream: StreamArgument, window: WindowOption = None, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """Judge rejected records again by today's contract; what is good now lands in its window, once. Needs no Kafka.

    ```
    streamguard quarantine replay security
    ```

    The features and scores downstream are built again by the sensor, or by `streamguard materialize`.
    """
    form = chosen_format(as_json, as_csv)
    streamed = opened(load_settings(), stream)
    held = rejected_rows(streamed, _keys(window)).select("window").unique().collect()["window"].sort().to_list()
    attempt = f"replay-{uuid.uuid4().hex[:12]}"
    done = []
    with progress_bar() as bar:
        for key in bar.track(held, description=f"{stream}: replaying"):
            done += replay(streamed, [key], attempt, now())
    print_records(
        ({"window": r.window, "landed": r.landed, "still_rejected": r.still_rejected} for r in done),
        form,
        columns=["window", "landed", "still_rejected"],
    )
    print_note(f"{sum(r.landed for r in done):,} records landed, {sum(r.still_rejected for r in done):,} stay")


def _rejected(stream: Stream) -> pl.LazyFrame:
    """The rejected records of every window, also of one that is filling, and those that only the stream has seen."""
    of_windows = rejected_rows(stream)
    view = read_quarantine(stream)
    live = view.rows.filter(pl.col(SOURCE) == FROM_LIVE)
    if not view.two_topics:  # else the same place is that of two records
        live = live.join(of_windows, on=["kafka_partition", "kafka_offset"], how="anti")
    return pl.concat([of_windows, live.drop(SOURCE)], how="diagonal")


def _keys(windows: list[str] | None) -> list[str] | None:
    """The windows that were asked for; None: all."""
    return [parse_window(window) for window in windows] if windows else None
