"""How a stream is, told from the lake alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.heartbeat import FILE, Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.status import StatusReader, StreamStatus
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.beats import NOBODY, NOW, beat


@pytest.fixture
def status(brokerless_settings: SettingsFactory):
    """``status(heartbeat)``: the look at a stream whose newest heartbeat it is; None: there is none."""
    settings = brokerless_settings()
    location = lake_location(settings)

    def look(heartbeat: Heartbeat | None) -> StreamStatus:
        if heartbeat is not None:
            HeartbeatFile(location, "security").write(heartbeat)
        return StatusReader(settings, location, "security").read(NOW)

    return look


@pytest.mark.parametrize(
    ("heartbeat", "phase", "is_live", "is_running"),
    [
        (None, "never started", False, False),
        (beat(phase=Phase.STARTING), "starting", True, False),
        (beat(phase=Phase.RUNNING), "running", True, True),
        (beat(phase=Phase.IDLE), "idle", True, True),
        (beat(phase=Phase.WAITING_FOR_KAFKA), "waiting_for_kafka", True, True),
        (beat(phase=Phase.PAUSED), "paused", True, False),
        (beat(phase=Phase.STOPPING), "stopping", True, False),
        (beat(phase=Phase.STOPPED, age_s=9_000), "stopped", False, False),
        (beat(phase=Phase.LOST, age_s=9_000), "lost", False, False),
        (beat(process=NOBODY), "gone", False, False),
        (beat(age_s=61), "silent", False, False),
        (beat(turned_s=301), "silent", False, False),
        (beat(process=NOBODY, host="another"), "running", True, True),
    ],
)
def test_its_state_in_a_word(status, heartbeat: Heartbeat | None, phase: str, is_live: bool, is_running: bool) -> None:
    found = status(heartbeat)
    assert (found.phase, found.is_live, found.is_running) == (phase, is_live, is_running)
    assert found.as_document()["phase"] == phase


def test_a_damaged_sign_of_life_is_silence_and_the_last_error_names_the_file(
    brokerless_settings: SettingsFactory,
) -> None:
    settings = brokerless_settings()
    location = lake_location(settings)
    HeartbeatFile(location, "security").write(beat())
    path = Path(location.uri) / "security" / "live" / FILE
    path.write_bytes(b"")
    found = StatusReader(settings, location, "security").read(NOW)
    assert (found.phase, found.is_live, found.is_running, found.restarts) == ("silent", False, False, 0)
    assert str(path) in found.as_document()["last_error"]


def test_restarts_of_more_than_an_hour_ago_are_not_shown(status) -> None:
    young = beat()
    young = replace(young, host=replace(young.host, restarts=4, last_error="the disk is full"))
    assert (status(young).restarts, status(young).last_error) == (4, "the disk is full")
    old = replace(young, snapshot=replace(young.snapshot, started_at=NOW - timedelta(minutes=61)))
    assert status(old).restarts == 0


def test_nobody_lands_events_in_a_stream_that_has_ended(status) -> None:
    ended = status(beat(phase=Phase.STOPPED)).as_document()
    assert (ended["events_per_s"], ended["metrics"]) == (0.0, None)
