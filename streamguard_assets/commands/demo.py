"""``streamguard demo``: the whole of it on embedded defaults: a real broker, a day of events, findings, pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Annotated

import polars as pl
import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.machine import MachineState, StopRequest, kafka_for, machine
from streamguard_assets.commands.materialize import materialize_windows
from streamguard_assets.commands.output import (
    Format,
    print_document,
    print_note,
    print_records,
    print_text,
    progress_bar,
)
from streamguard_assets.commands.streams import now, opened, prepare_topics
from streamguard_assets.generators.security import GeneratedEvent, generate_security_day, trickle
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.production import send_lines
from streamguard_assets.windows.stream import Stream

STREAM = "security"
HOURS = 26
"""A day of lookback for the newest closed window, wherever in its hour the demo starts."""
SEED = 20_260_101
SHOWN_USERS = 8


def demo(
    once: Annotated[bool, typer.Option("--once", help="Show the findings and exit.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another company.")] = SEED,
) -> None:
    """Show everything on this machine: Kafka, a day of security events with planted attackers, and who was found.

    Starts a real broker and the Dagster UI, fills an empty topic with a day of events, materializes its windows
    and prints who stood out and why. Then it keeps going, with events trickling in and the sensor building
    windows, until Ctrl-C. A second start finds everything as it was.

    ```
    streamguard demo           until Ctrl-C
    streamguard demo --once    show the findings and exit
    ```
    """
    settings = load_settings()
    _refuse_own_cluster(settings)
    print_note(f"everything of this demo is kept in {settings.state}; `streamguard reset` deletes it")
    print_note("starting Kafka (the first time, its jars are fetched: 44 MB) …")
    with StopRequest() as stop, kafka_for(settings) as servers:
        print_note(f"Kafka is ready at {servers}")
        prepare_topics(settings)
        stream = opened(settings, STREAM)
        stop.raise_if_asked()
        _fill(stream, seed)
        stop.raise_if_asked()
        _build(settings, stream)
        stop.raise_if_asked()
        with machine(settings, servers) as (state, services):
            _show_findings(stream)
            _show_pages(stream, state, once)
            if once:
                return
            with _Trickle(stream, seed):
                stop.end_in_order()
                print_note("\nEvents trickle in, and the sensor builds windows as they close. Ctrl-C ends everything.")
                stop.wait_beside(services)
                print_note("ending …")


def _refuse_own_cluster(settings: Settings) -> None:
    if settings.kafka.bootstrap_servers is not None:
        raise CommandError(
            "the demo runs on a broker of its own, and kafka.bootstrap_servers names yours: unset it for the demo, "
            "or use `streamguard up` with your cluster"
        )


def _fill(stream: Stream, seed: int) -> None:
    """Produce a day of events, but only into a topic that is empty: a second start must not double the day."""
    ends, starts = (
        last_stable_offsets(stream.connection, stream.topic),
        log_start_offsets(stream.connection, stream.topic),
    )
    if any(ends[p] > starts[p] for p in ends):
        print_note(f"topic {stream.topic} has events already; they are used")
        return
    moment = now()
    begin = stream.cadence.floor(moment) - timedelta(hours=HOURS)
    hours = (moment - begin) / timedelta(hours=1)
    print_note(f"producing a day of security events into topic {stream.topic} …")
    day = generate_security_day(seed, begin, hours)
    with progress_bar() as bar:
        task = bar.add_task("producing", total=len(day.events))
        _produce(stream, day.events, lambda sent: bar.update(task, completed=sent))
    print_note(f"produced {len(day.events):,} events of {begin:%F %R}–{moment:%F %R} UTC")


def _build(settings: Settings, stream: Stream) -> None:
    keep_ledger(stream, now())
    commits = stream.table("events").commits()
    todo = [w.key for w in closed_windows(stream) if not (w.key in commits and commits[w.key].complete)]
    if todo:
        print_note(f"building {len(todo)} windows: events, features, model, scores …")
        for outcome in materialize_windows(settings, STREAM, todo):
            if not outcome.success:
                raise CommandError("\n".join(outcome.failures))
    print_note(f"{len(closed_windows(stream))} closed windows are in the lake, {len(todo)} of them built now")


def _show_findings(stream: Stream) -> None:
    scored = [w for w, commit in stream.table("anomaly_scores").commits().items() if commit.complete]
    if not scored:
        raise CommandError(f"no closed window of {STREAM} has users to score; `streamguard reset` begins anew")
    newest = max(scored)
    summary = stream.table("summary").scan([newest]).sort("rank").head(SHOWN_USERS).collect()
    lookback = stream.settings.stream(STREAM).lookback_windows * stream.cadence.minutes // 60
    print_text(f"\nWho stood out in the {lookback} hours up to {stream.cadence.end(newest):%F %R} UTC, and why\n")
    shown = summary.select("rank", "user", pl.col("anomaly_score").round(3).alias("score"), "is_anomaly", "why")
    print_records(shown.iter_rows(named=True))
    print_text("\nThe score runs from 0 to 1. Behind each reason stands what is usual: the median of all users.\n")


def _show_pages(stream: Stream, state: MachineState, once: bool) -> None:
    query = f"select user, why from {STREAM}.summary order by anomaly_score desc limit 5"
    closes = "  (closes now; `streamguard up` opens it again)" if once else ""
    print_document(
        {
            "Dagster UI": f"{state.dagster_url}{closes}",
            "Kafka": state.bootstrap_servers,
            "events": stream.location.table(STREAM, "events"),
            "scores": stream.location.table(STREAM, "anomaly_scores"),
            "training data": str(stream.exports_folder / "latest.parquet"),
            "ask the lake": f"streamguard sql '{query}'",
        },
        Format.TABLE,
    )


def _produce(stream: Stream, events: Iterable[GeneratedEvent], progress: Callable[[int], None]) -> None:
    send_lines(stream, (event.value for event in events), by_event_time=True, progress=progress)


class _Trickle:
    """Live events from a thread of its own, each sent when its time has come."""

    def __init__(self, stream: Stream, seed: int) -> None:
        self._stream = stream
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trickle")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        _produce(self._stream, self._due(), lambda sent: None)

    def _due(self) -> Iterator[GeneratedEvent]:
        for event in trickle(self._seed, now()):
            if self._stop.wait(max(0.0, event.timestamp_ms / 1000 - time.time())):
                return
            yield event
