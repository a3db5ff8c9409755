"""Everything that one machine runs: the local broker, when no cluster is set, and Dagster's processes."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from filelock import FileLock

from streamguard_assets.commands.kafka import jar_progress
from streamguard_assets.commands.output import print_note, print_warning
from streamguard_assets.kafka.broker.lifecycle import OwnedBroker
from streamguard_assets.orchestration.services import DagsterServices, Pages
from streamguard_assets.processes.identity import ProcessIdentity, read_pid_file, write_pid_file
from streamguard_assets.processes.owned import ProcessError
from streamguard_assets.settings import Settings

WATCH_INTERVAL_S = 1.0
"""How soon the end of a child is noticed. Their guards could tell at once; a second is soon enough for a person."""
ANNOUNCE_TIMEOUT_S = 10.0
"""Others hold the lock for as long as it takes to read and write one small file."""


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
    return identity, _state_of(identity, state_file(settings))


def _state_of(identity: ProcessIdentity, path: Path) -> MachineState | None:
    """What ``identity`` has announced; the file may be that of another process, which was killed before."""
    if not path.exists():
        return None
    told = json.loads(path.read_text())
    return MachineState(**told["state"]) if told["process"] == asdict(identity) else None


@contextmanager
def kafka_for(settings: Settings) -> Iterator[str]:
    """Bootstrap servers of the cluster of the settings, or of the local broker, started and owned by this process.

    It is the first thing that runs on a machine, so this process announces itself here, for the whole block.

    Raises:
        AlreadyUpError: another process runs everything on this state folder; two daemons would start runs twice.
    """
    with ExitStack() as stack:
        stack.enter_context(_announced(settings))
        if settings.kafka.bootstrap_servers is not None:
            yield settings.kafka.bootstrap_servers
            return
        with jar_progress() as on_progress:
            info = stack.enter_context(OwnedBroker(settings, on_progress=on_progress))
        yield info.bootstrap_servers


@contextmanager
def machine(settings: Settings, servers: str) -> Iterator[tuple[MachineState, DagsterServices]]:
    """Dagster's processes, ready, until the block ends; told in the state folder meanwhile.

    Raises:
        ProcessError: one of them did not become ready.
    """
    path = state_file(settings)
    try:
        with DagsterServices(settings, lambda step: print_note(f"starting {step} …"), print_warning) as services:
            pages: Pages = services.start()
            state = MachineState(pages.dagster_url, servers, str(settings.state / "logs"))
            told = {"process": asdict(ProcessIdentity.current()), "state": asdict(state)}
            # Beside and renamed: `up --detach` looks for this file and must not read half of it.
            beside = path.with_suffix(".tmp")
            beside.write_text(json.dumps(told))
            beside.replace(path)
            yield state, services
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _announced(settings: Settings) -> Iterator[None]:
    own = ProcessIdentity.current()
    lock = settings.state / "dagster" / "up.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=ANNOUNCE_TIMEOUT_S):  # two that start at once: one of them finds the other's file
        running = running_machine(settings)
        # `up --detach` has written the file for this process already.
        if running is not None and running[0].pid != own.pid:
            raise AlreadyUpError(
                f"process {running[0].pid} runs everything on {settings.state} already; `streamguard down` ends it"
            )
        write_pid_file(pid_file(settings), own)
    try:
        yield
    finally:
        pid_file(settings).unlink(missing_ok=True)


class StopRequest:
    """Ctrl-C or SIGTERM while everything runs, turned into an event: children are ended in order, without a traceback.

    Before ``end_in_order`` there is nothing to end in order yet: either signal interrupts what is being started, at
    once. So does a second one afterwards: the person does not want to wait. A signal whose interrupt was lost, as it
    is inside a callback of a C library, is found by ``raise_if_asked``, at the next step. Handlers are set also where
    the shell had SIGINT ignored (``command &`` in a script).
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._in_order = False

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        interrupts = self.event.is_set() or not self._in_order
        self.event.set()
        if interrupts:
            raise KeyboardInterrupt

    def raise_if_asked(self) -> None:
        """Between two steps of a preparation: ``KeyboardInterrupt`` when a signal came."""
        if self.event.is_set() and not self._in_order:
            raise KeyboardInterrupt

    def end_in_order(self) -> None:
        """From now on a signal ends what runs in order; before the person is told that all runs."""
        self.raise_if_asked()
        self._in_order = True

    def wait_beside(self, services: DagsterServices, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return when asked to stop; ``meanwhile`` is called about once a second.

        Raises:
            ProcessError: a Dagster process ended by itself, too often; names it and its log.
        """
        self.end_in_order()
        while not self.event.wait(WATCH_INTERVAL_S):
            services.look_after()
            meanwhile()
