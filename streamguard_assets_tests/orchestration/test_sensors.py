"""The planning sensor on a real stream and an instance with files: what it asks for, and that it comes to rest."""

from __future__ import annotations

import pytest
from dagster import DagsterRunStatus, DefaultScheduleStatus, DefaultSensorStatus, RunsFilter

from streamguard_assets.lake.location import window_folder
from streamguard_assets.orchestration.runs import ATTEMPT_TAG, range_tags
from streamguard_assets.windows.requests import FINGERPRINTS_TAG
from streamguard_assets_tests.orchestration.conftest import SiteFactory
from streamguard_assets_tests.orchestration.site import STREAM, Site

pytestmark = [pytest.mark.broker]

OPEN_HOUR = 3
"""The window that is filling in these tests; its end is past the real clock's last full hour."""


def filled(site: SiteFactory, **more) -> Site:
    """Hours 0 to 2 are closed, hour 3 is filling; the real clock is in hour 4."""
    here = site(4, **more)
    for hour in range(OPEN_HOUR + 1):
        here.produce(hour)
    here.at(OPEN_HOUR + 0.5)
    return here


def test_it_is_on_by_default_and_the_schedule_is_not(site: SiteFactory) -> None:
    definitions = site().definitions.get_repository_def()
    assert definitions.get_sensor_def(f"{STREAM}_sensor").default_status is DefaultSensorStatus.RUNNING
    assert definitions.get_schedule_def(f"{STREAM}_schedule").default_status is DefaultScheduleStatus.STOPPED


def test_it_asks_until_everything_is_built_and_then_for_nothing(site: SiteFactory) -> None:
    here = filled(site, durable=True)
    asked = here.settle()
    assert asked
    for asset in ("events", "user_features", "anomaly_model", "anomaly_scores", "training_data"):
        commits = here.stream.table(asset).commits()
        assert {w: c.complete for w, c in commits.items()} == {
            here.window(hour): hour < OPEN_HOUR for hour in range(OPEN_HOUR + 1)
        }
    tick = here.tick()
    assert (tick.run_requests, tick.skip_message) == ([], "every window is built")

    here.restart()  # neither a cursor nor anything in memory is needed to know that
    assert here.tick().skip_message == "every window is built"


def test_the_open_window_is_asked_for_when_it_grew_and_closed_when_the_hour_turns(site: SiteFactory) -> None:
    here = filled(site)
    here.settle()
    window = here.window(OPEN_HOUR)
    here.produce(OPEN_HOUR + 0.55, count=4)  # a sixth more: not worth a run
    here.at(OPEN_HOUR + 0.6)
    assert not here.tick().run_requests
    here.produce(OPEN_HOUR + 0.65, count=4)
    (request,) = here.tick().run_requests or []
    assert here.launch(request).success
    commit = here.stream.table("events").commits()[window]
    assert (commit.rows, commit.complete) == (32, False)
    here.settle()

    here.at(OPEN_HOUR + 1 + 0.05)
    here.settle()
    commits = {asset: here.stream.table(asset).commits()[window] for asset in ("events", "anomaly_scores")}
    assert (commits["events"].rows, commits["events"].complete) == (32, True)
    assert commits["anomaly_scores"].complete
    assert here.materializations("events")[window][0]["complete"] is True


def test_a_window_that_is_under_way_is_not_asked_for_again(site: SiteFactory) -> None:
    here = filled(site)
    requests = here.tick().run_requests or []
    for request in requests:
        _record_run(here, dict(request.tags), DagsterRunStatus.STARTED)
    tick = here.tick()
    assert not tick.run_requests
    assert tick.skip_message is not None
    assert "a run of this window is under way" in tick.skip_message


def test_a_persons_run_of_a_window_is_left_alone(site: SiteFactory) -> None:
    here = filled(site)
    _record_run(here, range_tags(here.windows(range(OPEN_HOUR + 1))), DagsterRunStatus.NOT_STARTED)
    assert not here.tick().run_requests


def test_a_failing_window_is_tried_again_under_another_key_and_then_given_up(
    site: SiteFactory,
) -> None:
    here = site(3, durable=True, stream={"max_attempts": 2, "lookback_windows": 1})
    here.produce(0)
    here.produce(1)
    assert here.run([0]).success
    # A file where the window's folder should be: no write of this window can succeed.
    blocked = here.settings.state / "lake" / STREAM / "events" / window_folder(here.window(1))
    blocked.touch()
    keys, attempts = [], []
    for hour in (5, 6):
        here.at(hour)  # later than the end of the run before, by Dagster's own clock
        (request,) = here.tick().run_requests or []
        keys.append(request.run_key)
        attempts.append(request.tags[ATTEMPT_TAG])
        assert not here.launch(request).success
    assert attempts == ["0", "1"]
    assert len(set(keys)) == 2

    here.at(8)
    tick = here.tick()
    assert not tick.run_requests
    assert tick.skip_message is not None
    assert f"1 windows were given up: {here.window(1)}" in tick.skip_message

    blocked.unlink()
    assert here.run([1]).success  # a person does
    assert here.tick().skip_message == "every window is built"


def test_commits_that_dagster_never_heard_of_are_reported_once(site: SiteFactory) -> None:
    here = filled(site, durable=True)
    here.settle()
    assert not here.tick().run_requests
    before = {asset: len(here.materializations(asset)) for asset in ("events", "quarantine", "anomaly_scores")}
    here.instance.event_log_storage.wipe()  # a run killed between commit and event, for every window
    assert here.materializations("events") == {}
    for _ in range(2):
        assert here.tick().skip_message == "every window is built"
        found = {asset: here.materializations(asset) for asset in before}
        assert {asset: len(windows) for asset, windows in found.items()} == before
        assert all(len(events) == 1 for windows in found.values() for events in windows.values())
    said = here.materializations("events")[here.window(0)][0]
    commit = here.stream.table("events").commits()[here.window(0)]
    assert (said["dagster/row_count"], said["table_version"]) == (24, commit.version)


def test_a_window_under_way_is_not_reported_in_its_runs_place(site: SiteFactory) -> None:
    here = filled(site)
    here.settle()
    here.instance.event_log_storage.wipe()
    _record_run(here, range_tags(here.windows([1])), DagsterRunStatus.STARTED)
    here.tick()
    assert set(here.materializations("events")) == set(here.windows([0, 2, 3]))


def test_a_stream_without_records_and_start_waits_for_the_first(site: SiteFactory) -> None:
    here = site(2, stream={"start": None})
    tick = here.tick()
    assert not tick.run_requests
    assert tick.skip_message is not None
    assert "holds no records yet, and streams.security.start is not set" in tick.skip_message
    here.produce(0)
    here.at(1.5)
    assert here.tick().run_requests


def test_requests_say_what_they_are_for(site: SiteFactory) -> None:
    here = filled(site)
    for request in here.tick().run_requests or []:
        assert request.run_key is not None
        assert request.run_key.startswith(f"{STREAM}/")
        assert request.tags[FINGERPRINTS_TAG]
        assert request.tags["streamguard/reasons"]
        assert {key.path[0] for key in request.asset_selection or []} == {STREAM}


def _record_run(here: Site, tags: dict[str, str], status: DagsterRunStatus) -> None:
    job = here.definitions.resolve_job_def(f"{STREAM}_windows")
    run = here.instance.create_run_for_job(job, tags={"streamguard/stream": STREAM, **tags}, status=status)
    assert run.run_id in {found.run_id for found in here.instance.get_runs(RunsFilter(statuses=[status]))}
