"""When the schedule looks: at each boundary, once it is decided."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from dagster import RunRequest, SkipReason, build_schedule_context
from dagster._utils.schedules import cron_string_iterator

from streamguard_assets.contracts.windows import CADENCES_MINUTES, Cadence
from streamguard_assets.orchestration.schedules import schedule_cron
from streamguard_assets.settings import StreamSettings
from streamguard_assets_tests.orchestration.conftest import SiteFactory
from streamguard_assets_tests.orchestration.site import STREAM, Site

START = datetime(2026, 1, 1, tzinfo=UTC)


def stream(minutes: int, grace_s: float = 60.0) -> StreamSettings:
    return StreamSettings.model_validate(
        {"topic": "t", "contract": "security", "window_minutes": minutes, "grace_s": grace_s}
    )


def ticks(cron: str, days: int = 2) -> list[datetime]:
    found = []
    for instant in cron_string_iterator(START.timestamp(), cron, "UTC"):
        if instant >= START + timedelta(days=days):
            return found
        found.append(instant)
    return found


@pytest.mark.parametrize("minutes", CADENCES_MINUTES)
@pytest.mark.parametrize("grace_s", [0, 59, 60, 61, 300, 3_000, 7_200])
def test_there_is_one_tick_per_window_and_never_before_its_boundary_is_decided_if_a_minute_allows(
    minutes: int, grace_s: float
) -> None:
    cadence = Cadence(minutes)
    found = ticks(schedule_cron(stream(minutes, grace_s)))
    gaps = {later - earlier for earlier, later in pairwise(found)}
    assert gaps == {timedelta(minutes=minutes)}
    delay = found[0] - cadence.floor(found[0])
    if math.ceil(grace_s / 60) + 1 < min(minutes, 60):
        assert delay.total_seconds() > grace_s


@pytest.mark.broker
def test_it_asks_for_what_the_sensor_would(site: SiteFactory) -> None:
    here = site(2, durable=True)
    here.produce(0)
    here.produce(1)
    asked = _evaluate(here)
    assert isinstance(asked, list)
    assert all(isinstance(request, RunRequest) for request in asked)
    assert [request.run_key for request in asked] == [request.run_key for request in here.tick().run_requests or []]
    here.settle()
    nothing = _evaluate(here)
    assert isinstance(nothing, SkipReason)
    assert nothing.skip_message == "every window is built"


@pytest.mark.broker
def test_it_waits_for_the_first_record(site: SiteFactory) -> None:
    nothing = _evaluate(site(2, durable=True, stream={"start": None}))
    assert isinstance(nothing, SkipReason)
    assert "holds no records yet" in (nothing.skip_message or "")


def _evaluate(here: Site) -> list[RunRequest] | SkipReason:
    definition = here.definitions.resolve_schedule_def(f"{STREAM}_schedule")
    with build_schedule_context(here.instance, resources=dict(here.definitions.resources or {})) as context:
        data = definition.evaluate_tick(context)
    return list(data.run_requests) if data.run_requests else SkipReason(data.skip_message)
