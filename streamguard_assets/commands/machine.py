"""Everything that one machine runs: the local broker, when no cluster is set, and Dagster's processes."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from streamguard_assets.commands.kafka import jar_progress
from streamguard_assets.commands.output import print_note
from streamguard_assets.kafka.broker.lifecycle import OwnedBroker
from streamguard_assets.orchestration.services import DagsterServices, Pages
from streamguard_assets.processes.identity import ProcessIdentity, read_pid_file, write_pid_file
from streamguard_assets.processes.owned import ProcessError
from streamguard_assets.settings import Settings

WATCH_INTERVAL_S = 1.0
"""How soon the end of a child is noticed. Their guards could tell at once; a second is soon enough for a person."""


@dataclass(frozen=True)
class MachineState:
    """What runs and where a person looks; kept in the state folder while it runs."""

    dagster_url: str
    bootstrap_servers: str
    logs: str


class AlreadyUpError(ProcessError):
    """Another process keeps everything of this state folder running."""


def pid_file(settings: Settings) -> Path:
    return settings.state / "up.pid"


def state_file(settings: Settings) -> Path:
    return settings.state / "up.json"


def running_machine(settings: Settings) -> tuple[ProcessIdentity, MachineState | None] | None:
    """Who keeps everything running, and, once all is ready, where; None when nothing runs."""
    identity = read_pid_file(pid_file(settings))
    if identity is None or not identity.is_alive():
        return None
    path = state_file(settings)
    return identity, MachineState(**json.loads(path.read_text())) if path.exists() else None


@contextmanager
def kafka_for(settings: Settings) -> Iterator[str]:
    """Bootstrap servers of the cluster of the settings, or of the local broker, started and owned by this process."""
    if settings.kafka.bootstrap_servers is not None:
        yield settings.kafka.bootstrap_servers
        return
    with ExitStack() as stack:
        with jar_progress() as on_progress:
            info = stack.enter_context(OwnedBroker(settings, on_progress=on_progress))
        yield info.bootstrap_servers


@contextmanager
def machine(settings: Settings, servers: str) -> Iterator[tuple[MachineState, DagsterServices]]:
    """Dagster's processes, ready, until the block ends; announced in the state folder meanwhile.

    Raises:
        AlreadyUpError: another process runs them on this state folder; two daemons would start runs twice.
        ProcessError: one of them did not become ready.
    """
    _announce(settings)
    try:
        with DagsterServices(settings, lambda step: print_note(f"starting {step} …")) as services:
            pages: Pages = services.start()
            state = MachineState(pages.dagster_url, servers, str(settings.state / "logs"))
            state_file(settings).write_text(json.dumps(asdict(state)))
            yield state, services
    finally:
        state_file(settings).unlink(missing_ok=True)
        pid_file(settings).unlink(missing_ok=True)


def _announce(settings: Settings) -> None:
    if (running := running_machine(settings)) is not None and running[0] != ProcessIdentity.current():
        raise AlreadyUpError(
            f"process {running[0].pid} runs everything on {settings.state} already; `streamguard down` ends it"
        )
    write_pid_file(pid_file(settings), ProcessIdentity.current())


class StopRequest:
    """Ctrl-C or SIGTERM turned into an event, so that children are ended in order and not by an exception."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.event.is_set():  # asked twice: the person does not want to wait
            raise KeyboardInterrupt
        self.event.set()

    def wait_beside(self, services: DagsterServices) -> None:
        """Return when asked to stop.

        Raises:
            ProcessError: a Dagster process ended by itself; names it and its log.
        """
        while not self.event.wait(WATCH_INTERVAL_S):
            if (ended := services.ended()) is not None:
                raise ProcessError(f"{ended.name} ended by itself with code {ended.poll()}; see {ended.log_file}")
