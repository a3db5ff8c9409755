"""``streamguard kafka …`` as a person or a script uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamguard_assets.cli import app
from streamguard_assets.commands.exit_codes import ExitCode
from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.kafka.broker.lifecycle import stop_broker
from streamguard_assets.settings import environment_variable
from streamguard_assets_tests.conftest import SettingsFactory, TopicFactory


@pytest.fixture
def state(
    monkeypatch: pytest.MonkeyPatch, brokerless_settings: SettingsFactory, machine: dict[str, str], tmp_path: Path
) -> Iterator[Path]:
    """A state folder of its own, set by the environment as a user does."""
    settings = brokerless_settings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(settings.state))
    for key, value in machine.items():
        monkeypatch.setenv(environment_variable(f"jvm.{key}"), value)
    yield settings.state
    stop_broker(settings, grace_s=0)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["kafka", *arguments])


@pytest.mark.broker
@pytest.mark.fault
def test_from_start_to_stop(state: Path) -> None:
    started = _run("start", "--json")
    assert started.exit_code == 0, started.output
    told = json.loads(started.stdout)
    assert told.pop("started") is True
    broker = BrokerInfo(**told)
    assert broker.identity.is_alive()
    assert Path(broker.data_dir).is_relative_to(state)

    again = _run("start")
    assert again.exit_code == 0
    assert f"Kafka runs already: {broker.bootstrap_servers}, process {broker.pid}" in again.stdout
    assert _run("status").exit_code == 0
    assert json.loads(_run("status", "--json").stdout) == {"running": True, **told}
    assert "There are no topics." in _run("topics").stdout

    stopped = _run("stop")
    assert (stopped.exit_code, "its data are kept" in stopped.stdout) == (0, True)
    assert not broker.identity.is_alive()


def test_without_a_broker_each_command_says_so(state: Path) -> None:
    status = _run("status")
    assert status.exit_code == ExitCode.KAFKA_UNAVAILABLE
    assert f"No local broker runs on {state}" in status.stdout
    assert json.loads(_run("status", "--json").stdout) == {"running": False}
    stop = _run("stop", "--json")
    assert (stop.exit_code, json.loads(stop.stdout)) == (0, {"stopped": False})
    topics = _run("topics")
    assert topics.exit_code == ExitCode.KAFKA_UNAVAILABLE
    assert "streamguard kafka start" in topics.stderr
    assert topics.stdout == ""


@pytest.mark.broker
def test_topics_are_listed_with_what_a_person_wants_to_know(
    state: Path, monkeypatch: pytest.MonkeyPatch, broker: BrokerInfo, fresh_topic: TopicFactory
) -> None:
    monkeypatch.setenv("STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    name = fresh_topic(2, {"cleanup.policy": "compact"})
    result = _run("topics", "--json")
    assert result.exit_code == 0, result.output
    (row,) = [row for row in json.loads(result.stdout) if row["topic"] == name]
    assert (row["partitions"], row["offsets_held"]) == (2, 0)
    assert row["config"]["cleanup.policy"] == "compact"
    assert row["log_starts"] == row["last_stable_offsets"] == {"0": 0, "1": 0}
    assert name in _run("topics").stdout


def test_a_wrong_setting_stops_the_command_with_its_key(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGUARD_BROKER__HEAP_MB", "much")
    result = _run("status")
    assert result.exit_code == ExitCode.SETTINGS
    assert "broker.heap_mb" in result.stderr
