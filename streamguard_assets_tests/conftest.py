"""What every test may ask for: settings of its own, and one real broker for the whole session.

The broker is shared by all xdist workers. It ends with the last of them that used it, and at the latest with the
pytest process, even when that is killed. Tests share it by using topics of their own (``fresh_topic``); a test
that stops or kills a broker starts one itself, in its own state folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.kafka.broker.java_command import tool_command
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.settings import CONFIG_VARIABLE, ENV_PREFIX, KafkaSettings, Settings, load_settings

# A deadline per example measures the machine's load, not the code.
hypothesis_settings.register_profile("streamguard", deadline=None)
hypothesis_settings.load_profile("streamguard")

REPOSITORY = Path(__file__).parent.parent
JVM_PREFIX = f"{ENV_PREFIX}JVM__"

# Kafka looks for work to do every few minutes by default; tests of compaction and retention wait for it.
QUICK_HOUSEKEEPING = {
    "log.cleaner.backoff.ms": "200",
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.segment.delete.delay.ms": "500",
}

SettingsFactory = Callable[..., Settings]
TopicFactory = Callable[..., str]
JavaTool = Callable[..., str]


@pytest.fixture(scope="session", autouse=True)
def machine() -> Iterator[dict[str, str]]:
    """The ``jvm`` settings of this machine (mirror, trust store, cache), and no other variable of the developer's.

    The jar cache is the one that the developer set, else ``.streamguard/jars`` of the repository: it is kept
    between sessions.
    """
    variables = {name: value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)}
    jvm = {name.removeprefix(JVM_PREFIX).lower(): v for name, v in variables.items() if name.startswith(JVM_PREFIX)}
    jvm.setdefault("jar_cache_dir", str(REPOSITORY / ".streamguard" / "jars"))
    with pytest.MonkeyPatch.context() as patch:
        for name in variables:
            patch.delenv(name)
        # An ephemeral instance has no configuration file that says so.
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield jvm


@pytest.fixture(scope="session")
def broker(machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerInfo]:
    """The session's broker, started by the first worker that asks for it."""
    own = tmp_path_factory.getbasetemp()
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    shared = own if worker is None else own.parent
    settings = make_settings(shared / "broker", machine, broker={"options": QUICK_HOUSEKEEPING})
    with FileLock(shared / "broker.lock"):
        _one_more_user(shared / "broker-users", worker or "main")
        # Under xdist the parent of each worker is the pytest process that started them all.
        info = start_broker(settings, owner_pid=os.getpid() if worker is None else os.getppid(), grace_s=0)
    yield info
    with FileLock(shared / "broker.lock"):
        if not _one_user_less(shared / "broker-users", worker or "main"):
            stop_broker(settings, grace_s=0)
            shutil.rmtree(settings.state)


@pytest.fixture(scope="session")
def kafka_settings(broker: BrokerInfo) -> KafkaSettings:
    """How to reach the session's broker."""
    return make_kafka_settings(broker.bootstrap_servers)


@pytest.fixture
def settings(broker: BrokerInfo, machine: dict[str, str], tmp_path: Path) -> SettingsFactory:
    """``settings(streams={...}, ...)``: a tree with a state folder of its own and the session's broker.

    Keywords are sections or keys of ``Settings``, as dicts; given twice, they share the state folder.
    """

    def make(**overrides: Any) -> Settings:
        kafka = {"bootstrap_servers": broker.bootstrap_servers, **overrides.pop("kafka", {})}
        return make_settings(overrides.pop("state_dir", tmp_path / "state"), machine, kafka=kafka, **overrides)

    return make


@pytest.fixture
def brokerless_settings(machine: dict[str, str], tmp_path: Path) -> SettingsFactory:
    """The same without a broker: for tests that need none, or that start one of their own."""

    def make(**overrides: Any) -> Settings:
        return make_settings(overrides.pop("state_dir", tmp_path / "state"), machine, **overrides)

    return make


@pytest.fixture
def fresh_topic(kafka_settings: KafkaSettings) -> TopicFactory:
    """``fresh_topic(partitions=3, config={...}, prefix="topic")``: a new topic that no other test knows; its name.

    It keeps records for ever, since the retention of records with old stamps would end in half a second here; a
    test of retention sets ``retention.ms`` itself.
    """
    connection = KafkaConnection.from_settings(kafka_settings)

    def create(partitions: int = 3, config: Mapping[str, str] | None = None, prefix: str = "topic") -> str:
        name = f"{prefix}-{uuid.uuid4().hex}"
        create_topic(connection, name, TopicLayout(partitions, replication=1, retention_ms=FOR_EVER_MS), config=config)
        return name

    return create


@pytest.fixture
def java_tool(machine: dict[str, str], tmp_path: Path) -> JavaTool:
    """``java_tool("org.apache.kafka.tools.DumpLogSegments", "--files", …)``: runs a tool of Kafka, gives its output.

    Fails the test with the tool's own words when it fails.
    """
    settings = make_settings(tmp_path / "java-tool", machine)

    def run(main_class: str, *arguments: str) -> str:
        result = subprocess.run(
            tool_command(settings, main_class, arguments),
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == 0, f"{main_class} failed:\n{result.stdout}\n{result.stderr}"
        return result.stdout

    return run


def make_settings(state_dir: Path, machine: Mapping[str, str], **overrides: Any) -> Settings:
    """Settings that depend on nothing of the developer's but the machine's Java and mirror."""
    jvm = {**machine, **overrides.pop("jvm", {})}
    nothing = state_dir.parent / "no-settings.toml"
    nothing.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG_VARIABLE, str(nothing))  # else a streamguard.toml in the working folder would count
        return load_settings(state_dir=state_dir, jvm=jvm, **overrides)


def make_kafka_settings(bootstrap_servers: str) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": bootstrap_servers})


def _one_more_user(users: Path, worker: str) -> None:
    """Note that ``worker`` uses the broker; call with the lock held."""
    users.mkdir(exist_ok=True)
    (users / worker).touch()


def _one_user_less(users: Path, worker: str) -> int:
    """Take ``worker`` off the list; how many are left. Call with the lock held."""
    (users / worker).unlink()
    return len(list(users.iterdir()))
