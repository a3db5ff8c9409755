"""Where the local broker keeps what it needs, all below ``<state>/kafka``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The paths of the broker of one state folder."""

    state: Path

    @property
    def folder(self) -> Path:
        return self.state / "kafka"

    @property
    def data(self) -> Path:
        """Partitions and cluster metadata (``log.dirs``)."""
        return self.folder / "data"

    @property
    def formatted(self) -> Path:
        """There once the data folder belongs to a cluster; names its id."""
        return self.data / "meta.properties"

    @property
    def server_properties(self) -> Path:
        return self.folder / "config" / "server.properties"

    @property
    def logging_properties(self) -> Path:
        return self.folder / "config" / "log4j2.properties"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def server_log(self) -> Path:
        """What Kafka says; rolls over by size."""
        return self.logs / "server.log"

    @property
    def console_log(self) -> Path:
        """What the Java process itself says: start-up failures and crashes."""
        return self.logs / "console.log"

    @property
    def info(self) -> Path:
        """There while a broker is ready; see ``broker.info``."""
        return self.folder / "broker.json"

    @property
    def pid(self) -> Path:
        """There from the first moment of the process, ready or not."""
        return self.folder / "broker.pid"

    @property
    def ports(self) -> Path:
        """The ports of the last start."""
        return self.folder / "ports.json"

    @property
    def lock(self) -> Path:
        """Held while a broker is started or stopped."""
        return self.folder / ".lock"
