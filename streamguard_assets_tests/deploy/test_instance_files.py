"""The instance files load in the Dagster that is pinned, and every store lies in the state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from streamguard_assets.orchestration.instance import dagster_home
from streamguard_assets.settings import Settings
from streamguard_assets.windows.view import PlanPolicy

REPOSITORY = Path(__file__).parents[2]
LOCAL = REPOSITORY / "dagster.yaml"
COMPOSE = REPOSITORY / "streamguard_assets" / "deploy" / "compose" / "dagster.yaml"


def stores(instance: DagsterInstance) -> list[Path]:
    """Where an instance keeps what it keeps."""
    logs: Any = instance.compute_log_manager
    return [Path(instance.storage_directory()), Path(logs._base_dir)]


class TestPlainDagsterDev:
    """Without ``DAGSTER_HOME``, `dagster dev` makes a throw-away home and configures it from the folder it runs in."""

    def test_every_store_is_in_the_state_folder_and_outlives_the_throw_away_home(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        home = tmp_path / "throw-away"
        home.mkdir()
        with DagsterInstance.from_ref(InstanceRef.from_dir(str(home), config_dir=str(REPOSITORY))) as instance:
            instance.add_dynamic_partitions("proof", ["a"])
            assert all(store.is_relative_to(".streamguard/dagster") for store in stores(instance))

        assert list(home.rglob("*.db")) == []
        assert list((tmp_path / ".streamguard" / "dagster").rglob("*.db"))


class TestCopyInTheStateFolder:
    def test_every_store_is_in_the_state_folder_wherever_the_process_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = tmp_path / "a state, with {odd} #signs"
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        home = dagster_home(Settings(state_dir=state))
        with DagsterInstance.from_config(str(home)) as instance:
            instance.add_dynamic_partitions("proof", ["a"])
            assert all(store.is_relative_to(home) for store in stores(instance))

        assert list(elsewhere.iterdir()) == []
        assert list(home.rglob("*.db"))


@pytest.mark.parametrize("file", [LOCAL, COMPOSE], ids=["local", "compose"])
class TestBothFiles:
    def test_telemetry_and_retries_by_dagster_are_off(self, file: Path) -> None:
        configuration = yaml.safe_load(file.read_text())

        assert configuration["telemetry"] == {"enabled": False}
        assert configuration["run_retries"] == {"enabled": False}

    def test_there_are_slots_for_streams_batches_and_window_runs(self, file: Path) -> None:
        streams, batches = 3, 8
        windows = streams * PlanPolicy({}, ()).max_requests_in_flight
        slots = yaml.safe_load(file.read_text())["concurrency"]["runs"]["max_concurrent_runs"]

        assert slots >= streams + batches + windows

    def test_every_store_is_named(self, file: Path) -> None:
        assert {"storage", "local_artifact_storage", "compute_logs"} <= set(yaml.safe_load(file.read_text()))


def test_the_compose_instance_loads_with_its_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the connection: the classes load and take their configuration."""
    for name, value in {"HOST": "postgres", "USER": "dagster", "PASSWORD": "p", "DB": "dagster"}.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    (tmp_path / "dagster.yaml").write_text(COMPOSE.read_text())

    reference = InstanceRef.from_dir(str(tmp_path))

    assert reference.storage_data is not None
    assert reference.storage_data.class_name == "DagsterPostgresStorage"
    assert reference.settings["telemetry"] == {"enabled": False}
    assert "password: p" not in reference.storage_data.config_yaml
