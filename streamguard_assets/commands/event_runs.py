"""Runs of generated events: into a topic or a file, at their time or at once, until their end or Ctrl-C."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Annotated, Any

import typer

from streamguard_assets.commands.instants import parse_instant
from streamguard_assets.commands.machine import StopRequest
from streamguard_assets.commands.output import Format, print_json, print_text, print_warning, progress_bar
from streamguard_assets.commands.produce import tell_of_topic
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.contracts.fields import EPOCH, MAX_TIMESTAMP_MS
from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.preparation import prepare_topic
from streamguard_assets.kafka.records import produce_records
from streamguard_assets.kafka.topics import TopicLayout
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.stream import kafka_connection

MILLISECOND = timedelta(milliseconds=1)
SHOW_EVERY_S = 0.25
LINES_PER_WRITE = 1_000

SERVERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"

BootstrapServersOption = Annotated[
    str | None,
    typer.Option(
        envvar=SERVERS_VARIABLE,
        help="Kafka to send to; by default that of the settings, or the local broker.",
        show_default=False,
    ),
]
LiftRetentionOption = Annotated[
    bool | None,
    typer.Option(
        "--lift-retention/--keep-retention",
        help="With past times: make a topic that deletes by age keep its records for ever. "
        "By default done on the local broker, and left to you on your own cluster.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="The same seed makes the same events again; drawn, and told, if absent.", show_default=False
    ),
]
DurationOption = Annotated[
    float | None,
    typer.Option(min=0.001, help="Seconds until the end; until Ctrl-C if absent.", show_default=False),
]
CountOption = Annotated[int | None, typer.Option(min=1, help="How many events.", show_default=False)]
StartOption = Annotated[
    str | None,
    typer.Option(
        help="Time of the first events, like 2026-01-31T08:00Z. Nothing waits then: past and future are made at once.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="Write lines of JSON to this file instead of a topic, at once.", show_default=False),
]


@dataclass(frozen=True)
class Plan:
    """When events happen, and which of them are wanted. ``live``: each is sent when its time has come."""

    start: datetime
    live: bool
    count: int | None
    duration_s: float | None

    @classmethod
    def of(cls, start: str | None, count: int | None, duration_s: float | None, output: Path | None) -> Plan:
        """``typer.BadParameter`` for a file without an end."""
        if output is not None and count is None and duration_s is None:
            raise typer.BadParameter("a file needs an end: add --count or --duration", param_hint="--output")
        begin = now() if start is None else parse_instant(start)
        return cls(begin, start is None and output is None, count, duration_s)

    @property
    def start_ms(self) -> int:
        return (self.start - EPOCH) // MILLISECOND

    def of_events(self, events: Iterable[GeneratedEvent]) -> Iterator[GeneratedEvent]:
        """Those of ``events``, in order of time, that are wanted and have a time that a contract can accept."""
        end_ms = float(MAX_TIMESTAMP_MS + 1)
        if self.duration_s is not None:
            end_ms = min(end_ms, self.start_ms + self.duration_s * 1000)
        wanted = takewhile(lambda event: event.timestamp_ms < end_ms, events)
        return wanted if self.count is None else islice(wanted, self.count)


@dataclass
class Sent:
    """What was taken by the topic or the file; ``stopped`` when a person ended it."""

    events: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    seconds: float = 0.0
    stopped: bool = False
    last_offsets: dict[int, int] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        return None if self.first_ms is None else EPOCH + self.first_ms * MILLISECOND

    @property
    def last(self) -> datetime | None:
        return None if self.last_ms is None else EPOCH + self.last_ms * MILLISECOND

    @property
    def events_per_s(self) -> float:
        return self.events / max(self.seconds, 0.001)


Sink = Callable[[Iterable[GeneratedEvent]], dict[int, int]]
"""Takes events to their end, and tells the last offsets per partition, where there are any."""


def drawn_seed(seed: int | None) -> int:
    """``seed``, or one drawn by the system. Two runs of one seed would give two events the same id."""
    return secrets.randbelow(2**32) if seed is None else seed


def settings_with(bootstrap_servers: str | None) -> Settings:
    """The settings, with another Kafka if one is named."""
    return (
        load_settings() if bootstrap_servers is None else load_settings(kafka={"bootstrap_servers": bootstrap_servers})
    )


def topic_sink(settings: Settings, stream: str, topic: str | None, plan: Plan, lift: bool | None) -> tuple[str, Sink]:
    """The topic, made ready, and what sends to it. ``topic`` None: the one of the stream."""
    target = opened(settings, stream)
    chosen = target.topic if topic is None else topic
    connection = kafka_connection(settings)
    ready_topic(settings, connection, chosen, replay=not plan.live, lift=lift)
    if chosen == target.topic and (last := target.ledger.last()) is not None and plan.start < last.instant:
        print_warning(
            f"windows of {stream} are decided up to {last.instant:%Y-%m-%d %H:%M} UTC and are cut by offset: events of "
            "before will be in the window that is open now"
        )
    return chosen, lambda events: produce_records(connection, chosen, events).last_offsets


def ready_topic(
    settings: Settings, connection: KafkaConnection, topic: str, *, replay: bool, lift: bool | None
) -> None:
    """Make ``topic`` if it is not there; ``replay``: see that it keeps records with past times, or warn."""
    allowed = settings.kafka.bootstrap_servers is None if lift is None else lift
    layout = TopicLayout.from_settings(settings, replay=replay)
    prepared = prepare_topic(connection, topic, layout, create=True, lift_retention=replay and allowed)
    tell_of_topic(topic, prepared, replay)


def file_sink(path: Path) -> Sink:
    """Lines into ``path``, from its beginning. ``typer.BadParameter`` when it cannot be written."""
    try:
        path.open("wb").close()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint="--output") from None

    def write(events: Iterable[GeneratedEvent]) -> dict[int, int]:
        values = (event.value for event in events)
        with path.open("wb") as file:
            while lines := list(islice(values, LINES_PER_WRITE)):
                file.write(b"\n".join(lines) + b"\n")
        return {}

    return write


def run(events: Iterable[GeneratedEvent], plan: Plan, sink: Sink, *, wait: bool) -> Sent:
    """Send what ``plan`` wants of ``events`` to ``sink``; ``wait``: each not before its time.

    Ctrl-C or SIGTERM ends it in order: what was taken is delivered. A second one interrupts.
    """
    sent = Sent()
    began = time.monotonic()
    with StopRequest() as stop, progress_bar() as bar:
        stop.end_in_order()
        task = bar.add_task("events", total=plan.count)
        wanted = _until(stop.event, plan.of_events(events), wait)
        shown = _counted(wanted, sent, lambda text: bar.update(task, completed=sent.events, description=text))
        sent.last_offsets = sink(shown)
        sent.stopped = stop.event.is_set()
    sent.seconds = time.monotonic() - began
    return sent


def report(sent: Sent, target: str, facts: dict[str, Any], form: Format) -> None:
    """Tell what was sent; ``facts`` are of the generator."""
    if form is Format.JSON:
        told = {"events": sent.events, "first": sent.first, "last": sent.last, "stopped": sent.stopped}
        pace = {"seconds": round(sent.seconds, 3), "events_per_s": round(sent.events_per_s, 1)}
        print_json({"target": target, **told, **pace, "last_offsets": sent.last_offsets, **facts})
        return
    times = f", of {sent.first:%F %T} to {sent.last:%F %T} UTC" if sent.first else ""
    lead = "stopped: " if sent.stopped else ""
    print_text(
        f"{lead}{sent.events:,} events to {target}{times}, in {sent.seconds:.1f} s ({sent.events_per_s:,.0f}/s); "
        f"--seed {facts['seed']} makes the same events"
    )


def _until(stop: threading.Event, events: Iterable[GeneratedEvent], wait: bool) -> Iterator[GeneratedEvent]:
    for event in events:
        left_s = event.timestamp_ms / 1000 - time.time() if wait else 0.0
        if stop.wait(left_s) if left_s > 0 else stop.is_set():
            return
        yield event


def _counted(events: Iterable[GeneratedEvent], sent: Sent, show: Callable[[str], None]) -> Iterator[GeneratedEvent]:
    """``events``, noted in ``sent`` once they are taken; ``show`` is told the rate some times a second."""
    looked_s, looked_events = time.monotonic(), 0
    for event in events:
        yield event
        sent.events += 1
        sent.last_ms = event.timestamp_ms
        if sent.first_ms is None:
            sent.first_ms = event.timestamp_ms
        now_s = time.monotonic()
        if now_s - looked_s >= SHOW_EVERY_S:
            show(f"{(sent.events - looked_events) / (now_s - looked_s):,.0f} events/s")
            looked_s, looked_events = now_s, sent.events
