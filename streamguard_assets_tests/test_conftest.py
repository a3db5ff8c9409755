"""The session's broker is one for all workers, and no session leaves it behind, however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.kafka.broker.java_command import tool_command
from streamguard_assets_tests.conftest import JavaTool, SettingsFactory, TopicFactory
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.fault]

INNER_TESTS = """
import json, time
from dataclasses import asdict
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_asks_for_the_broker(broker, fresh_topic, number):
    assert fresh_topic()
    note = Path(__file__).with_name(f"seen-{number}.json")
    note.with_suffix(".draft").write_text(json.dumps(asdict(broker)))
    note.with_suffix(".draft").replace(note)
    while Path(__file__).with_name("hold").exists():
        time.sleep(0.05)
"""


def _session(folder: Path, workers: int, machine: dict[str, str]) -> subprocess.Popen[bytes]:
    """A pytest session of its own, in ``folder``, with the fixtures of this project."""
    (folder / "test_inner.py").write_text(INNER_TESTS)
    jvm = {f"STREAMGUARD_JVM__{key.upper()}": value for key, value in machine.items()}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", str(workers), "-p", "streamguard_assets_tests.conftest"),
            *("-p", "no:cacheprovider", f"--basetemp={folder / 'temp'}", f"--rootdir={folder}", str(folder)),
        ],
        env={**inherited, **jvm},
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )


def _seen(folder: Path, number: int) -> BrokerInfo:
    note = folder / f"seen-{number}.json"
    assert wait_until(note.exists, 120)
    return BrokerInfo(**json.loads(note.read_text()))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_that_ends_takes_its_broker_along(tmp_path: Path, machine: dict[str, str], workers: int) -> None:
    with _session(tmp_path, workers, machine) as session:
        first, second = _seen(tmp_path, 1), _seen(tmp_path, 2)
    assert session.returncode == 0
    assert first == second, "one broker for all"
    assert wait_until(lambda: not first.identity.is_alive())
    assert not Path(first.data_dir).exists()


def test_a_session_that_is_killed_takes_its_broker_along(tmp_path: Path, machine: dict[str, str]) -> None:
    (tmp_path / "hold").touch()
    try:
        with _session(tmp_path, 2, machine) as session:
            broker = _seen(tmp_path, 1)
            assert broker.owner_pid == session.pid
            assert broker.identity.is_alive()
            session.kill()
        assert wait_until(lambda: not broker.identity.is_alive(), 30)
    finally:
        (tmp_path / "hold").unlink()  # only now may the workers end: it was not they who stopped the broker


def test_kafkas_own_tools_read_what_the_broker_wrote(
    broker: BrokerInfo, fresh_topic: TopicFactory, java_tool: JavaTool
) -> None:
    log = Path(broker.data_dir) / f"{fresh_topic(1)}-0" / "00000000000000000000.log"
    assert "Log starting offset: 0" in java_tool("org.apache.kafka.tools.DumpLogSegments", "--files", str(log))


def test_settings_of_the_developers_shell_do_not_reach_the_tests(
    settings: SettingsFactory, tmp_path: Path, broker: BrokerInfo
) -> None:
    assert not [name for name in os.environ if name.startswith("STREAMGUARD_")]
    made = settings(streams={"security": {"grace_s": 1}}, kafka={"request_timeout_ms": 500})
    assert made.state == tmp_path / "state"
    assert (made.kafka.bootstrap_servers, made.kafka.request_timeout_ms) == (broker.bootstrap_servers, 500)
    assert made.streams["security"].grace_s == 1


def test_a_tool_is_run_with_the_jars_that_were_verified(brokerless_settings: SettingsFactory) -> None:
    command = tool_command(brokerless_settings(), "org.example.Tool", ["--help"])
    assert command[-2:] == ["org.example.Tool", "--help"]
    assert "kafka-tools-4.3.1.jar" in command[command.index("-cp") + 1]
