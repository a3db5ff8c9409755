"""Starting and stopping the local broker: as a service, or owned by a process and ended with it."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from streamguard_assets.jvm.jars import OnJarProgress
from streamguard_assets.kafka.broker.configuration import cluster_id, server_properties, write_configuration
from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import BrokerInfo, running_broker, write_broker_info
from streamguard_assets.kafka.broker.java_command import KafkaJava
from streamguard_assets.kafka.broker.ports import HOST, BrokerPorts, choose_ports, read_ports, write_ports
from streamguard_assets.kafka.broker.readiness import NotReadyError, wait_until_ready
from streamguard_assets.processes.detached import start_detached, stop_detached
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.settings import Settings, environment_variable

NAME = "Kafka broker"
STOP_GRACE_S = 20.0
"""A broker that is asked to stop writes its partitions out first; most are gone within two seconds."""
PORT_ATTEMPTS = 5
"""A port that was free may be taken before the broker binds it; five times in a row means something else."""
_LOG_TAIL_LINES = 25
_PORT_TAKEN = re.compile(r"BindException|Address already in use|failed to bind", re.IGNORECASE)


def start_broker(
    settings: Settings,
    *,
    owner_pid: int | None = None,
    grace_s: float = STOP_GRACE_S,
    on_progress: OnJarProgress | None = None,
) -> BrokerInfo:
    """The broker of the state folder, started if none runs; returns when it serves metadata.

    Without ``owner_pid`` a service is started, which stays until ``stop_broker``. With it, the broker ends when that
    process does, however it ends; ``grace_s`` is then its time to write out (0 for data that nobody wants).
    ``on_progress`` is told of jars being fetched. Raises ``BrokerError``, ``JvmError``.
    """
    if (running := running_broker(settings.state)) is not None:
        return running
    kafka = KafkaJava(settings, on_progress)
    with _locked(settings):
        if (running := running_broker(settings.state)) is not None:  # another process was first
            return running
        files = BrokerFiles(settings.state)
        # A process without broker.json: its starter was killed before it was ready. Nobody else will end it, and
        # it holds the data folder.
        stop_detached(files.pid, STOP_GRACE_S)

        def spawn() -> ProcessIdentity:
            return start_detached(
                kafka.server(files),
                name=NAME,
                log_file=files.console_log,
                pid_file=files.pid,
                owner_pid=owner_pid,
                grace_s=grace_s,
            )

        return _start(settings, files, kafka, spawn, owner_pid)


class OwnedBroker:
    """A broker that ends with the ``with`` block, and with this process even when that is killed.

    If one runs on the state folder already, that one is used and left running.
    """

    def __init__(
        self, settings: Settings, *, grace_s: float = STOP_GRACE_S, on_progress: OnJarProgress | None = None
    ) -> None:
        self._settings = settings
        self._grace_s = grace_s
        self._on_progress = on_progress
        self._info: BrokerInfo | None = None
        self._is_ours = False

    def start(self) -> BrokerInfo:
        """Returns when the broker serves metadata; raises like ``start_broker``."""
        before = running_broker(self._settings.state)
        self._info = start_broker(
            self._settings, owner_pid=os.getpid(), grace_s=self._grace_s, on_progress=self._on_progress
        )
        self._is_ours = self._info != before and self._info.owner_pid == os.getpid()
        return self._info

    def stop(self) -> None:
        """End the broker if this object started it and it is still the one that runs."""
        if self._is_ours and self._info == running_broker(self._settings.state):
            stop_broker(self._settings, grace_s=self._grace_s)
        self._is_ours = False

    def __enter__(self) -> BrokerInfo:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop_broker(settings: Settings, *, grace_s: float = STOP_GRACE_S) -> bool:
    """End the broker of the state folder, whoever started it; False if none ran. Its data stay.

    Waits for a start that is under way in another process. Raises ``BrokerError`` when it cannot be ended.
    """
    files = BrokerFiles(settings.state)
    if not files.folder.is_dir():
        return False
    with _locked(settings):
        stopped = stop_detached(files.pid, grace_s)
        files.info.unlink(missing_ok=True)
    return stopped


def _start(
    settings: Settings,
    files: BrokerFiles,
    kafka: KafkaJava,
    spawn: Callable[[], ProcessIdentity],
    owner_pid: int | None,
) -> BrokerInfo:
    """Start on free ports, choosing again while others take them first."""
    last = read_ports(files.ports)
    deadline = time.monotonic() + settings.broker.start_timeout_s
    for _ in range(PORT_ATTEMPTS):
        ports = choose_ports(settings.broker.port, last)
        cluster = _prepare(settings, files, kafka, ports)
        log_mark = _size(files.server_log)
        process = spawn()
        bootstrap = f"{HOST}:{ports.client}"
        try:
            wait_until_ready(bootstrap, cluster, process, max(deadline - time.monotonic(), 1.0))
        except NotReadyError as error:
            stop_detached(files.pid, grace_s=0)
            if not _PORT_TAKEN.search(_text_since(files.server_log, log_mark)) and "another Kafka" not in str(error):
                raise BrokerError(_explain(f"it is not running: {error}", files, log_mark)) from None
            if settings.broker.port:
                raise BrokerError(_explain_port(settings.broker.port)) from None
            last = None
            continue
        except BaseException:  # interrupted while waiting: a half-started broker would be left to nobody
            stop_detached(files.pid, grace_s=0)
            raise
        write_ports(files.ports, ports)
        info = BrokerInfo(
            bootstrap_servers=bootstrap,
            pid=process.pid,
            create_time=process.create_time,
            cluster_id=cluster,
            owner_pid=owner_pid,
            data_dir=str(files.data),
            log_file=str(files.server_log),
        )
        write_broker_info(settings.state, info)
        return info
    raise BrokerError(f"the {NAME} found {PORT_ATTEMPTS} free ports, and each was taken before it could listen on it")


def _prepare(settings: Settings, files: BrokerFiles, kafka: KafkaJava, ports: BrokerPorts) -> str:
    """Write the configuration and, the first time, format the data folder; returns the cluster's id."""
    broker = settings.broker
    write_configuration(
        files, server_properties(files, ports, topic_partitions=broker.topic_partitions, options=broker.options)
    )
    if (known := cluster_id(files)) is not None:
        return known
    new = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    try:
        result = subprocess.run(
            kafka.format_storage(files, new),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=broker.start_timeout_s,
        )
    except subprocess.TimeoutExpired:
        waited = f"{broker.start_timeout_s:g} s (broker.start_timeout_s)"
        raise BrokerError(f"the {NAME} did not format its data folder {files.data} within {waited}") from None
    if result.returncode != 0:
        said = (result.stdout + result.stderr).strip()
        raise BrokerError(f"the {NAME} cannot format its data folder {files.data}:\n{said}")
    return cluster_id(files) or new


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """One start or stop at a time per state folder; ``BrokerError`` when another one takes too long."""
    files = BrokerFiles(settings.state)
    files.folder.mkdir(parents=True, exist_ok=True)
    timeout_s = settings.broker.start_timeout_s + 2 * STOP_GRACE_S
    try:
        with FileLock(files.lock, timeout=timeout_s):
            yield
    except Timeout:
        raise BrokerError(
            f"another process has been starting or stopping the {NAME} of {settings.state} for {timeout_s:g} s "
            f"(it holds {files.lock})"
        ) from None


def _explain(what: str, files: BrokerFiles, log_mark: int) -> str:
    lines = [*_tail(_text_since(files.server_log, log_mark)), *_tail(files.console_log.read_text(errors="replace"))]
    tail = "\n".join(f"  {line}" for line in lines[-2 * _LOG_TAIL_LINES :]) or "  (nothing)"
    return f"the {NAME} did not start; {what}.\nThe end of {files.server_log} and {files.console_log}:\n{tail}"


def _explain_port(port: int) -> str:
    return (
        f"the {NAME} did not start: port {port} (broker.port, {environment_variable('broker.port')}) is taken by "
        "another program. Set another one, or 0 for any free port."
    )


def _tail(text: str) -> list[str]:
    return text.splitlines()[-_LOG_TAIL_LINES:]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _text_since(path: Path, position: int) -> str:
    """What was written after ``position``; the whole file if it has rolled over since."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(position if position <= _size(path) else 0)
        return file.read().decode(errors="replace")
