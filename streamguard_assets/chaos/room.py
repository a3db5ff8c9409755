"""Where a run works: a folder of its own, a broker of its own on a port that stays, and a topic."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from streamguard_assets.chaos.standstill import standing_still
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import running_broker
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.broker.ports import is_free
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import CONFIG_VARIABLE, ENV_PREFIX, Settings
from streamguard_assets.windows.stream import Stream, open_stream

STREAM = "security"
TOPIC = "chaos-events"
PARTITIONS = 3
PORTS = range(20_000, 30_000)
"""Below those that the system hands out by itself: while the broker is down nobody else must get its port."""


@dataclass(frozen=True)
class Room:
    """``settings`` are those of every process of the run; ``streaming`` are the options of the stream under test."""

    settings: Settings
    streaming: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return self.settings.state

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def broker_log(self) -> Path:
        """What the broker says."""
        return BrokerFiles(self.folder).server_log

    @property
    def journal(self) -> Path:
        return self.folder / "journal.ndjson"

    @cached_property
    def servers(self) -> str:
        """Where the broker is reached, also when it comes back."""
        return f"127.0.0.1:{self.settings.broker.port}"

    @cached_property
    def stream(self) -> Stream:
        """The stream as this process sees it: for windows and reconciliation, never for what is verified."""
        return open_stream(self.settings, STREAM, LakeLocation(self.settings.lake_uri))

    @property
    def live(self) -> Path:
        """The folder of the live tables."""
        return Path(self.settings.lake_uri) / STREAM / "live"

    def environment(self) -> dict[str, str]:
        """Variables of a process of this room: its settings and no others."""
        nothing = self.folder / "no-settings.toml"
        nothing.touch()  # else a streamguard.toml in the working folder would count
        stream = f"{ENV_PREFIX}STREAMS__{STREAM.upper()}__"
        own = {
            CONFIG_VARIABLE: str(nothing),
            f"{ENV_PREFIX}STATE_DIR": str(self.folder),
            f"{ENV_PREFIX}JVM__JAR_CACHE_DIR": str(self.settings.jar_cache),  # else what needs jars would fetch them
            f"{ENV_PREFIX}KAFKA__BOOTSTRAP_SERVERS": self.servers,
            f"{ENV_PREFIX}KAFKA__REQUEST_TIMEOUT_MS": str(self.settings.kafka.request_timeout_ms),
            f"{stream}TOPIC": TOPIC,
            f"{stream}WINDOW_MINUTES": str(self.settings.stream(STREAM).window_minutes),
            f"{stream}GRACE_S": "0",
            **{f"{ENV_PREFIX}STREAMING__{key.upper()}": value for key, value in self.streaming.items()},
        }
        return {**{name: v for name, v in os.environ.items() if not name.startswith(ENV_PREFIX)}, **own}

    def python(self, module: str, *arguments: str) -> Sequence[str]:
        """The command that runs a module of the package."""
        return [sys.executable, "-P", "-m", module, *arguments]

    def start_broker(self) -> None:
        """Start the broker, or start it again with its data; it ends with this process."""
        start_broker(self.settings, owner_pid=os.getpid(), grace_s=0)

    def kill_broker(self) -> None:
        """kill -9; returns when it is dead."""
        info = running_broker(self.folder)
        assert info is not None, "the broker was started by this room"
        os.kill(info.pid, signal.SIGKILL)
        stop_broker(self.settings, grace_s=0)  # its guard follows, and the note of it goes

    @contextmanager
    def frozen_broker(self) -> Iterator[None]:
        """A broker that keeps its connections and answers nothing, for the block; the same one goes on after it."""
        info = running_broker(self.folder)
        assert info is not None, "the broker was started by this room"
        with standing_still([psutil.Process(info.pid)]):
            yield

    def stop_broker(self) -> None:
        stop_broker(self.settings, grace_s=0)

    def create_topic(self) -> None:
        connection = KafkaConnection.from_settings(self.settings.kafka, self.servers)
        create_topic(connection, TOPIC, TopicLayout(PARTITIONS, 1, FOR_EVER_MS))


def room_in(folder: Path, base: Settings, streaming: Mapping[str, str]) -> Room:
    """A room in ``folder`` with the user's Java and jars and nothing else of theirs."""
    port = next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))
    values = {
        "state_dir": folder,
        "jvm": {**base.jvm.model_dump(), "jar_cache_dir": base.jar_cache},
        "kafka": {"bootstrap_servers": f"127.0.0.1:{port}", "request_timeout_ms": base.kafka.request_timeout_ms},
        "broker": {"port": port, "heap_mb": 256, "start_timeout_s": max(base.broker.start_timeout_s, 120.0)},
        "lake": {},
        "streams": {STREAM: {"topic": TOPIC, "contract": "security", "window_minutes": 1, "grace_s": 0}},
        "streaming": dict(streaming),
    }
    return Room(Settings.model_validate({**base.model_dump(), **values}), streaming)
