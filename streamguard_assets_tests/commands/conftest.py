"""A small real stream for the tests of commands: events in a topic of its own, windows of them in a lake of its own."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from streamguard_assets import cli
from streamguard_assets.contracts.windows import Cadence, window_key
from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.settings import CONFIG_VARIABLE, ENV_PREFIX

HOURLY = Cadence(60)
USERS = ("ada", "ben", "cleo", "dan", "eve", "finn")


@dataclass(frozen=True)
class Answer:
    """What one call of ``streamguard`` wrote, and how it ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Site:
    """A state folder and a topic: where commands of a test work."""

    state: Path
    topic: str
    bootstrap_servers: str

    @property
    def variables(self) -> dict[str, str]:
        nothing = self.state.parent / "no-settings.toml"
        nothing.touch()  # else a streamguard.toml in the working folder would count
        return {
            CONFIG_VARIABLE: str(nothing),
            f"{ENV_PREFIX}STATE_DIR": str(self.state),
            f"{ENV_PREFIX}KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            f"{ENV_PREFIX}KAFKA__REQUEST_TIMEOUT_MS": "20000",
            f"{ENV_PREFIX}STREAMS__SECURITY__TOPIC": self.topic,
            f"{ENV_PREFIX}KAFKA__TOPIC_PARTITIONS": "1",
            f"{ENV_PREFIX}DETECTION__MIN_USERS": str(len(USERS)),
        }

    def run(self, *arguments: str) -> Answer:
        """``streamguard`` with ``arguments``, in this process; a defect raises."""
        result = CliRunner().invoke(cli.app, list(arguments), env=self.variables, catch_exceptions=False)
        return Answer(result.exit_code, result.stdout, result.stderr)

    def produce(self, lines: Sequence[bytes]) -> None:
        file = self.state.parent / f"{uuid.uuid4().hex}.ndjson"
        file.write_bytes(b"\n".join(lines) + b"\n")
        answer = self.run("produce", str(file), "--stream", "security", "--timestamps", "event")
        assert answer.status == 0, answer.stderr

    def copied(self, state: Path) -> Self:
        """The same stream with a lake of its own, to be spoiled."""
        shutil.copytree(self.state, state, symlinks=True)
        return replace(self, state=state)


@dataclass(frozen=True)
class BuiltSite(Site):
    """Three closed windows with events, of which the middle one has records that are rejected."""

    hours: tuple[datetime, ...]

    @property
    def windows(self) -> tuple[str, ...]:
        return tuple(window_key(hour) for hour in self.hours)


def event(number: int, at: datetime, user: str = "ada") -> bytes:
    """One event of the contract ``security``."""
    stamp_ms = int(at.timestamp() * 1000)
    return json.dumps(
        {
            "event_id": f"e{number}",
            "timestamp": stamp_ms,
            "event_type": "auth_attempt" if number % 2 else "dns_query",
            "user": user,
            "source_ip": f"10.0.0.{number % 7}",
            "status": "failed" if number % 5 == 0 else "success",
            "threat_score": (number % 10) / 10,
        }
    ).encode()


def events_of(hour: datetime, count: int = 30) -> list[bytes]:
    """``count`` events spread over ``hour``, of every user."""
    step = timedelta(hours=1) / (count + 1)
    return [event(n, hour + step * (n + 1), USERS[n % len(USERS)]) for n in range(count)]


def past_hours(count: int) -> tuple[datetime, ...]:
    """The starts of ``count`` hours that have all ended, the last at least an hour ago."""
    newest = HOURLY.floor(datetime.now(UTC)) - timedelta(hours=2)
    return tuple(newest - timedelta(hours=count - 1 - n) for n in range(count))


@pytest.fixture
def site(broker: BrokerInfo, tmp_path: Path) -> Site:
    """An empty state folder, and a topic that is not there yet."""
    return Site(tmp_path / "state", f"commands-{uuid.uuid4().hex}", broker.bootstrap_servers)


@pytest.fixture(scope="module")
def built_site(broker: BrokerInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltSite]:
    """Produced and materialized once for a module; a test that changes tables works on a ``copied`` one."""
    hours = past_hours(3)
    folder = tmp_path_factory.mktemp("built-site")
    site = BuiltSite(folder / "state", f"commands-{uuid.uuid4().hex}", broker.bootstrap_servers, hours)
    bad = b'{"event_id": "x", "timestamp": %d, "event_type": "dns_query", "user": 7}'
    middle_ms = int((hours[1] + timedelta(minutes=59)).timestamp() * 1000)
    site.produce(
        [
            *events_of(hours[0]),
            *events_of(hours[1]),
            bad % middle_ms,
            bad % (middle_ms + 1),
            *events_of(hours[2]),
        ]
    )
    answer = site.run(
        "materialize", "security", "--from", hours[0].isoformat(), "--to", (hours[2] + timedelta(hours=1)).isoformat()
    )
    assert answer.status == 0, answer.stderr
    yield site
    shutil.rmtree(folder)
