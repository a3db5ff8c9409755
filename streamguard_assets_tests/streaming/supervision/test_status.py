"""How a stream is, told from the lake alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError

from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.heartbeat import FILE, Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.status import StatusReader, StreamStatus
from streamguard_assets.streaming.supervision.wanted import WantedTable
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


def test_a_look_tells_what_can_be_told_and_why_the_rest_cannot(brokerless_settings: SettingsFactory) -> None:
    settings = brokerless_settings()
    location = lake_location(settings)
    HeartbeatFile(location, "security").write(beat())
    wanted = Path(location.table("security", "live/wanted"))
    wanted.mkdir()
    (wanted / "_delta_log").mkdir()
    (wanted / "_delta_log" / f"{0:020}.json").write_text("junk")
    reader = StatusReader(settings, location, "security")
    found = reader.look(NOW)
    assert (found.wanted, found.phase, found.is_live) == (None, "running", True)
    assert str(wanted) in found.fault
    assert found.as_document()["wanted_by"] is None
    with pytest.raises(DeltaError):  # whoever acts on it must not take it for an answer
        reader.read(NOW)


def test_a_look_at_a_heartbeat_that_cannot_be_read_knows_neither_phase_nor_life(
    brokerless_settings: SettingsFactory,
) -> None:
    settings = brokerless_settings()
    location = lake_location(settings)
    path = Path(location.uri) / "security" / "live" / FILE
    path.mkdir(parents=True)
    reader = StatusReader(settings, location, "security")
    document = reader.look(NOW).as_document()
    assert (document["phase"], document["is_live"], document["wanted"]) == ("unknown", None, "stopped")
    assert str(path) in document["last_error"]
    with pytest.raises(IsADirectoryError):
        reader.read(NOW)


def test_a_look_while_the_lake_answers_is_what_is_read(status, brokerless_settings: SettingsFactory) -> None:
    found = status(beat())
    settings = brokerless_settings()
    assert StatusReader(settings, lake_location(settings), "security").look(NOW) == found
    assert found.fault == ""


def test_a_defect_is_no_fault_of_the_lake(
    brokerless_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(_: object) -> None:
        raise KeyError("sequence")

    monkeypatch.setattr(WantedTable, "current", defect)
    settings = brokerless_settings()
    with pytest.raises(KeyError):
        StatusReader(settings, lake_location(settings), "security").look(NOW)
