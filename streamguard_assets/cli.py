"""``streamguard``: the command line. A command is imported when it is called, so that ``--help`` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from streamguard_assets import __version__
from streamguard_assets.commands.exit_codes import EXIT_CODES_HELP
from streamguard_assets.commands.lazy import MARKUP, LazyCommand, LazyGroup

ROOM = "streamguard_assets.commands"
START = "Start and stop"
WINDOWS = "Windows of a stream"
LOOK = "What is in the lake"
SETUP = "Kafka and settings"


class Commands(LazyGroup):
    """Every command but ``version``, in the order in which a new user meets them."""

    commands_by_name: ClassVar[Mapping[str, LazyCommand]] = {
        "demo": LazyCommand(f"{ROOM}.demo:demo", "Show all of it: real Kafka, a day of events, who stood out.", START),
        "up": LazyCommand(f"{ROOM}.up:up", "Start Kafka, the Dagster UI, the daemon and the sensors.", START),
        "down": LazyCommand(f"{ROOM}.up:down", "End everything that `up` started.", START),
        "reset": LazyCommand(f"{ROOM}.reset:reset", "Delete what the state folder holds.", START),
        "generate": LazyCommand(f"{ROOM}.generate:app", "Make events: live or past, to a topic or a file.", WINDOWS),
        "seed": LazyCommand(f"{ROOM}.seed:app", "Fill a Delta table with days of past transactions.", LOOK),
        "produce": LazyCommand(f"{ROOM}.produce:produce", "Send a file of events to a stream's topic.", WINDOWS),
        "windows": LazyCommand(f"{ROOM}.windows:windows", "Show windows: state, offsets, rows, age.", WINDOWS),
        "materialize": LazyCommand(f"{ROOM}.materialize:materialize", "Build windows now, in one run.", WINDOWS),
        "check": LazyCommand(f"{ROOM}.check:check", "Prove the windows in the lake from their tables.", WINDOWS),
        "quarantine": LazyCommand(f"{ROOM}.quarantine:app", "Rejected records: list, show, replay.", WINDOWS),
        "stream": LazyCommand(f"{ROOM}.stream:app", "The long-lived run of a stream: start, stop, look.", START),
        "view": LazyCommand(f"{ROOM}.view:view", "Events of a stream: windows, then live ones, each once.", LOOK),
        "batch": LazyCommand(f"{ROOM}.batch:app", "Ad-hoc offset ranges: run, follow, read, cancel.", WINDOWS),
        "sql": LazyCommand(f"{ROOM}.lake:sql", "Ask the lake in SQL.", LOOK),
        "lake": LazyCommand(f"{ROOM}.lake:app", "The Delta tables: where, history, rows as of then, care.", LOOK),
        "config": LazyCommand(f"{ROOM}.config:config", "Show every setting, its value and its origin.", SETUP),
        "kafka": LazyCommand(f"{ROOM}.kafka:app", "The local broker, and the topics of the Kafka in use.", SETUP),
        "bench": LazyCommand(f"{ROOM}.bench:app", "Measure speed and size.", SETUP),
        "chaos": LazyCommand(f"{ROOM}.chaos:chaos", "Kill a stream for minutes, and prove every event.", SETUP),
    }


app = typer.Typer(
    name="streamguard",
    cls=Commands,
    help="Windows of Kafka topics as exact, checked, re-runnable Dagster assets. Start with `streamguard demo`.",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
    rich_markup_mode=MARKUP,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    add_completion=False,
)


@app.callback()
def _streamguard() -> None:
    """A group needs a function of its own while it has one command that is not imported late."""


@app.command(rich_help_panel=SETUP)
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The entry point of the ``streamguard`` script."""
    app()


if __name__ == "__main__":
    main()
