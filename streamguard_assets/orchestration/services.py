"""The Dagster processes of one machine: code server, daemon and UI, started in order, owned by one process."""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import yaml

from streamguard_assets.orchestration.instance import process_environment
from streamguard_assets.orchestration.service import Service
from streamguard_assets.orchestration.streaming.shutdown import end_streams
from streamguard_assets.processes.owned import OwnedProcess, ProcessError
from streamguard_assets.settings import Settings

LOCATION = "streamguard"
CODE_SERVER = "code-server"
USUAL_PORT = 3000
READY_TIMEOUT_S = 120.0
"""A loaded machine needs 15 s for all three; past this something is wrong and its log says what."""
PROBE_INTERVAL_S = 0.1
GRACE_S = 15.0


@dataclass(frozen=True)
class Pages:
    """Where a person looks."""

    dagster_url: str


class DagsterServices:
    """Code server, daemon and UI over the state folder's instance. They end with this process, whatever ends it.

    ``on_step`` hears what is being started, ``on_trouble`` of a service that ended by itself and is started again.
    """

    def __init__(
        self,
        settings: Settings,
        on_step: Callable[[str], None] = lambda step: None,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._settings = settings
        self._on_step = on_step
        self._on_trouble = on_trouble
        self._services: list[Service] = []

    def start(self) -> Pages:
        """Start all three; returns once the UI answers.

        Raises:
            ProcessError: one of them ended or is not ready in time; names its log.
        """
        host = self._settings.dagster.host
        code_port = free_port(host)
        workspace = self._write_workspace(host, code_port)
        self._on_step("code server")
        module = ["-m", "streamguard_assets.definitions"]
        arguments = ["-m", "dagster", "code-server", "start", "-h", host, "-p", str(code_port), *module]
        server = self._own(CODE_SERVER, arguments, _LostLoader())
        self._wait_until(server, lambda: _listens(server, code_port))
        self._on_step("daemon and UI")
        self._own("daemon", ["-m", "dagster._daemon", "run", "-w", str(workspace)])
        return Pages(self._start_ui(host, workspace))

    def _start_ui(self, host: str, workspace: Path) -> str:
        """Start the UI and give its address. A usual port that another takes meanwhile is given up for a free one."""
        wanted = self._settings.dagster.port
        port = wanted or free_port(host, USUAL_PORT)
        ui = self._own_ui(host, port, workspace)
        try:
            self._wait_until(ui, lambda: _listens(ui, port) and _answers(f"http://{host}:{port}/server_info"))
        except ProcessError:
            if wanted or ui.poll() is None:
                raise
            self._services.pop().stop()
            port = free_port(host)
            second = self._own_ui(host, port, workspace)
            self._wait_until(second, lambda: _listens(second, port) and _answers(f"http://{host}:{port}/server_info"))
        return f"http://{host}:{port}"

    def _own_ui(self, host: str, port: int, workspace: Path) -> OwnedProcess:
        return self._own("webserver", ["-m", "dagster_webserver", "-h", host, "-p", str(port), "-w", str(workspace)])

    def look_after(self) -> None:
        """Start again what has ended by itself, when its time has come. Call it about once a second.

        Raises:
            ProcessError: a service ended too often; names it and its log.
        """
        for service in self._services:
            for text in service.look_after(time.monotonic()):
                self._on_trouble(text)

    def stop(self) -> None:
        """End the processes, the last started first; runs that they started end with them.

        Streams go after the daemon, which would start them again, and before the code server, whose children they are:
        they finish the micro-batch in hand.
        """
        services, self._services = self._services, []
        with ExitStack() as stack:
            for service in services:
                stack.callback(service.stop)
                if service.name == CODE_SERVER:
                    stack.callback(end_streams, self._settings, service.process.marker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _own(
        self, name: str, arguments: list[str], is_broken: Callable[[OwnedProcess], bool] = lambda process: False
    ) -> OwnedProcess:
        def launch() -> OwnedProcess:
            process = OwnedProcess(
                [sys.executable, *arguments],
                name=name,
                log_file=self._settings.state / "logs" / f"{name}.log",
                env=process_environment(self._settings),
                grace_s=GRACE_S,
            )
            process.start()
            return process

        service = Service(name, launch, is_broken)
        self._services.append(service)
        return service.process

    def _write_workspace(self, host: str, port: int) -> Path:
        path = self._settings.state / "dagster" / "workspace.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        server = {"grpc_server": {"host": host, "port": port, "location_name": LOCATION}}
        path.write_text(yaml.safe_dump({"load_from": [server]}))
        return path

    def _wait_until(self, process: OwnedProcess, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not ready():
            if process.poll() is not None:
                raise ProcessError(f"{process.name} ended with code {process.poll()}; see {process.log_file}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{process.name} is not ready after {READY_TIMEOUT_S:g} s; see {process.log_file}")
            # Neither process announces that it is ready; a short probe is all there is to wait for.
            time.sleep(PROBE_INTERVAL_S)


class _LostLoader:
    """Whether a code server has lost the process that loads the code and starts the runs, and stands before nothing.

    It starts another one only at a reload. One that never had any shows why the code does not load: that is no loss.
    """

    def __init__(self) -> None:
        self._had_one: int | None = None
        """Pid of the server that had one: the next one begins without."""

    def __call__(self, server: OwnedProcess) -> bool:
        pid = server.identity.pid
        try:
            has_one = any("grpc" in child.cmdline() for child in psutil.Process(pid).children())
        except psutil.NoSuchProcess:  # it is ending: seen at the next look
            return False
        is_lost = self._had_one == pid and not has_one
        self._had_one = pid if has_one else None
        return is_lost


def free_port(host: str, preferred: int = 0) -> int:
    """``preferred`` if nothing listens there, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise ProcessError(f"no free port on {host}")


def _listens(process: OwnedProcess, port: int) -> bool:
    """Whether ``process`` or one of its children listens on ``port``.

    That somebody answers there is not enough: it may be a stranger's, who took the port between our look and our use.
    """
    root = process.identity.process()
    if root is None:
        return False
    try:
        family = [root, *root.children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            for member in family
            for connection in member.net_connections(kind="tcp")
        )
    except psutil.NoSuchProcess:  # one of them ended while we looked
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
