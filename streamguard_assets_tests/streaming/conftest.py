"""What tests of the stream job share."""

from __future__ import annotations

import pytest

from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.two_paths import TwoPaths


@pytest.fixture
def paths(brokerless_settings: SettingsFactory) -> TwoPaths:
    """A stream in an empty lake, to be written by windows and by the stream alike."""
    return TwoPaths.of(brokerless_settings())
