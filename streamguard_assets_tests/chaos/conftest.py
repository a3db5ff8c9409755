"""Rooms for the harness: a folder and a broker of a test's own, since blows fall on the broker too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamguard_assets.chaos.room import Room, room_in
from streamguard_assets.chaos.run import STREAMING
from streamguard_assets_tests.conftest import SettingsFactory

RoomFactory = Callable[[], Room]


@pytest.fixture
def make_room(brokerless_settings: SettingsFactory, tmp_path: Path) -> RoomFactory:
    """``make_room()``: a room below the test's folder; the harness starts and ends what runs in it."""

    def make() -> Room:
        folder = tmp_path / "room"
        folder.mkdir()
        return room_in(folder, brokerless_settings(), STREAMING)

    return make
