"""``streamguard kafka …``: the local broker, and what is in the Kafka that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer
from rich.progress import TaskID

from streamguard_assets.commands.exit_codes import EXIT_CODES_HELP, ExitCode
from streamguard_assets.commands.output import (
    JsonOption,
    chosen_format,
    print_document,
    print_note,
    print_records,
    print_text,
    progress_bar,
)
from streamguard_assets.jvm.jars import JarProgress
from streamguard_assets.kafka.bootstrap import bootstrap_servers
from streamguard_assets.kafka.broker.info import BrokerInfo, running_broker
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topic_description import describe_topic
from streamguard_assets.kafka.topics import list_topics
from streamguard_assets.settings import Settings, load_settings

app = typer.Typer(
    help="The local Kafka broker, and the topics of the Kafka in use.", no_args_is_help=True, epilog=EXIT_CODES_HELP
)


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Start the local broker as a service, or find the one that runs. It stays until `streamguard kafka stop`."""
    settings = load_settings()
    _note_if_unused(settings)
    before = running_broker(settings.state)
    with jar_progress() as on_progress:
        info = start_broker(settings, on_progress=on_progress)
    if as_json:
        print_document({**asdict(info), "started": info != before}, chosen_format(as_json))
    else:
        print_text(f"{'Kafka runs already' if info == before else 'Kafka started'}: {_described(info)}")


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the local broker. Its data stay for the next start."""
    stopped = stop_broker(load_settings())
    if as_json:
        print_document({"stopped": stopped}, chosen_format(as_json))
    else:
        print_text("Kafka stopped; its data are kept." if stopped else "Kafka was not running.")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether the local broker runs, and where. The exit status is 4 if it does not."""
    settings = load_settings()
    info = running_broker(settings.state)
    if as_json:
        print_document({"running": info is not None, **(asdict(info) if info else {})}, chosen_format(as_json))
    elif info is None:
        print_text(f"No local broker runs on {settings.state}. Start one with `streamguard kafka start`.")
    else:
        print_text(f"Kafka runs: {_described(info)}")
    if info is None:
        raise typer.Exit(ExitCode.KAFKA_UNAVAILABLE)


@app.command()
def topics(as_json: JsonOption = False) -> None:
    """List the topics of the Kafka in use, with partitions, offsets and settings of their own."""
    settings = load_settings()
    connection = KafkaConnection.from_settings(settings.kafka, bootstrap_servers(settings))
    rows = [_topic_row(connection, topic) for topic in list_topics(connection)]
    if rows or as_json:
        print_records(rows, chosen_format(as_json), columns=("topic", "partitions", "offsets_held", "config"))
    else:
        print_text("There are no topics.")


@contextmanager
def jar_progress() -> Iterator[Callable[[JarProgress], None]]:
    """A bar on standard error for a download of jars; nothing appears when none is needed."""
    with progress_bar() as progress:
        tasks: dict[str, TaskID] = {}

        def show(state: JarProgress) -> None:
            if state.jar_set not in tasks:
                tasks[state.jar_set] = progress.add_task(f"fetching jars: {state.jar_set}", total=state.total)
            progress.update(tasks[state.jar_set], completed=state.fetched)

        yield show


def _note_if_unused(settings: Settings) -> None:
    if settings.kafka.bootstrap_servers is not None:
        print_note(f"kafka.bootstrap_servers is {settings.kafka.bootstrap_servers}: the local broker is not used")


def _described(info: BrokerInfo) -> str:
    since = datetime.fromtimestamp(info.create_time, UTC)
    until = "until stopped" if info.owner_pid is None else f"until process {info.owner_pid} ends"
    return (
        f"{info.bootstrap_servers}, process {info.pid} since {since:%Y-%m-%d %H:%M:%S} UTC, {until}; "
        f"log {info.log_file}"
    )


def _topic_row(connection: KafkaConnection, topic: str) -> dict[str, Any]:
    description = describe_topic(connection, topic)
    return {
        "topic": topic,
        "topic_id": description.topic_id,
        "partitions": len(description.partitions),
        "offsets_held": description.span,
        "log_starts": description.log_starts,
        "last_stable_offsets": description.last_stable_offsets,
        "config": description.config,
    }
