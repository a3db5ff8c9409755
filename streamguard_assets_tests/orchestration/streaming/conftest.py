"""Rigs: a lake and an instance of their own for each test; no broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from dagster import DagsterInstance

from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.orchestration.streaming.rig import Engine, Rig

RigFactory = Callable[..., Rig]


@pytest.fixture
def rig(brokerless_settings: SettingsFactory) -> Iterator[RigFactory]:
    """``rig(engine, streaming={...})``"""
    with ExitStack() as stack:

        def make(engine: Engine | None = None, **sections: Any) -> Rig:
            instance = stack.enter_context(DagsterInstance.ephemeral())
            return Rig(brokerless_settings(**sections), instance, engine or Engine())

        yield make
