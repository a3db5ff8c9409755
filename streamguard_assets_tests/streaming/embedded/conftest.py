"""Streams whose micro-batches are quick, so that tests are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streamguard_assets_tests.windows.conftest import make_rig  # noqa: F401 - a fixture
from streamguard_assets_tests.windows.rig import Rig

LiveRig = Callable[..., Rig]


@pytest.fixture
def live_rig(make_rig: Callable[..., Rig]) -> LiveRig:  # noqa: F811 - the fixture of that name
    """``live_rig(partitions=2, on_topic_recreated="skip", …)``: a stream on a new topic; keywords set ``streaming``."""

    def make(partitions: int = 2, **streaming: Any) -> Rig:
        quick = {"trigger_ms": 100, "dashboard_interval_s": 0.2, "patience_s": 60.0}
        return make_rig(partitions=partitions, streaming={**quick, **streaming})

    return make
