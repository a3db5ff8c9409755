"""``streamguard reset``: throw the state folder away."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.machine import pid_file, running_machine
from streamguard_assets.commands.output import print_text
from streamguard_assets.kafka.broker.lifecycle import stop_broker
from streamguard_assets.processes.detached import stop_detached
from streamguard_assets.settings import Settings, load_settings

KEPT = "jars"
"""What `reset` keeps unless everything is to go: verified jars hold nothing of the user's and take time to fetch."""
OURS = frozenset(
    {"bench", "ci", "dagster", "exports", "java-home", "kafka", "lake", "logs", "spark"}
    | {"starts.json", "starts.lock", "starts.new", "up.json", "up.pid"}
)
"""Every name that streamguard makes in a state folder, but for the jars."""


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="The fetched jars too.")] = False,
) -> None:
    """Delete what the state folder holds: broker data, lake, Dagster's storage, logs. Nothing elsewhere is touched.

    What runs on the folder is ended first. The fetched jars are kept.

    ```
    streamguard reset          asks first
    streamguard reset --yes    does not ask
    streamguard reset --all    the jars too
    ```
    """
    settings = load_settings()
    state = settings.state
    if not state.exists():
        print_text(f"there is no state folder at {state}")
        return
    _refuse_strangers(settings)
    if not yes:
        typer.confirm(f"Delete {state} (broker data, lake, Dagster's storage)?", abort=True)
    if running_machine(settings) is not None:
        stop_detached(pid_file(settings), grace_s=45.0)
    stop_broker(settings)
    for entry in state.iterdir():
        if entry.name == KEPT and not everything:
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    print_text(f"{state} is empty" + ("" if everything else f" but for {KEPT}"))


def _refuse_strangers(settings: Settings) -> None:
    """A state_dir that was set to a folder with other things in it must not cost the user those."""
    strangers = sorted(entry.name for entry in settings.state.iterdir() if entry.name not in {*OURS, KEPT})
    if strangers:
        raise CommandError(
            f"{settings.state} holds {', '.join(strangers[:5])}, which streamguard did not make; nothing was deleted"
        )
