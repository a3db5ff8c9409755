"""Care of live tables as Dagster runs it: compare, then remove; findings fail the run when all else is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
    in_process_executor,
)

from streamguard_assets.definitions import build_defs
from streamguard_assets.orchestration.live_care import live_care_job_name
from streamguard_assets.orchestration.running import QUIET
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.reconciliation.test_reconcile import PLACE
from streamguard_assets_tests.streaming.two_paths import HOUR, START, TwoPaths, expected, offsets_of, places

LATER = START + 1_000 * HOUR


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def paths(brokerless_settings: SettingsFactory) -> TwoPaths:
    """Two windows, and a stream that saw both and the next."""
    made = TwoPaths.of(brokerless_settings())
    made.close(2)
    made.build(0, 1)
    made.stream_windows(0, 3)
    return made


def definitions(settings: Settings) -> Definitions:
    return build_defs(settings, now=lambda: LATER)


def run(settings: Settings, instance: DagsterInstance) -> ExecuteInProcessResult:
    job = definitions(settings).resolve_job_def(live_care_job_name("transactions"))
    return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)


def metadata_of(result: ExecuteInProcessResult, step: str) -> dict[str, Any]:
    (event,) = [event for event in result.events_for_node(step) if event.is_successful_output]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_it_runs_at_the_times_of_the_settings(brokerless_settings: SettingsFactory) -> None:
    repository = build_defs(brokerless_settings(streaming={"care_cron": "7 * * * *"})).get_repository_def()
    found = {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert found["security_live_care_schedule"] == found["transactions_live_care_schedule"] == "7 * * * *"


def test_a_run_compares_then_removes_and_tells_both(paths: TwoPaths, instance: DagsterInstance) -> None:
    result = run(paths.settings, instance)
    assert result.success
    compared = metadata_of(result, "reconcile_transactions")
    rows = len(expected(map(offsets_of, range(2))))
    assert (compared["windows"], compared["windows_compared"], compared["rows_compared"]) == (2, 2, rows)
    assert [record.data["verdict"] for record in compared["per_window"].records] == ["same", "same"]
    removed = metadata_of(result, "remove_transactions")
    assert (removed["rows_removed"], removed["removed_below"]) == (rows, {"0": 40, "1": 20})
    assert removed["rejected_removed"] == len(expected(map(offsets_of, range(2)), rejected=True))
    assert removed["files_before"] >= removed["files_after"] > 0
    assert removed["bytes_before"] >= removed["bytes_after"] > 0
    assert "no complete window holds offset 40" in removed["kept"]
    assert places(paths.events.scan()) == expected([offsets_of(2)])


def test_findings_fail_the_run_after_what_is_proven_was_removed(paths: TwoPaths, instance: DagsterInstance) -> None:
    paths.raw("live/events").delete(PLACE)
    result = run(paths.settings, instance)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "remove_transactions"
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "1 missing in partition 0: 21" in (told.description or "")
    assert told.metadata["rows_removed"].value == len(expected([offsets_of(0)]))


def test_where_no_stream_ever_ran_a_run_has_nothing_to_do(
    brokerless_settings: SettingsFactory, instance: DagsterInstance
) -> None:
    result = run(brokerless_settings(), instance)
    assert result.success
    assert metadata_of(result, "remove_transactions")["rows_removed"] == 0


@pytest.mark.parametrize("harmed", [False, True])
def test_the_asset_check_of_the_live_events_says_whether_they_hold(
    paths: TwoPaths, instance: DagsterInstance, harmed: bool
) -> None:
    if harmed:
        paths.raw("live/events").delete(PLACE)
    key = AssetCheckKey(AssetKey(["transactions", "live", "events"]), "live_reconciliation")
    job = define_asset_job("one", AssetSelection.checks(key), executor_def=in_process_executor)
    merged = Definitions.merge(definitions(paths.settings), Definitions(jobs=[job]))
    result = merged.resolve_job_def("one").execute_in_process(instance=instance, run_config=QUIET)
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.asset_check_key, evaluation.passed) == (key, not harmed)
