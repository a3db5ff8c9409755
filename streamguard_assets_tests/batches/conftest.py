"""Streams to make batches of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamguard_assets_tests.batches.rig import BatchRig, RigFactory, batch_settings
from streamguard_assets_tests.conftest import SettingsFactory, TopicFactory


@pytest.fixture
def make_rig(settings: SettingsFactory, fresh_topic: TopicFactory, tmp_path: Path) -> RigFactory:
    """``make_rig(partitions=2, ingest={…}, …)``: a stream on a new topic, in a new lake."""

    def make(partitions: int = 2, **sections: Any) -> BatchRig:
        topic = fresh_topic(partitions)
        return BatchRig(settings(streams=batch_settings(topic), state_dir=tmp_path / topic, **sections))

    return make


@pytest.fixture
def rig(make_rig: RigFactory) -> BatchRig:
    """A topic of two partitions, nothing in it."""
    return make_rig()
