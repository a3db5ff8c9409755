"""``streamguard up`` and ``down``: everything wanted, on one machine, as one process tree."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from streamguard_assets.commands.machine import (
    StopRequest,
    kafka_for,
    machine,
    pid_file,
    running_machine,
)
from streamguard_assets.commands.output import (
    Format,
    JsonOption,
    chosen_format,
    console,
    print_document,
    print_json,
    print_note,
    print_text,
)
from streamguard_assets.commands.streams import prepare_topics
from streamguard_assets.processes.detached import start_detached, stop_detached
from streamguard_assets.processes.owned import ProcessError
from streamguard_assets.settings import Settings, load_settings

DETACHED_TIMEOUT_S = 180.0
PROBE_INTERVAL_S = 0.2
DOWN_GRACE_S = 45.0
"""Time for the runs, the daemon and the broker to end in order."""


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; `down` ends it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the local broker (unless a cluster is set), the Dagster UI, the daemon and the sensors.

    They belong to this command: Ctrl-C ends them in order, streams first, and they end too when it is killed. One that
    ends by itself is started again. A stream that is wanted (`streamguard stream start`) goes on where it was.

        streamguard up             stay in the foreground
        streamguard up --detach    return when ready
    """
    settings = load_settings()
    if detach:
        _up_detached(settings)
        _show(settings, as_json)
        return
    with StopRequest() as stop, kafka_for(settings) as servers:
        prepare_topics(settings)
        with machine(settings, servers) as (_, services):
            stop.end_in_order()
            _show(settings, as_json)
            print_note("Ctrl-C ends everything.")
            stop.wait_beside(services)
            print_note("ending …")


def down(as_json: JsonOption = False) -> None:
    """End everything that `streamguard up` started. (What a killed `up` leaves ends by itself, within a minute.)"""
    stopped = stop_detached(pid_file(load_settings()), DOWN_GRACE_S)
    if as_json:
        print_json({"stopped": stopped})
    else:
        print_text("everything has ended" if stopped else "nothing was running")


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
            time.sleep(PROBE_INTERVAL_S)  # the readiness of another process: a file to look for is all there is


def _show(settings: Settings, as_json: bool) -> None:
    running = running_machine(settings)
    if running is None or running[1] is None:
        raise ProcessError(f"it ended just after it was ready; see {settings.state / 'logs'}")
    identity, state = running[0], running[1]
    form = chosen_format(as_json)
    if form is Format.JSON:
        print_json({"pid": identity.pid, **asdict(state)})
        return
    print_document({"Dagster UI": state.dagster_url, "Kafka": state.bootstrap_servers, "logs": state.logs})
