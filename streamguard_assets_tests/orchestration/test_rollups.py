"""The rollups' sensor and runs: what is late is asked for once, a bounded number of times, and recorded by day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pytest
from dagster import AssetRecordsFilter, DagsterInstance, DagsterRunStatus, Definitions, RunRequest, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.test_utils import create_run_for_test

from streamguard_assets.definitions import build_defs
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.rollups import FINGERPRINT_TAG, rollups_job_name
from streamguard_assets.orchestration.running import QUIET, run_rollups
from streamguard_assets.windows.rollups import daily_rollup, due_rollups, history_rollup
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.windows.retail import START, Shop

FIRST_DAY, SECOND_DAY = "2026-01-30-00:00", "2026-01-31-00:00"
STREAM = "transactions"
NAMES = ["revenue_by_category", "hourly_trends"]


@dataclass
class Office:
    """A shop with its code location and an instance."""

    shop: Shop
    instance: DagsterInstance
    definitions: Definitions

    def tick(self) -> SensorExecutionData:
        sensor = self.definitions.resolve_sensor_def(f"{STREAM}_rollups_sensor")
        with build_sensor_context(self.instance, resources=dict(self.definitions.resources or {})) as context:
            return sensor.evaluate_tick(context)

    def requested(self) -> RunRequest:
        (request,) = self.tick().run_requests or []
        return request

    def launch(self, request: RunRequest) -> bool:
        job = self.definitions.resolve_job_def(rollups_job_name(STREAM))
        return job.execute_in_process(
            instance=self.instance,
            tags=dict(request.tags),
            asset_selection=list(request.asset_selection or []),
            raise_on_error=False,
            run_config=QUIET,
        ).success

    def ended(self, request: RunRequest, status: DagsterRunStatus) -> None:
        create_run_for_test(self.instance, rollups_job_name(STREAM), tags=dict(request.tags), status=status)


@pytest.fixture
def office(brokerless_settings: SettingsFactory) -> Iterator[Office]:
    stream = {"window_minutes": 240, "start": START.isoformat(), "analyses": NAMES, "max_attempts": 2}
    settings = brokerless_settings(streams={STREAM: stream})
    shop = Shop(settings)
    shop.close(3)
    shop.fill(range(3))
    with DagsterInstance.ephemeral() as instance:
        yield Office(shop, instance, build_defs(settings))


def test_what_is_late_is_asked_for_built_recorded_by_day_and_not_asked_for_again(office: Office) -> None:
    request = office.requested()
    assert request.tags["dagster/asset_partition_range_start"] == FIRST_DAY
    assert request.tags["dagster/asset_partition_range_end"] == SECOND_DAY
    assert office.launch(request)
    for name in NAMES:
        days = office.instance.get_materialized_partitions(asset_key(STREAM, daily_rollup(name)))
        assert set(days) == {FIRST_DAY, SECOND_DAY}
        recorded = office.instance.fetch_materializations(
            AssetRecordsFilter(asset_key(STREAM, history_rollup(name))), limit=10
        ).records
        assert [
            record.asset_materialization.metadata["days"].value for record in recorded if record.asset_materialization
        ] == [2]
    assert "up to date" in (office.tick().skip_message or "")


def test_one_run_at_a_time(office: Office) -> None:
    office.ended(office.requested(), DagsterRunStatus.STARTED)
    assert "under way" in (office.tick().skip_message or "")


def test_a_content_that_does_not_come_is_given_up_until_another_is_wanted(office: Office) -> None:
    first = office.requested()
    office.ended(first, DagsterRunStatus.FAILURE)
    second = office.requested()
    assert second.run_key != first.run_key
    assert second.tags[FINGERPRINT_TAG] == first.tags[FINGERPRINT_TAG]
    office.ended(second, DagsterRunStatus.FAILURE)
    assert "tried 2 times" in (office.tick().skip_message or "")
    office.shop.fill([1], seed=1)
    assert office.requested().tags[FINGERPRINT_TAG] != first.tags[FINGERPRINT_TAG]


def test_history_alone_is_asked_for_without_days(office: Office) -> None:
    assert office.launch(office.requested())
    stream = office.shop.again()
    history = stream.location.path
    assert history is not None
    for name in NAMES:
        log = history / STREAM / history_rollup(name) / "_delta_log"
        log.rename(log.with_name("gone"))
    request = office.requested()
    assert "dagster/asset_partition_range_start" not in request.tags
    assert request.asset_selection == [asset_key(STREAM, history_rollup(name)) for name in NAMES]
    assert office.launch(request)
    assert not due_rollups(office.shop.again())


def test_a_command_brings_everything_up_to_date(office: Office) -> None:
    outcomes = run_rollups(office.definitions, office.instance, office.shop.stream)
    assert [outcome.success for outcome in outcomes] == [True]
    assert not due_rollups(office.shop.again())
    result = pl.read_delta(office.shop.stream.location.table(STREAM, history_rollup("hourly_trends")))
    assert result.height > 0


def test_days_with_a_gap_between_them_are_asked_for_in_turn_and_history_with_the_last(office: Office) -> None:
    office.shop.close(20)
    office.shop.fill([15, 16])  # two days after the first ones, with a day between
    first = office.requested()
    assert first.tags["dagster/asset_partition_range_end"] == SECOND_DAY
    assert asset_key(STREAM, history_rollup(NAMES[0])) not in (first.asset_selection or [])
    assert office.launch(first)
    last = office.requested()
    assert asset_key(STREAM, history_rollup(NAMES[0])) in (last.asset_selection or [])
    assert office.launch(last)
    for name in NAMES:
        days = office.instance.get_materialized_partitions(asset_key(STREAM, daily_rollup(name)))
        assert len(set(days)) == 3
    assert not due_rollups(office.shop.again())
