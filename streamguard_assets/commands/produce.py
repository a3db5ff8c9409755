"""``streamguard produce``: a file, or standard input, of one event per line into the topic of a stream."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.output import (
    Format,
    JsonOption,
    byte_progress_bar,
    chosen_format,
    print_json,
    print_note,
    print_text,
    print_warning,
)
from streamguard_assets.kafka.preparation import PreparedTopic, prepare_topic
from streamguard_assets.kafka.topics import HOUR_MS, TopicLayout
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import load_settings
from streamguard_assets.windows.production import Production, send_lines
from streamguard_assets.windows.stream import Stream, open_stream

STANDARD_INPUT = "-"
REPORT_EVERY_BYTES = 64 * 1024
MINUTE = "%Y-%m-%d %H:%M"


class Timestamps(Enum):
    """Which time a record is stamped with."""

    EVENT = "event"
    NOW = "now"


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE", help="One JSON event per line; - is standard input.")],
    stream: Annotated[str, typer.Option("--stream", "-s", help="The stream whose topic gets the events.")],
    timestamps: Annotated[
        Timestamps, typer.Option(help="Stamp records with the time inside the event, or with the present.")
    ] = Timestamps.NOW,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Events per second; as fast as possible if absent.")
    ] = None,
    create_topic: Annotated[bool, typer.Option(help="Create the topic if it is not there.")] = True,
    lift_retention: Annotated[
        bool | None,
        typer.Option(
            "--lift-retention/--keep-retention",
            help="With event times: make a topic that deletes by age keep its records for ever. "
            "By default done on the local broker, and left to you on your own cluster.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send events to the topic of a stream, one record per line, exactly as the lines are.

    Bad lines are sent too: what they are is decided when their window is built, and they end in quarantine.
    The key of a record is the user of its event, so that the events of a user stay in order.

    ```
    streamguard produce events.ndjson --stream security
    streamguard produce history.ndjson --stream security --timestamps event
    zcat day.ndjson.gz | streamguard produce - --stream security --rate 500
    ```

    With --timestamps event a window holds the events of its hour, if the stream begins with them. Lines without a
    readable time are stamped with the present and counted.

    Exits with 0; 1 if nothing was sent or a record was refused; 2 on wrong usage; 3 if a setting is wrong; 4 if
    Kafka is not available.
    """
    form = chosen_format(as_json)
    settings = load_settings()
    target = open_stream(settings, stream, lake_location(settings))
    by_event = timestamps is Timestamps.EVENT
    lift = settings.kafka.bootstrap_servers is None if lift_retention is None else lift_retention
    with _opened(file) as (source, size_bytes):
        layout = TopicLayout.from_settings(settings, replay=by_event)
        prepared = prepare_topic(
            target.connection, target.topic, layout, create=create_topic, lift_retention=by_event and lift
        )
        tell_of_topic(target.topic, prepared, by_event)
        started = time.monotonic()
        with byte_progress_bar(size_bytes) as advance:
            production = send_lines(target, _watched(source, advance), by_event_time=by_event, rate_per_s=rate)
        seconds = time.monotonic() - started
    if not production.report.produced:
        raise CommandError(f"{file} holds no events: nothing was sent")
    _warn_of_stamps(target, production)
    _show(target, prepared, production, seconds, form)


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The bytes of ``file`` and how many they are; None when nobody knows, as of a pipe."""
    if file == STANDARD_INPUT:
        yield sys.stdin.buffer, None
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - a `with` here would take errors of the body for its own
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None
    with source:
        status = os.fstat(source.fileno())
        yield source, status.st_size if stat.S_ISREG(status.st_mode) else None


def _watched(source: BinaryIO, advance: Callable[[int], None]) -> Iterator[bytes]:
    """The lines, with the bytes read reported about every 64 KiB: a call per line would cost more than the line."""
    read_bytes = 0
    for line in source:
        yield line
        read_bytes += len(line)
        if read_bytes >= REPORT_EVERY_BYTES:
            advance(read_bytes)
            read_bytes = 0
    advance(read_bytes)


def tell_of_topic(topic: str, prepared: PreparedTopic, by_event: bool) -> None:
    """What was done to the topic, and whether it will lose records stamped with past times (``by_event``)."""
    if prepared.created:
        print_note(f"created topic {topic}")
    if prepared.retention_lifted:
        print_note(f"topic {topic} now keeps records for ever (retention.ms was {prepared.retention_ms})")
    if by_event and prepared.forgets:
        print_warning(
            f"topic {topic} deletes records that are older than {prepared.retention_ms / HOUR_MS:g} h by their "
            "timestamp: past events go within minutes of their arrival. Run with --lift-retention to keep them"
        )


def _warn_of_stamps(stream: Stream, production: Production) -> None:
    if production.report.unstamped:
        print_warning(
            f"{production.report.unstamped:,} lines have no readable `{stream.contract.time_column}`: they are stamped "
            "with the present, and are in the open window"
        )
    if production.behind_boundary and production.boundary is not None:
        print_warning(
            f"{production.behind_boundary:,} events are stamped before {production.boundary:%Y-%m-%d %H:%M} UTC, up to "
            f"which windows of {stream.name} are decided: windows are cut by offset, so these events are in the window "
            "that is open now"
        )


def _show(stream: Stream, prepared: PreparedTopic, production: Production, seconds: float, form: Format) -> None:
    report = production.report
    if form is Format.JSON:
        print_json(
            {
                "stream": stream.name,
                "topic": stream.topic,
                "topic_created": prepared.created,
                "retention_lifted": prepared.retention_lifted,
                "produced": report.produced,
                "blank_lines": report.blank,
                "without_time": report.unstamped,
                "behind_boundary": production.behind_boundary,
                "earliest": production.earliest,
                "latest": production.latest,
                "last_offsets": report.last_offsets,
                "seconds": round(seconds, 3),
            }
        )
        return
    times = f", of {production.earliest:{MINUTE}} to {production.latest:{MINUTE}} UTC" if production.earliest else ""
    print_text(
        f"produced {report.produced:,} events to {stream.topic}{times}, in {seconds:.1f} s "
        f"({report.produced / max(seconds, 0.001):,.0f}/s)"
    )
