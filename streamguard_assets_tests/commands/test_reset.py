"""``streamguard reset`` deletes what streamguard made in the state folder, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamguard_assets import cli
from streamguard_assets.commands.reset import OURS
from streamguard_assets.kafka.broker.info import running_broker
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets_tests.conftest import SettingsFactory


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as it is after some use."""
    folder = tmp_path / "state"
    for name in sorted(OURS | {"jars"}):
        if "." in name:
            folder.mkdir(exist_ok=True)
            (folder / name).write_text("{}")
        else:
            (folder / name).mkdir(parents=True)
            (folder / name / "file").touch()
    (folder / "up.pid").unlink()
    return folder


@pytest.fixture
def reset(state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(state))
    return lambda *arguments, answer=None: CliRunner().invoke(cli.app, ["reset", *arguments], input=answer)


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_everything_but_the_jars_goes(state: Path, reset: Callable[..., Result]) -> None:
    result = reset("--yes")
    assert result.exit_code == 0, result.output
    assert _names(state) == {"jars"}
    assert (state / "jars" / "file").exists()


def test_all_means_the_jars_too(state: Path, reset: Callable[..., Result]) -> None:
    assert reset("--yes", "--all").exit_code == 0
    assert _names(state) == set()


def test_it_asks_and_a_no_deletes_nothing(state: Path, reset: Callable[..., Result]) -> None:
    before = _names(state)
    refused = reset(answer="n\n")
    assert refused.exit_code == 1
    assert str(state) in refused.output
    assert _names(state) == before
    assert reset(answer="y\n").exit_code == 0
    assert _names(state) == {"jars"}


def test_a_folder_with_something_of_somebody_else_is_left_alone(state: Path, reset: Callable[..., Result]) -> None:
    (state / "thesis.txt").write_text("years of work")
    before = _names(state)
    result = reset("--yes", "--all")
    assert result.exit_code == 1
    assert "thesis.txt" in result.stderr
    assert "nothing was deleted" in result.stderr
    assert _names(state) == before


def test_what_a_link_points_at_stays(state: Path, reset: Callable[..., Result], tmp_path: Path) -> None:
    elsewhere = tmp_path / "big-disk"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (state / "lake" / "file").unlink()
    (state / "lake").rmdir()
    (state / "lake").symlink_to(elsewhere)
    assert reset("--yes").exit_code == 0
    assert _names(state) == {"jars"}
    assert (elsewhere / "file").exists()


def test_no_folder_is_nothing_to_do(reset: Callable[..., Result], state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(state / "nowhere"))
    result = reset()
    assert (result.exit_code, "there is no state folder" in result.stdout) == (0, True)
    assert not (state / "nowhere").exists()


@pytest.mark.broker
@pytest.mark.fault
def test_a_running_broker_is_ended_first(
    brokerless_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = brokerless_settings(state_dir=tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(settings.state))
    try:
        info = start_broker(settings)
        result = CliRunner().invoke(cli.app, ["reset", "--yes"])
        assert result.exit_code == 0, result.output
        assert not info.identity.is_alive()
        assert running_broker(settings.state) is None
        assert _names(settings.state) <= {"jars"}
    finally:
        stop_broker(settings, grace_s=0)
