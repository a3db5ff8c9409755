"""``streamguard up`` and ``down``: everything wanted, on one machine, as one process tree."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from streamguard_assets.commands.machine import (
    StopRequest,
    kafka_for,
    machine,
    pid_file,
    running_machine,
)
from streamguard_assets.commands.output import console, print_json
from streamguard_assets.commands.streams import prepare_topics
from streamguard_assets.processes.detached import start_detached, stop_detached
from streamguard_assets.processes.owned import ProcessError
from streamguard_assets.settings import Settings, load_settings

DETACHED_TIMEOUT_S = 180.0
DOWN_GRACE_S = 45.0
"""Time for the runs, the daemon and the broker to end in order."""


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; `streamguard down` ends it.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print where everything is as JSON.")] = False,
) -> None:
    """Start the local broker (unless a cluster is set), the Dagster UI, the daemon and the sensors.

    They belong to this command: Ctrl-C ends them in order, and they end too when it is killed.

        streamguard up             stay in the foreground
        streamguard up --detach    return when ready
    """
    settings = load_settings()
    if detach:
        _up_detached(settings)
        _show(settings, json)
        return
    with StopRequest() as stop, kafka_for(settings, console) as servers:
        prepare_topics(settings)
        with machine(settings, console, servers) as (_, services):
            _show(settings, json)
            console.print("Ctrl-C ends everything.")
            stop.wait_beside(services)
            console.print("ending …")


def down() -> None:
    """End everything that `streamguard up` started, also a part that survived a crash."""
    settings = load_settings()
    if stop_detached(pid_file(settings), DOWN_GRACE_S):
        console.print("everything has ended")
    else:
        console.print("nothing was running")


def _up_detached(settings: Settings) -> None:
    log = settings.state / "logs" / "up.log"
    identity = start_detached(
        [sys.executable, "-m", "streamguard_assets.cli", "up"],
        name="streamguard up",
        log_file=log,
        pid_file=pid_file(settings),
    )
    deadline = time.monotonic() + DETACHED_TIMEOUT_S
    with console.status("starting everything …"):
        while (running := running_machine(settings)) is None or running[1] is None:
            if not identity.is_alive():
                raise ProcessError(f"it ended before it was ready; see {log}")
            if time.monotonic() > deadline:
                raise ProcessError(f"it is not ready after {DETACHED_TIMEOUT_S:g} s; see {log}")
            time.sleep(0.2)  # the readiness of another process: a file to look for is all there is


def _show(settings: Settings, as_json: bool) -> None:
    running = running_machine(settings)
    if running is None or running[1] is None:
        raise ProcessError("it ended just after it was ready; see the logs")
    identity, state = running
    if as_json:
        print_json({"pid": identity.pid, **vars(state)})
        return
    console.print(f"Dagster UI  [link={state.dagster_url}]{state.dagster_url}[/link]")
    console.print(f"Kafka       {state.bootstrap_servers}")
    console.print(f"logs        {state.logs}")
