"""The code location: complete, readable in the UI, and loaded without asking anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, AssetSpec, TableColumnLineage, TableSchema, TimeWindowPartitionsDefinition

from streamguard_assets.definitions import build_defs
from streamguard_assets.orchestration.keys import asset_key, asset_name
from streamguard_assets.settings import Settings, environment_variable
from streamguard_assets.streaming.checks import LIVE_CHECKS, every_check
from streamguard_assets.windows.checks import checks_of
from streamguard_assets.windows.graph import configured_graph
from streamguard_assets_tests.conftest import REPOSITORY, SettingsFactory

STREAMS = ("security", "transactions")
OF_KAFKA = {"offset_ranges", "events", "quarantine"}
"""Assets that come from Kafka itself; every other one is made of columns of others."""


def specs(settings: Settings) -> dict[AssetKey, AssetSpec]:
    return {spec.key: spec for spec in build_defs(settings).resolve_all_asset_specs()}


def columns(spec: AssetSpec) -> set[str]:
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, TableSchema)
    return {column.name for column in schema.columns}


@pytest.mark.parametrize("stream", STREAMS)
def test_every_window_asset_reads_as_documentation(brokerless_settings: SettingsFactory, stream: str) -> None:
    settings = brokerless_settings(streams={stream: {"start": "2026-01-01T00:00:00Z"}})
    found = specs(settings)
    for name, node in configured_graph(settings, stream).items():
        key = asset_key(stream, name)
        spec = found[key]
        assert spec.description, key
        assert spec.group_name == stream
        assert spec.owners == ["team:streamguard"]
        assert set(spec.kinds) == set(node.kinds)
        assert spec.code_version
        assert isinstance(spec.partitions_def, TimeWindowPartitionsDefinition)
        assert spec.partitions_def.get_first_partition_key() == "2026-01-01-00:00"
        assert {asset_name(dep.asset_key, stream) for dep in spec.deps} == set(node.parents)
        # By the same window: else a backfill of some windows would also take those that look back at them.
        assert all(dep.partition_mapping is None for dep in spec.deps)


def test_every_column_of_a_table_is_typed_and_those_of_the_contract_are_described(
    brokerless_settings: SettingsFactory,
) -> None:
    settings = brokerless_settings()
    found = specs(settings)
    for key in [asset_key(stream, name) for stream in STREAMS for name in configured_graph(settings, stream)]:
        schema = found[key].metadata["dagster/column_schema"]
        assert isinstance(schema, TableSchema)
        assert schema.columns, key
        assert all(column.type for column in schema.columns)
        if "analyses" in key.path:
            assert all(column.description for column in schema.columns), key
    features = found[AssetKey(["security", "user_features"])].metadata["dagster/column_schema"]
    assert isinstance(features, TableSchema)
    assert [c.name for c in features.columns if not c.description and c.name != "window"] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_lineage_names_columns_that_are_there(brokerless_settings: SettingsFactory, stream: str) -> None:
    settings = brokerless_settings()
    found, graph = specs(settings), configured_graph(settings, stream)
    with_lineage = set()
    for name, node in graph.items():
        spec = found[asset_key(stream, name)]
        lineage = spec.metadata.get("dagster/column_lineage")
        if lineage is None:
            continue
        assert isinstance(lineage, TableColumnLineage)
        with_lineage.add(name)
        assert set(lineage.deps_by_column) <= columns(spec), name
        for column, sources in lineage.deps_by_column.items():
            assert sources, (name, column)
            for source in sources:
                assert source.column_name in columns(found[source.asset_key]), (name, column, source)
                assert asset_name(source.asset_key, stream) in node.parents, (name, column, source)
    assert with_lineage == set(graph) - OF_KAFKA


def test_jobs_sensor_schedule_and_checks_exist_for_each_stream(brokerless_settings: SettingsFactory) -> None:
    more = {"clicks": {"topic": "clicks", "contract": "security", "window_minutes": 15}}
    settings = brokerless_settings(streams=more)
    definitions = build_defs(settings)
    repository = definitions.get_repository_def()
    known = definitions.resolve_asset_graph()
    for stream in (*STREAMS, "clicks"):
        graph = configured_graph(settings, stream)
        assert known.get_all_asset_keys() >= {asset_key(stream, name) for name in graph}
        assert repository.has_job(f"{stream}_windows")
        assert repository.has_job(f"{stream}_checks")
        assert repository.has_sensor_def(f"{stream}_sensor")
        assert repository.has_job(f"stream_{stream}")
        assert repository.has_sensor_def(f"{stream}_supervisor")
        assert repository.has_schedule_def(f"{stream}_schedule")
        assert repository.has_job(f"{stream}_live_care")
        assert repository.has_schedule_def(f"{stream}_live_care_schedule")
        checks = {(asset_name(key.asset_key, stream), key.name) for key in known.asset_check_keys}
        assert checks >= {(check.asset, check.name) for check in every_check(graph)}


def test_a_second_stream_is_cut_by_its_own_cadence(brokerless_settings: SettingsFactory) -> None:
    more = {"clicks": {"topic": "clicks", "contract": "security", "window_minutes": 15, "start": "2026-01-01T00:00Z"}}
    events = specs(brokerless_settings(streams=more))[AssetKey(["clicks", "events"])]
    assert isinstance(events.partitions_def, TimeWindowPartitionsDefinition)
    assert events.partitions_def.has_partition_key("2026-01-01-00:15")
    assert events.metadata["topic"] == "clicks"


@pytest.mark.parametrize("stream", STREAMS)
def test_the_windows_job_takes_every_window_asset_and_its_checks_and_the_checks_job_only_checks(
    brokerless_settings: SettingsFactory, stream: str
) -> None:
    settings = brokerless_settings()
    definitions, graph = build_defs(settings), configured_graph(settings, stream)
    checks = {AssetCheckKey(asset_key(stream, check.asset), check.name) for check in checks_of(graph)}
    of_live_tables = {AssetCheckKey(asset_key(stream, check.asset), check.name) for check in LIVE_CHECKS}
    layer = definitions.resolve_job_def(f"{stream}_windows").asset_layer
    assert set(layer.selected_asset_keys) == {asset_key(stream, name) for name in graph}
    assert set(layer.asset_graph.asset_check_keys) == checks
    only_checks = definitions.resolve_job_def(f"{stream}_checks").asset_layer
    assert set(only_checks.selected_asset_keys) == set()
    assert set(only_checks.asset_graph.asset_check_keys) == checks | of_live_tables


def test_live_tables_are_assets_that_say_what_they_are(brokerless_settings: SettingsFactory) -> None:
    found = specs(brokerless_settings())
    for stream in STREAMS:
        for name in ("live/events", "live/quarantine", "live/dashboard", "live/reconciled"):
            spec = found[asset_key(stream, name)]
            assert spec.description
            assert spec.group_name == f"{stream}_live"
            assert columns(spec)
            assert f"{stream}.{name.replace('/', '_')}" in str(spec.metadata["sql"])
        made_of_events = found[asset_key(stream, "live/dashboard")].deps
        assert {dep.asset_key for dep in made_of_events} == {asset_key(stream, "live/events")}


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
    assert result.stdout.startswith("loaded ")
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
