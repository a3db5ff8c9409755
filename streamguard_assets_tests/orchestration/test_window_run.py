"""Runs over windows: everything is recorded per window, and a bad window does not take its neighbours with it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from dagster import DagsterEvent, EventLogEntry

from streamguard_assets.windows.stream import CODE_VERSION
from streamguard_assets_tests.orchestration.conftest import SiteFactory
from streamguard_assets_tests.orchestration.site import STREAM, USERS, Site
from streamguard_assets_tests.windows.graphs import GRAPH

pytestmark = [pytest.mark.broker]

CHECKED = "ASSET_CHECK_EVALUATION"


def test_a_run_materializes_every_asset_of_every_window_and_says_what_it_did(site: SiteFactory) -> None:
    here = site(3)
    for hour in range(3):
        here.produce(hour, count=24, broken=hour)
    outcome = here.run(range(3))
    assert outcome.success, outcome.failures

    for asset in GRAPH:
        recorded = here.materializations(asset)
        assert {window: len(events) for window, events in recorded.items()} == dict.fromkeys(here.windows(range(3)), 1)
    events = {window: found[0] for window, found in here.materializations("events").items()}
    for hour in range(3):
        said = events[here.window(hour)]
        assert said["dagster/row_count"] == 24
        assert said["rejected"] == hour
        assert said["delivered"] == 24 + hour
        assert said["bytes"] > 24 * 100
        assert said["seconds"] > 0
        assert said["events_per_s"] > 0
        assert said["engine"] == "polars"
        assert said["code_version"] == CODE_VERSION
        assert said["complete"] is True
        assert said["attempt"].startswith(outcome.run_id)
        assert "data:image/png;base64," in str(said["events_per_minute"])
        held = said["range"]["offsets"]
        assert sum(end - start for start, end in held.values()) == 24 + hour
        quarantine = here.materializations("quarantine")[here.window(hour)][0]
        assert quarantine["dagster/row_count"] == hour
    # One commit per window: the versions differ, and each names its own.
    assert len({said["table_version"] for said in events.values()}) == 3
    scores = here.materializations("anomaly_scores")[here.window(2)][0]
    assert scores["users"] == USERS
    assert "data:image/png;base64," in str(scores["score_distribution"])
    ranges = here.materializations("offset_ranges")[here.window(1)][0]
    assert (ranges["offsets_covered"], ranges["closed"]) == (25, True)
    summary = here.materializations("summary")[here.window(1)][0]
    assert summary["dagster/row_count"] == USERS


def test_the_checks_of_the_windows_follow_in_the_same_run_and_pass(site: SiteFactory) -> None:
    here = site(2)
    here.produce(0)
    here.produce(1)
    outcome = here.run(range(2))
    assert outcome.success, outcome.failures
    logs = here.instance.all_logs(outcome.run_id)
    evaluations = [e.asset_check_evaluation_data for e in _events(logs) if e.event_type_value == CHECKED]
    keys = here.definitions.resolve_asset_graph().asset_check_keys
    windows = {key for key in keys if key.asset_key.path[0] == STREAM and key.asset_key.path[1] != "live"}
    assert {each.asset_check_key for each in evaluations} == windows
    failed = [each for each in evaluations if not each.passed]
    # The events are hours old, so only the warning about their age may speak.
    assert {each.check_name for each in failed} <= {"freshness"}, failed


def test_a_window_that_retention_took_is_reported_and_the_others_are_built_and_recorded(site: SiteFactory) -> None:
    here = site(3)
    for hour in range(3):
        here.produce(hour)
    assert here.run([0], ["offset_ranges"]).success  # decides every boundary, while all offsets are there
    here.delete_before(offset=18)  # 12 per window: window 0 is gone, window 1 has lost half
    here.produce(0.5)  # nothing of it: the ledger is decided
    outcome = here.run(range(3))

    assert not outcome.success
    (failure,) = outcome.failures
    assert "2 of 3 windows failed" in failure
    assert here.window(0) in failure
    assert here.window(1) in failure
    assert "RetentionGap" in failure
    assert set(here.stream.table("events").commits()) == {here.window(2)}
    assert set(here.materializations("events")) == {here.window(2)}
    assert set(here.materializations("quarantine")) == {here.window(2)}
    step = here.instance.all_logs(outcome.run_id)
    failed = next(event for event in _events(step) if event.is_step_failure)
    user = failed.step_failure_data.user_failure_data
    assert user is not None
    assert user.metadata["failed_windows"].value == here.windows([0, 1])


def test_what_could_not_be_built_beside_a_bad_window_is_built_by_the_next_run(site: SiteFactory) -> None:
    here = site(2)
    here.produce(0)
    here.produce(1)
    assert here.run([0], ["offset_ranges"]).success
    here.delete_before(offset=6)
    assert not here.run(range(2)).success
    assert here.run([1]).success
    commit = here.stream.table("user_features").commits()[here.window(1)]
    assert commit.details["windows_missing"] == here.windows([0])


def test_windows_without_records_are_no_errors_also_on_a_lake_without_tables(site: SiteFactory) -> None:
    here = site(3)
    outcome = here.run(range(3))
    assert outcome.success, outcome.failures
    assert here.stream.table("events").commits() == {}


def test_a_window_before_the_start_is_empty(site: SiteFactory) -> None:
    here = site(4, stream={"start": None})
    here.produce(2)
    here.produce(3)
    outcome = here.run(range(4))  # its definitions were loaded before anybody knew that the stream begins at hour 2
    assert outcome.success, outcome.failures
    assert set(here.stream.table("events").commits()) == set(here.windows([2, 3]))
    said = here.materializations("offset_ranges")[here.window(1)][0]
    assert "before the start" in str(said["state"])


def test_a_run_over_the_same_windows_again_gives_the_same_contents(site: SiteFactory) -> None:
    here = site(2)
    here.produce(0)
    here.produce(1)
    assert here.run(range(2)).success
    first = _contents(here)
    here.restart()
    assert here.run(range(2)).success
    assert _contents(here) == first
    assert len(first) == 5 * 2


def _contents(here: Site) -> dict[tuple[str, str], str]:
    return {
        (asset, window): commit.content_hash
        for asset in ("events", "user_features", "anomaly_model", "anomaly_scores", "training_data")
        for window, commit in here.stream.table(asset).commits().items()
    }


def _events(entries: Sequence[EventLogEntry]) -> list[DagsterEvent]:
    return [entry.dagster_event for entry in entries if entry.dagster_event is not None]
