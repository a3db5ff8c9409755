"""Care of the lake as Dagster runs it: on time, one run at a time, with its figures where people look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    ExecuteInProcessResult,
    RunRequest,
    build_schedule_context,
)
from dagster._core.definitions.events import AssetObservation

from streamguard_assets.definitions import build_defs
from streamguard_assets.lake.catalog import lake_tables
from streamguard_assets.orchestration.batch_retention import batch_retention_job
from streamguard_assets.orchestration.lake_care import care_cron, care_job_name
from streamguard_assets.orchestration.running import QUIET
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings, SettingsError
from streamguard_assets.windows.lake_care import Care
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.lake.care.scattered import NOW, assert_same, everything, scattered

DUE = datetime(2026, 2, 1, 6, 23, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def run(settings: Settings, instance: DagsterInstance, job: str, **config: Any) -> ExecuteInProcessResult:
    definitions = build_defs(settings, now=lambda: NOW)
    op = next(node.name for node in definitions.resolve_job_def(job).nodes)
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance, run_config={**QUIET, "ops": {op: {"config": config}}}, raise_on_error=False
    )


def metadata_of(result: ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = [event for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_schedules_are_at_the_times_of_the_settings(brokerless_settings: SettingsFactory) -> None:
    crons = {"zorder_cron": "1 2 * * 6", "vacuum_cron": "2 3 * * *", "checkpoint_cron": "3 4 * * *"}
    more = {"batch_retention_cron": "4 5 * * *", "compaction_every_hours": 4}
    repository = build_defs(brokerless_settings(lake_care={**crons, **more})).get_repository_def()
    found = {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert (
        found.items()
        >= {
            "lake_compact_schedule": "23 */4 * * *",
            "lake_zorder_schedule": "1 2 * * 6",
            "lake_vacuum_schedule": "2 3 * * *",
            "lake_checkpoint_schedule": "3 4 * * *",
            "batch_retention_schedule": "4 5 * * *",
        }.items()
    )


def test_by_default_compaction_is_every_six_hours_vacuum_daily_and_z_order_weekly(
    brokerless_settings: SettingsFactory,
) -> None:
    settings = brokerless_settings()
    assert care_cron(settings, Care.COMPACT) == "23 */6 * * *"
    assert care_cron(settings, Care.VACUUM).split()[2:] == ["*", "*", "*"]
    assert care_cron(settings, Care.ZORDER).split()[2:] == ["*", "*", "0"]


@pytest.mark.parametrize("scheduled", [True, False])
def test_they_are_on_unless_the_settings_turn_them_off(brokerless_settings: SettingsFactory, scheduled: bool) -> None:
    repository = build_defs(brokerless_settings(lake_care={"scheduled": scheduled})).get_repository_def()
    wanted = DefaultScheduleStatus.RUNNING if scheduled else DefaultScheduleStatus.STOPPED
    names = [f"{care_job_name(care)}_schedule" for care in Care] + ["batch_retention_schedule"]
    assert {repository.get_schedule_def(name).default_status for name in names} == {wanted}


def test_a_cron_that_is_none_stops_the_start_and_names_its_setting(brokerless_settings: SettingsFactory) -> None:
    with pytest.raises(SettingsError, match=r"lake_care\.zorder_cron: needs five fields"):
        build_defs(brokerless_settings(lake_care={"zorder_cron": "sundays"}))


def test_a_schedule_asks_once_per_time_and_not_while_the_last_run_goes_on(
    brokerless_settings: SettingsFactory, tmp_path: Path
) -> None:
    definitions, instance = build_defs(brokerless_settings()), DagsterInstance.local_temp(str(tmp_path))
    schedule = definitions.get_repository_def().get_schedule_def("lake_compact_schedule")

    def asked() -> Any:
        return schedule.evaluate_tick(build_schedule_context(instance, scheduled_execution_time=DUE))

    first, second = asked(), asked()
    (request,) = first.run_requests
    assert isinstance(request, RunRequest)
    assert [again.run_key for again in second.run_requests] == [request.run_key]
    made = instance.create_run_for_job(definitions.resolve_job_def("lake_compact"), status=DagsterRunStatus.STARTED)
    assert asked().run_requests == []
    assert "not ended" in (asked().skip_message or "")
    instance.report_run_failed(made)
    assert len(asked().run_requests) == 1


def test_a_run_tells_totals_and_each_table_and_notes_it_on_the_asset(
    brokerless_settings: SettingsFactory, instance: DagsterInstance
) -> None:
    settings = brokerless_settings()
    table = scattered(lake_location(settings))
    before = everything(table)
    result = run(settings, instance, "lake_compact")
    assert result.success
    metadata = metadata_of(result)
    assert (metadata["tables"], metadata["changed"]) == (1, 3)
    assert (metadata["files_before"], metadata["files_after"]) == (12, 3)
    assert metadata["bytes_after"] < metadata["bytes_before"]
    assert [record.data["table"] for record in metadata["per_table"].records] == ["security.events"]
    noted = instance.fetch_observations(AssetKey(["security", "events"]), limit=5).records
    (observation,) = [record.asset_observation for record in noted]
    assert isinstance(observation, AssetObservation)
    assert observation.metadata["files_before"].value == 12
    assert_same(before, everything(table))


@pytest.mark.parametrize("care", list(Care))
def test_every_kind_of_care_runs_over_an_empty_lake_and_over_tables_that_need_none(
    brokerless_settings: SettingsFactory, instance: DagsterInstance, care: Care
) -> None:
    settings = brokerless_settings()
    assert metadata_of(run(settings, instance, care_job_name(care)))["tables"] == 0
    scattered(lake_location(settings), files=1)
    assert metadata_of(run(settings, instance, care_job_name(care)))["files_before"] >= 0


def test_a_run_may_name_its_tables_and_try_first(
    brokerless_settings: SettingsFactory, instance: DagsterInstance
) -> None:
    settings = brokerless_settings()
    table = scattered(lake_location(settings))
    version = table.version()
    result = run(settings, instance, "lake_compact", tables=["security/events"], dry_run=True)
    assert metadata_of(result)["files_after"] == 3
    assert table.version() == version
    assert not instance.fetch_observations(AssetKey(["security", "events"]), limit=1).records
    assert not run(settings, instance, "lake_compact", tables=["security.evnts"]).success


def test_a_damaged_table_fails_the_run_at_its_end_with_the_figures_of_all(
    brokerless_settings: SettingsFactory, instance: DagsterInstance
) -> None:
    settings = brokerless_settings()
    table = scattered(lake_location(settings))
    next(Path(table.uri).rglob("window=*-01%*/*.parquet")).write_bytes(b"not Parquet")
    result = run(settings, instance, "lake_compact")
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert "1 of 1 tables need a look: security.events" in (failure.user_failure_data.description or "")
    assert failure.user_failure_data.metadata["changed"].value == 2


@pytest.mark.parametrize("dry_run", [True, False])
def test_batch_retention_of_a_lake_without_batches_deletes_nothing(
    brokerless_settings: SettingsFactory, instance: DagsterInstance, dry_run: bool
) -> None:
    table = scattered(lake_location(settings := brokerless_settings()))
    before = everything(table)
    assert metadata_of(run(settings, instance, batch_retention_job().name, dry_run=dry_run))["batches"] == 0
    assert_same(before, everything(table))


def test_batch_retention_deletes_what_is_over_and_nothing_else(
    brokerless_settings: SettingsFactory, instance: DagsterInstance
) -> None:
    location = lake_location(settings := brokerless_settings())
    frame = pl.DataFrame({"n": [1, 2]})
    for batch in ("batch-20200101-0a1b2c3d", f"batch-{NOW:%Y%m%d}-0a1b2c3d"):
        uri = location.table("transactions", f"batches/{batch}/raw")
        Path(uri).mkdir(parents=True)
        frame.write_delta(uri)
    tried = metadata_of(run(settings, instance, "batch_retention", dry_run=True))
    assert [record.data["batch"] for record in tried["per_batch"].records] == ["batch-20200101-0a1b2c3d"]
    done = metadata_of(run(settings, instance, "batch_retention"))
    assert (done["batches"], done["files"] > 0, done["bytes"] > 0) == (1, True, True)
    left = {table.asset for table in lake_tables(location) if table.asset.endswith("/raw")}
    assert left == {f"batches/batch-{NOW:%Y%m%d}-0a1b2c3d/raw"}
