"""``streamguard windows``: state, offsets, rows and age of each window; and giving up offsets that Kafka lost."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.instants import parse_window
from streamguard_assets.commands.output import (
    CsvOption,
    Format,
    JsonOption,
    chosen_format,
    print_note,
    print_records,
)
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.settings import load_settings
from streamguard_assets.windows.gaps import acknowledge_gap, unreachable_windows
from streamguard_assets.windows.keeper import closed_windows, keep_ledger, open_window
from streamguard_assets.windows.stream import Stream


def windows(
    stream: Annotated[str, typer.Argument(help="Name of the stream, for example security.")],
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only the newest N windows.")] = None,
    acknowledge: Annotated[
        str | None, typer.Option("--acknowledge-gap", metavar="WINDOW", help="Accept that Kafka lost offsets of it.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="With --acknowledge-gap: why, for the record.")] = "",
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the windows of a stream that hold offsets: state, offsets, rows, age. Decides boundaries that are due.

    States: complete, open (filling, or built while it filled), missing (closed and not built yet), lost (closed,
    not built, and Kafka no longer has its offsets).

    ```
    streamguard windows security --last 24
    streamguard windows security --acknowledge-gap 2026-01-31-14:00 --reason "retention was 1 h by mistake"
    ```
    """
    form = chosen_format(as_json, as_csv)
    _refuse_mixed(acknowledge, reason)
    streamed, moment = opened(load_settings(), stream), now()
    keep_ledger(streamed, moment)
    if acknowledge is not None:
        _acknowledge(streamed, parse_window(acknowledge), reason, moment, form)
        return
    records = list(_records(streamed, moment))
    print_records(records[-last:] if last else records, form, columns=_COLUMNS)
    if not records:
        print_note(f"no window of {stream} holds offsets yet")


_COLUMNS = ["window", "state", "offsets", "covered", "rows", "rejected", "holes", "age"]


def _records(stream: Stream, moment: datetime) -> Iterator[dict[str, Any]]:
    commits, lost = stream.table("events").commits(), unreachable_windows(stream)
    filling = open_window(stream)
    for window in [*closed_windows(stream), *([filling] if filling else [])]:
        commit = commits.get(window.key)
        yield {
            "window": window.key,
            "state": _state(window.closed, commit is not None and commit.complete, window.key in lost),
            "offsets": window.range.to_json()["offsets"],
            "covered": window.range.span,
            "rows": commit.rows if commit else None,
            "rejected": commit.details["rejected"] if commit else None,
            "holes": commit.details["holes"] if commit else None,
            "age": _age((moment - stream.cadence.end(window.key)).total_seconds()),
        }


def _state(closed: bool, complete: bool, lost: bool) -> str:
    if not closed:
        return "open"
    if complete:
        return "complete"
    return "lost" if lost else "missing"


def _age(seconds: float) -> str:
    """Time since the window ended, as people say it; negative while it fills."""
    minutes = int(seconds // 60)
    if minutes < 0:
        return "filling"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"


def _refuse_mixed(acknowledge: str | None, reason: str) -> None:
    if acknowledge is not None and not reason:
        raise CommandError("say why with --reason: the ledger keeps it beside the gap", ExitCode.USAGE)
    if reason and acknowledge is None:
        raise CommandError("--reason is for --acknowledge-gap", ExitCode.USAGE)


def _acknowledge(stream: Stream, window: str, reason: str, moment: datetime, form: Format) -> None:
    if window not in {closed.key for closed in closed_windows(stream)}:
        raise CommandError(f"{window} is no closed window of {stream.name} that holds offsets", ExitCode.USAGE)
    given_up = acknowledge_gap(stream, window, reason, getpass.getuser(), moment)
    if not given_up:
        raise CommandError(f"{window} is complete in the lake, or Kafka still has its offsets; nothing was given up")
    print_records(
        (
            {
                "window": window,
                "kafka_partition": gap.kafka_partition,
                "start_offset": gap.start_offset,
                "end_offset": gap.end_offset,
                "reason": gap.reason,
            }
            for gap in given_up
        ),
        form,
    )
    print_note(f"`streamguard materialize {stream.name} --from {window}` builds the window from what is left")
