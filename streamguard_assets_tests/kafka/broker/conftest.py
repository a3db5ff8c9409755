"""Brokers of a test's own, in a state folder of its own; none is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamguard_assets.kafka.broker.lifecycle import stop_broker
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import SettingsFactory


@pytest.fixture
def own(brokerless_settings: SettingsFactory) -> Iterator[Settings]:
    """Settings whose state folder has no broker yet; what was started there is killed after the test."""
    settings = brokerless_settings(broker={"heap_mb": 256})
    yield settings
    stop_broker(settings, grace_s=0)
