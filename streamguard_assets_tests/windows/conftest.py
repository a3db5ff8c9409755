"""Streams to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamguard_assets_tests.conftest import SettingsFactory, TopicFactory
from streamguard_assets_tests.windows.rig import Rig, stream_settings

RigFactory = Callable[..., Rig]


@pytest.fixture
def make_rig(settings: SettingsFactory, fresh_topic: TopicFactory, tmp_path: Path) -> RigFactory:
    """``make_rig(partitions=2, stream={…}, config={…}, ingest={…}, …)``: a stream on a new topic, in a new lake."""

    def make(
        partitions: int = 2,
        stream: dict[str, Any] | None = None,
        config: dict[str, str] | None = None,
        **sections: Any,
    ) -> Rig:
        topic = fresh_topic(partitions=partitions, config=config)
        return Rig(settings(streams=stream_settings(topic, stream or {}), state_dir=tmp_path / topic, **sections))

    return make


@pytest.fixture
def rig(make_rig: RigFactory) -> Rig:
    """A stream of two partitions with a lookback of three windows, nothing in it."""
    return make_rig()
