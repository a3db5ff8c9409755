"""A week of hours by the path of the UI: code server, daemon and webserver, and one request for a backfill."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance

from streamguard_assets.orchestration.instance import dagster_home
from streamguard_assets.orchestration.services import DagsterServices
from streamguard_assets.settings import environment_variable
from streamguard_assets_tests.orchestration.conftest import GRACE
from streamguard_assets_tests.orchestration.site import HOUR, STREAM, Clock, Site, this_hour
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.graphs import GRAPH

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1800)]

WEEK_HOURS, DAY_HOURS = 168, 24
TABLES = ("events", "user_features", "anomaly_model", "anomaly_scores", "training_data", "summary")
BACKFILL_TIMEOUT_S = 800.0

LAUNCH = """mutation($assets: [AssetKeyInput!]!, $windows: [String!]!) {
    launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $windows}) {
        __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
BACKFILL = """query($id: String!) {partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {status runs(limit: 10) {id status}} ... on PythonError {message}}}"""
SENSOR = """{sensorsOrError(repositorySelector: {repositoryName: "__repository__",
    repositoryLocationName: "streamguard"}) {... on Sensors {results {name sensorState {id selectorId status}}}}}"""
STOP_SENSOR = """mutation($id: String!) {stopSensor(id: $id) {__typename ... on PythonError {message}}}"""


class Page:
    """The UI, asked as the browser asks it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self._url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        (result,) = answer["data"].values()
        return result

    def stop_sensors(self) -> None:
        """The sensor would build the windows by itself; here the backfill shall do it."""
        for sensor in self.ask(SENSOR)["results"]:
            assert self.ask(STOP_SENSOR, id=sensor["sensorState"]["id"])["__typename"] == "StopSensorMutationResult"

    def backfill(self, windows: list[str]) -> list[dict[str, str]]:
        """Request every asset of ``windows``, wait for the end, and give the runs."""
        assets = [{"path": [STREAM, name]} for name in GRAPH]
        launched = self.ask(LAUNCH, assets=assets, windows=windows)
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(self.ask(BACKFILL, id=launched["backfillId"]))
            return found["status"] not in {"REQUESTED", "CANCELING", "FAILING"}

        assert wait_until(is_over, BACKFILL_TIMEOUT_S, interval_s=1.0), found
        assert found["status"] == "COMPLETED_SUCCESS", found
        return found["runs"]


@pytest.fixture
def week(
    settings, fresh_topic, monkeypatch: pytest.MonkeyPatch, machine: dict[str, str]
) -> Iterator[tuple[Site, Page]]:
    """The services over a stream whose topic is empty yet; their processes read settings from the environment."""
    topic = fresh_topic(2)
    # Five trees: what is tested is the path, and a real forest per window would take most of the time.
    # No start: a tick of the sensor would decide the boundaries of the week before the first record is there.
    made = settings(streams={STREAM: {"topic": topic}}, detection={"trees": 5})
    values = {
        "kafka.bootstrap_servers": str(made.kafka.bootstrap_servers),
        f"streams.{STREAM}.topic": topic,
        "detection.trees": "5",
        **{f"jvm.{key}": value for key, value in machine.items()},
    }
    for key, value in values.items():
        monkeypatch.setenv(environment_variable(key), value)
    with DagsterServices(made) as services:
        page = Page(services.start().dagster_url)
        monkeypatch.setenv(environment_variable("state_dir"), str(made.state))
        with DagsterInstance.from_config(str(dagster_home(made))) as instance:
            yield Site(made, instance, this_hour() - WEEK_HOURS * HOUR, Clock(this_hour() + GRACE)), page


def test_a_week_of_hours_is_one_run_and_a_day_of_it_the_same_again_the_second_time(week: tuple[Site, Page]) -> None:
    here, page = week
    page.stop_sensors()
    for hour in range(WEEK_HOURS):
        here.produce(hour, 24)
    windows = here.windows(range(WEEK_HOURS))

    (run,) = page.backfill(windows)  # of exactly these windows, and not also of those that look back at them
    assert run["status"] == "SUCCESS"
    first = _contents(here)
    assert {len(contents) for contents in first.values()} == {WEEK_HOURS}
    for name in GRAPH:
        assert here.instance.get_materialized_partitions(AssetKey([STREAM, name])) == set(windows), name
    assert here.stream.table("events").scan().collect().height == 24 * WEEK_HOURS

    (again,) = page.backfill(windows[-DAY_HOURS:])
    assert again["id"] != run["id"]
    here.restart()
    assert _contents(here) == first
    commits = here.stream.table("events").commits()
    anew = {window for window, commit in commits.items() if commit.attempt.startswith(again["id"])}
    assert anew == set(windows[-DAY_HOURS:]), "the second run wrote each of its windows anew, and no other"


def _contents(here: Site) -> dict[str, dict[str, str]]:
    return {
        name: {window: commit.content_hash for window, commit in here.stream.table(name).commits().items()}
        for name in TABLES
    }
