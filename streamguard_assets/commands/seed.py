"""``streamguard seed``: a Delta table of past transactions, and a topic of them if wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated

import polars as pl
import typer
from rich.progress import Progress, TaskID

from streamguard_assets.commands.event_runs import (
    BootstrapServersOption,
    LiftRetentionOption,
    ready_topic,
    settings_with,
)
from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.generate import CustomersOption, FraudRateOption, ProductsOption, StoresOption
from streamguard_assets.commands.instants import parse_instant
from streamguard_assets.commands.lazy import MARKUP
from streamguard_assets.commands.output import (
    Format,
    JsonOption,
    chosen_format,
    print_document,
    print_json,
    print_note,
    print_records,
    print_text,
    progress_bar,
)
from streamguard_assets.commands.streams import now
from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.generators.retail.distributions import FRAUD_RATE, PoolSizes
from streamguard_assets.generators.retail.history import History
from streamguard_assets.generators.retail.live import Shop
from streamguard_assets.generators.retail.seed_table import SeedTable, Staging
from streamguard_assets.generators.retail.summary import Summary, summarize
from streamguard_assets.generators.retail.transactions import json_values
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.records import produce_records
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import kafka_connection

ROWS, DAYS = 1_000_000, 90
TOPIC = "transactions-batch"
STREAM, ASSET = "seed", "transactions"

app = typer.Typer(help="Fill a Delta table with the past.", no_args_is_help=True, rich_markup_mode=MARKUP)


@app.callback()
def _seed() -> None:
    """Fill a Delta table with the past."""


@app.command("transactions")
def seed_transactions(
    rows: Annotated[int, typer.Option(envvar="TOTAL_RECORDS", min=1, help="How many transactions.")] = ROWS,
    days: Annotated[int, typer.Option(envvar="DATE_RANGE_DAYS", min=1, max=36_500, help="Over how many days.")] = DAYS,
    until: Annotated[
        str | None, typer.Option(help="The day (UTC) before which they end; today if absent.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other transactions.")] = 0,
    output: Annotated[
        str | None,
        typer.Option(
            envvar="DELTA_OUTPUT_PATH", help="Where the table is; by default in the lake.", show_default=False
        ),
    ] = None,
    fraud_rate: FraudRateOption = FRAUD_RATE,
    customers: CustomersOption = PoolSizes.customers,
    products: ProductsOption = PoolSizes.products,
    stores: StoresOption = PoolSizes.stores,
    to_kafka: Annotated[
        bool, typer.Option("--kafka/--no-kafka", envvar="SEED_KAFKA", help="Also send all of them to a topic.")
    ] = False,
    topic: Annotated[str, typer.Option(envvar="KAFKA_BATCH_TOPIC", help="The topic for --kafka.")] = TOPIC,
    bootstrap_servers: BootstrapServersOption = None,
    lift_retention: LiftRetentionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Days of retail transactions as a Delta table, partitioned by event_date, for analyses and batches.

    Busy from 8 to 22 (UTC); at weekends 40 % more groceries and clothing, on weekdays 30 % more electronics. The
    same arguments make the same rows. Running it again replaces the table, in one commit.

    ```
    streamguard seed transactions
    streamguard seed transactions --rows 5000000 --days 180 --kafka
    streamguard seed transactions --rows 10000 --days 7 --until 2026-02-01 --seed 3
    ```

    With --kafka the events go to the topic in order of time, with their times as record timestamps; the topic must
    be empty, or they would be in it twice.

    Options win over the variables TOTAL_RECORDS, DATE_RANGE_DAYS, DELTA_OUTPUT_PATH, SEED_KAFKA, KAFKA_BATCH_TOPIC,
    KAFKA_BOOTSTRAP_SERVERS, FRAUD_RATE, NUM_CUSTOMERS, NUM_PRODUCTS and NUM_STORES, and these over defaults.
    """
    form, settings = chosen_format(as_json), settings_with(bootstrap_servers)
    shop = Shop(PoolSizes(customers, products, stores), fraud_rate)
    history = History(rows, days, _end_day(until), seed, shop)
    table = _table(settings, output)
    table.refuse_foreign()
    connection = _empty_topic(settings, topic, lift_retention) if to_kafka else None
    print_note(f"seeding {rows:,} transactions of {days} days into {table.uri} …")
    began = time.monotonic()
    with progress_bar() as bar, table.staging(history) as staging:
        frames = _watched(staging, bar, bar.add_task("rows", total=rows))
        if connection is None:
            for _ in frames:
                pass
        else:
            produce_records(connection, topic, _events(frames))
    content = table.commit(staging)
    _show(summarize(table.rows()), table.uri, topic if to_kafka else None, content, time.monotonic() - began, form)


def _end_day(until: str | None) -> date:
    """The first day that has no transactions any more. ``CommandError`` for an instant inside a day."""
    end = now().replace(hour=0, minute=0, second=0, microsecond=0) if until is None else parse_instant(until)
    if end != datetime(end.year, end.month, end.day, tzinfo=UTC):
        raise typer.BadParameter(f"{until} is inside a day; write a date like 2026-02-01", param_hint="--until")
    return end.date()


def _table(settings: Settings, output: str | None) -> SeedTable:
    location = lake_location(settings)
    return SeedTable(location.table(STREAM, ASSET) if output is None else output, location.storage_options)


def _empty_topic(settings: Settings, topic: str, lift: bool | None) -> KafkaConnection:
    """How to reach the topic, once it is there and keeps records with past times. ``CommandError`` if it has any."""
    connection = kafka_connection(settings)
    ready_topic(settings, connection, topic, replay=True, lift=lift)
    ends, starts = last_stable_offsets(connection, topic), log_start_offsets(connection, topic)
    if any(ends[partition] > starts[partition] for partition in ends):
        raise CommandError(
            f"topic {topic} has records already, and a topic cannot be replaced as the table is: name another one by "
            "--topic, or leave out --kafka"
        )
    return connection


def _watched(staging: Staging, bar: Progress, task: TaskID) -> Iterator[pl.DataFrame]:
    for frame in staging.frames():
        yield frame
        bar.advance(task, frame.height)


def _events(frames: Iterator[pl.DataFrame]) -> Iterator[GeneratedEvent]:
    for frame in frames:
        times_ms = frame["event_timestamp"].dt.epoch("ms").to_list()
        yield from map(GeneratedEvent, times_ms, frame["transaction_id"], json_values(frame))


def _show(summary: Summary, uri: str, topic: str | None, content: str, seconds: float, form: Format) -> None:
    pace = {"seconds": round(seconds, 3), "rows_per_s": round(summary.rows / seconds, 1)}
    if form is Format.JSON:
        print_json({"table": uri, "topic": topic, **asdict(summary), "content_hash": content, **pace})
        return
    print_records(
        {"category": name, "rows": rows, "share": f"{rows / summary.rows:.1%}"}
        for name, rows in summary.rows_per_category.items()
    )
    print_text("")
    print_document(
        {
            "rows": f"{summary.rows:,}",
            "dates": f"{summary.earliest:%F} to {summary.latest:%F}",
            "average order value": f"{summary.average_order_value:,.2f}",
            "fraud rate": f"{summary.fraud_rate:.2%}",
            "table": uri,
            **({"topic": topic} if topic else {}),
            "content": content,
            "took": f"{seconds:.1f} s ({summary.rows / seconds:,.0f} rows/s)",
        }
    )
