"""Who the running broker is: ``broker.json``, read by every process of the same state folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.processes.identity import ProcessIdentity


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """A broker that has served metadata at least once."""

    bootstrap_servers: str
    pid: int
    create_time: float
    """Of the process, seconds since 1970; with ``pid`` it names the process for good."""
    cluster_id: str
    owner_pid: int | None
    """The process that it ends with; None for a service, which runs until it is stopped."""
    data_dir: str
    log_file: str

    @property
    def identity(self) -> ProcessIdentity:
        return ProcessIdentity(self.pid, self.create_time)


def running_broker(state: Path) -> BrokerInfo | None:
    """The broker that runs on the state folder, or None. A file left by a broker that was killed counts for nothing."""
    path = BrokerFiles(state).info
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        info = BrokerInfo(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise BrokerError(
            f"{path} cannot be read ({error}); run `streamguard kafka stop`, then start it again"
        ) from None
    return info if info.identity.is_alive() else None


def write_broker_info(state: Path, info: BrokerInfo) -> None:
    """Publish ``info`` in one step: readers see all of it or nothing."""
    path = BrokerFiles(state).info
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(info), indent=2) + "\n")
    draft.replace(path)
