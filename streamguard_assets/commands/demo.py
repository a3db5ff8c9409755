"""``streamguard demo``: the whole of it on embedded defaults: a real broker, a day of events, findings, pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import polars as pl
import typer

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.commands.demo_events import RETAIL, SECURITY, DemoStream, Trickle
from streamguard_assets.commands.demo_streams import show_live, wait_for_newest, want_running
from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.machine import MachineState, StopRequest, kafka_for, machine
from streamguard_assets.commands.materialize import materialize_windows
from streamguard_assets.commands.output import (
    Format,
    console,
    print_document,
    print_note,
    print_records,
    print_text,
    progress_bar,
)
from streamguard_assets.commands.stream_status import live_table, status_readers
from streamguard_assets.commands.streams import now, opened, prepare_topics
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.production import send_lines
from streamguard_assets.windows.rollups import history_table
from streamguard_assets.windows.stream import Stream

SEED = 20_260_101
SHOWN_USERS = 8
SHOWN_CATEGORIES = 5


def demo(
    once: Annotated[bool, typer.Option("--once", help="Show the findings and exit.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another company.")] = SEED,
) -> None:
    """Show everything on this machine: Kafka, a day of security events with planted attackers, hours of a shop's sales.

    Starts a real broker and the Dagster UI, fills empty topics with events of the last hours, materializes their
    windows and prints who stood out and why, and what sold. Then it keeps going until Ctrl-C, with events trickling
    in, streams that land them within a second or two, and sensors building windows. A second start finds everything as
    it was.

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
        stop.raise_if_asked()
        security, shop = opened(settings, SECURITY.name), opened(settings, RETAIL.name)
        for stream, source in ((security, SECURITY), (shop, RETAIL)):
            _fill(stream, source, seed)
            stop.raise_if_asked()
            _build(settings, stream)
            stop.raise_if_asked()
        for stream in (security, shop):
            want_running(stream)
        with machine(settings, servers) as (state, services):
            _show_findings(security)
            _show_sales(shop)
            _show_pages(security, shop, state, once)
            if once:
                wait_for_newest((security, shop))
                show_live(settings)
                return
            with Trickle(security, SECURITY.live(seed, now())), Trickle(shop, RETAIL.live(seed, now())):
                stop.end_in_order()
                print_note("\nEvents trickle in; streams land them, and windows follow. Ctrl-C ends everything.\n")
                with live_table(status_readers(settings), console) as show:
                    stop.wait_beside(services, show)
                print_note("ending …")


def _refuse_own_cluster(settings: Settings) -> None:
    if settings.kafka.bootstrap_servers is not None:
        raise CommandError(
            "the demo runs on a broker of its own, and kafka.bootstrap_servers names yours: unset it for the demo, "
            "or use `streamguard up` with your cluster"
        )


def _fill(stream: Stream, source: DemoStream, seed: int) -> None:
    """Produce the last hours of events, but only into a topic that is empty: a second start must not double them."""
    ends, starts = (
        last_stable_offsets(stream.connection, stream.topic),
        log_start_offsets(stream.connection, stream.topic),
    )
    if any(ends[p] > starts[p] for p in ends):
        print_note(f"topic {stream.topic} has events already; they are used")
        return
    moment = now()
    begin = stream.cadence.floor(moment) - timedelta(hours=source.hours)
    print_note(f"producing {source.hours} hours of events into topic {stream.topic} …")
    events = source.past(seed, begin, moment)
    with progress_bar() as bar:
        task = bar.add_task("producing", total=len(events))
        send_lines(
            stream,
            (event.value for event in events),
            by_event_time=True,
            progress=lambda sent: bar.update(task, completed=sent),
        )
    print_note(f"produced {len(events):,} events of {begin:%F %R}–{moment:%F %R} UTC")


def _build(settings: Settings, stream: Stream) -> None:
    keep_ledger(stream, now())
    commits = stream.table("events").commits()
    todo = [w.key for w in closed_windows(stream) if not (w.key in commits and commits[w.key].complete)]
    if todo:
        print_note(f"building {len(todo)} windows of {stream.name} …")
        for outcome in materialize_windows(settings, stream.name, todo):
            if not outcome.success:
                raise CommandError("\n".join(outcome.failures))
    done = len(closed_windows(stream))
    print_note(f"{done} closed windows of {stream.name} are in the lake, {len(todo)} of them built now")


def _show_findings(stream: Stream) -> None:
    scored = [w for w, commit in stream.table("anomaly_scores").commits().items() if commit.complete]
    if not scored:
        raise CommandError(f"no closed window of {stream.name} has users to score; `streamguard reset` begins anew")
    newest = max(scored)
    summary = stream.table("summary").scan([newest]).sort("rank").head(SHOWN_USERS).collect()
    lookback = stream.config.lookback_windows * stream.cadence.minutes // 60
    print_text(f"\nWho stood out in the {lookback} hours up to {stream.cadence.end(newest):%F %R} UTC, and why\n")
    shown = summary.select("rank", "user", pl.col("anomaly_score").round(3).alias("score"), "is_anomaly", "why")
    print_records(shown.iter_rows(named=True))
    print_text("\nThe score runs from 0 to 1. Behind each reason stands what is usual: the median of all users.\n")


def _show_sales(shop: Stream) -> None:
    table = history_table(shop, analysis("revenue_by_category"))
    sales = table.scan().head(SHOWN_CATEGORIES).collect()
    print_text("What sold: the categories with the highest revenue, over all windows\n")
    shown = sales.select(
        "category", pl.col("total_revenue").round(2), "transaction_count", "total_units_sold", "unique_customers"
    )
    print_records(shown.iter_rows(named=True))
    print_text("")


def _show_pages(security: Stream, shop: Stream, state: MachineState, once: bool) -> None:
    queries = (
        f"select user, why from {security.name}.summary order by anomaly_score desc limit 5",
        f"select * from {shop.name}.customer_segmentation_all limit 5",
    )
    closes = "  (closes now; `streamguard up` opens it again)" if once else ""
    print_document(
        {
            "Dagster UI": f"{state.dagster_url}{closes}",
            "Kafka": state.bootstrap_servers,
            "events": security.location.table(security.name, "events"),
            "scores": security.location.table(security.name, "anomaly_scores"),
            "training data": str(security.exports_folder / "latest.parquet"),
            "sales": shop.location.table(shop.name, "events"),
            "ask the lake": f"streamguard sql '{queries[0]}'",
            "": f"streamguard sql '{queries[1]}'",
        },
        Format.TABLE,
    )
