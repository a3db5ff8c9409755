"""``streamguard``: the command line. Commands are imported when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import typer

from streamguard_assets import __version__
from streamguard_assets.commands import (
    check,
    config,
    demo,
    kafka,
    lake,
    materialize,
    produce,
    quarantine,
    reset,
    up,
    windows,
)
from streamguard_assets.commands.exit_codes import EXIT_CODES_HELP

app = typer.Typer(
    name="streamguard",
    help="Windows of Kafka topics as exact, checked, re-runnable Dagster assets. Start with `streamguard demo`.",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    add_completion=False,
)

app.command()(demo.demo)
app.command()(up.up)
app.command()(up.down)
app.command()(reset.reset)
app.command()(config.config)
app.command()(produce.produce)
app.command()(materialize.materialize)
app.command()(windows.windows)
app.command()(lake.sql)
app.command()(check.check)
app.add_typer(kafka.app, name="kafka")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(lake.app, name="lake")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The entry point of the ``streamguard`` script."""
    app()


if __name__ == "__main__":
    main()
