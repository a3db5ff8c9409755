"""The instance of a state folder: everything in that folder, whoever starts it and from wherever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from streamguard_assets.orchestration.instance import dagster_home, dagster_instance, process_environment
from streamguard_assets.settings import environment_variable
from streamguard_assets_tests.conftest import REPOSITORY, SettingsFactory


def test_every_folder_of_the_configuration_is_inside_the_state_folder(brokerless_settings: SettingsFactory) -> None:
    made = brokerless_settings()
    written = yaml.safe_load((dagster_home(made) / "dagster.yaml").read_text())
    folders = [
        written["storage"]["sqlite"]["base_dir"],
        written["local_artifact_storage"]["config"]["base_dir"],
        written["compute_logs"]["config"]["base_dir"],
    ]
    assert all(Path(folder).is_relative_to(made.state) for folder in folders), folders
    # Beside the folders it is the file of the checkout.
    original = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert set(written) == set(original)
    assert written["run_monitoring"] == original["run_monitoring"]


def test_a_state_folder_with_spaces_and_quotes_is_one_folder(
    brokerless_settings: SettingsFactory, tmp_path: Path
) -> None:
    made = brokerless_settings(state_dir=tmp_path / 'my "state": folder')
    with dagster_instance(made) as instance:
        assert instance.get_runs() == []
    assert (made.state / "dagster" / "history").is_dir()


def test_a_changed_configuration_is_written_again_and_an_unchanged_one_is_left(
    brokerless_settings: SettingsFactory,
) -> None:
    made = brokerless_settings()
    file = dagster_home(made) / "dagster.yaml"
    text, written_at = file.read_text(), file.stat().st_mtime_ns
    dagster_home(made)
    assert file.stat().st_mtime_ns == written_at
    file.write_text("telemetry: {enabled: true}")
    dagster_home(made)
    assert file.read_text() == text
    assert [path.name for path in file.parent.iterdir()] == ["dagster.yaml"], "no draft is left"


def test_processes_are_told_where_the_state_is_in_absolute_words(
    brokerless_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = process_environment(brokerless_settings(state_dir=Path("state")))
    assert environment["DAGSTER_HOME"] == str(tmp_path / "state" / "dagster")
    assert environment[environment_variable("state_dir")] == str(tmp_path / "state")
    assert environment["PATH"] == os.environ["PATH"]


def test_the_instance_of_the_user_wins(
    brokerless_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    made = brokerless_settings()
    with dagster_instance(made) as instance:
        assert instance.root_directory == str(home)
    assert not (made.state / "dagster").exists()


def test_the_instance_is_kept_between_two_openings(brokerless_settings: SettingsFactory) -> None:
    made = brokerless_settings()
    with dagster_instance(made) as instance:
        assert isinstance(instance, DagsterInstance)
        instance.add_dynamic_partitions("batches", ["one"])
    with dagster_instance(made) as instance:
        assert instance.get_dynamic_partitions("batches") == ["one"]
    assert environment_variable("state_dir") not in os.environ


@pytest.mark.parametrize(("batches", "slots"), [(8, 20), (50, 58)])
def test_batches_never_take_the_run_slots_of_streams_and_windows(
    brokerless_settings: SettingsFactory, batches: int, slots: int
) -> None:
    home = dagster_home(brokerless_settings(batches={"max_concurrent": batches}))
    configured = yaml.safe_load((home / "dagster.yaml").read_text())
    assert configured["concurrency"]["runs"]["max_concurrent_runs"] == slots
