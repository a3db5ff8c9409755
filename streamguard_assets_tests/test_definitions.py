"""The code location: complete, readable in the UI, and loaded without asking anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, AssetSpec, TableColumnLineage, TableSchema, TimeWindowPartitionsDefinition

from streamguard_assets.definitions import build_defs
from streamguard_assets.settings import Settings, environment_variable
from streamguard_assets.windows.checks import CHECKS
from streamguard_assets.windows.graph import GRAPH
from streamguard_assets_tests.conftest import REPOSITORY, SettingsFactory

DESCRIBED_BY_LINEAGE = {"user_features", "anomaly_model", "anomaly_scores", "training_data", "summary"}
"""Assets that are made of columns of others; the rest come from Kafka itself."""


def specs(settings: Settings) -> dict[AssetKey, AssetSpec]:
    return {spec.key: spec for spec in build_defs(settings).resolve_all_asset_specs()}


def columns(spec: AssetSpec) -> set[str]:
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, TableSchema)
    return {column.name for column in schema.columns}


def test_every_asset_reads_as_documentation(brokerless_settings: SettingsFactory) -> None:
    found = specs(brokerless_settings(streams={"security": {"start": "2026-01-01T00:00:00Z"}}))
    assert set(found) == {AssetKey(["security", name]) for name in GRAPH}
    for key, spec in found.items():
        assert spec.description, key
        assert spec.group_name == "security"
        assert spec.owners == ["team:streamguard"]
        assert set(spec.kinds) == set(GRAPH[key.path[1]].kinds)
        assert spec.code_version
        assert isinstance(spec.partitions_def, TimeWindowPartitionsDefinition)
        assert spec.partitions_def.get_first_partition_key() == "2026-01-01-00:00"
        parents = {dep.asset_key.path[1] for dep in spec.deps}
        assert parents == set(GRAPH[key.path[1]].parents)
        # By the same window: else a backfill of some windows would also take those that look back at them.
        assert all(dep.partition_mapping is None for dep in spec.deps)


def test_every_column_of_a_table_is_typed_and_those_of_the_contract_are_described(
    brokerless_settings: SettingsFactory,
) -> None:
    found = specs(brokerless_settings())
    for key, spec in found.items():
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, TableSchema)
        assert schema.columns, key
        assert all(column.type for column in schema.columns)
    features = found[AssetKey(["security", "user_features"])].metadata["dagster/column_schema"]
    assert isinstance(features, TableSchema)
    assert [c.name for c in features.columns if not c.description and c.name != "window"] == []


def test_lineage_names_columns_that_are_there(brokerless_settings: SettingsFactory) -> None:
    found = specs(brokerless_settings())
    with_lineage = set()
    for key, spec in found.items():
        lineage = spec.metadata.get("dagster/column_lineage")
        if lineage is None:
            continue
        assert isinstance(lineage, TableColumnLineage)
        with_lineage.add(key.path[1])
        assert set(lineage.deps_by_column) <= columns(spec), key
        for column, sources in lineage.deps_by_column.items():
            assert sources, (key, column)
            for source in sources:
                assert source.column_name in columns(found[source.asset_key]), (key, column, source)
                assert source.asset_key.path[1] in GRAPH[key.path[1]].parents, (key, column, source)
    assert with_lineage == DESCRIBED_BY_LINEAGE


def test_jobs_sensor_schedule_and_checks_exist_for_each_stream(brokerless_settings: SettingsFactory) -> None:
    more = {"clicks": {"topic": "clicks", "contract": "security", "window_minutes": 15}}
    definitions = build_defs(brokerless_settings(streams=more))
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    for stream in ("security", "clicks"):
        assert {key for key in graph.get_all_asset_keys() if key.path[0] == stream} == {
            AssetKey([stream, name]) for name in GRAPH
        }
        assert repository.has_job(f"{stream}_windows")
        assert repository.has_job(f"{stream}_checks")
        assert repository.has_sensor_def(f"{stream}_sensor")
        assert repository.has_schedule_def(f"{stream}_schedule")
        checks = {
            (key.asset_key.path[1], key.name) for key in graph.asset_check_keys if key.asset_key.path[0] == stream
        }
        assert checks == {(check.asset, check.name) for check in CHECKS}


def test_a_second_stream_is_cut_by_its_own_cadence(brokerless_settings: SettingsFactory) -> None:
    more = {"clicks": {"topic": "clicks", "contract": "security", "window_minutes": 15, "start": "2026-01-01T00:00Z"}}
    events = specs(brokerless_settings(streams=more))[AssetKey(["clicks", "events"])]
    assert isinstance(events.partitions_def, TimeWindowPartitionsDefinition)
    assert events.partitions_def.has_partition_key("2026-01-01-00:15")
    assert events.metadata["topic"] == "clicks"


def test_the_windows_job_takes_every_asset_and_check_and_the_checks_job_only_checks(
    brokerless_settings: SettingsFactory,
) -> None:
    definitions = build_defs(brokerless_settings())
    layer = definitions.resolve_job_def("security_windows").asset_layer
    assert set(layer.selected_asset_keys) == {AssetKey(["security", name]) for name in GRAPH}
    checks = definitions.resolve_asset_graph().asset_check_keys
    assert {key.name for key in layer.asset_graph.asset_check_keys} == {key.name for key in checks}
    only_checks = definitions.resolve_job_def("security_checks").asset_layer
    assert set(only_checks.selected_asset_keys) == set()
    assert {node.name for node in definitions.resolve_job_def("security_checks").nodes} >= {
        f"security__{check.asset}_{check.name}" for check in CHECKS
    }


PROBE = """
import sys, socket

def refuse(*arguments, **more):
    raise AssertionError("loading the code location opened a connection")

socket.socket.connect = refuse
import streamguard_assets.definitions as loaded
assert "pyspark" not in sys.modules
loaded.defs.get_repository_def()
print("loaded", len(list(loaded.defs.resolve_all_asset_specs())))
"""


@pytest.mark.parametrize("servers", ["127.0.0.1:1", None])
def test_loading_asks_no_kafka_and_imports_no_spark(tmp_path: Path, servers: str | None) -> None:
    environment = {"PATH": "/usr/bin:/bin", environment_variable("state_dir"): str(tmp_path / "state")}
    if servers is not None:
        environment[environment_variable("kafka.bootstrap_servers")] = servers
    result = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"loaded {len(GRAPH)}"
    assert not (tmp_path / "state").exists(), "loading definitions writes nothing"


def test_the_workspace_of_the_checkout_is_valid(tmp_path: Path) -> None:
    dagster = Path(sys.executable).parent / "dagster"
    environment = {
        "PATH": "/usr/bin:/bin",
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        environment_variable("state_dir"): str(tmp_path / "state"),
    }
    result = subprocess.run(
        [str(dagster), "definitions", "validate", "-w", "workspace.yaml"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Validation successful" in result.stdout + result.stderr
